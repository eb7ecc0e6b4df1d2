import type { Reported } from '../bill.ts'
import { NOTHING_CONSUMED } from '../pricing.ts'

/** Usage as OpenAI reports it. */
export interface OpenAiUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details: {
    readonly cached_tokens: number | null
    readonly audio_tokens: number
    readonly cache_write_tokens?: number
  }
  readonly completion_tokens_details: {
    readonly reasoning_tokens: number
    readonly audio_tokens: number
    readonly accepted_prediction_tokens: number
    readonly rejected_prediction_tokens: number
  }
}

/** Usage without caches. */
export const usageOf = (prompt: number, completion: number, reasoning: number): OpenAiUsage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: reasoning,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
})

/** What a usage stands for: cached and written tokens are parts of the prompt, reasoning is part of the completion. */
export function reported(usage: OpenAiUsage, searchCalls: number): Reported {
  const { cached_tokens, cache_write_tokens: cacheWrite5m = 0 } = usage.prompt_tokens_details
  const cacheRead = cached_tokens ?? 0
  const consumed = {
    ...NOTHING_CONSUMED,
    input: usage.prompt_tokens - cacheRead - cacheWrite5m,
    cacheRead,
    cacheWrite5m,
    output: usage.completion_tokens,
    searchCalls,
  }
  return { usage, consumed }
}
