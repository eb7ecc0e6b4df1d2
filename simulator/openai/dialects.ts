/**
 * How each simulated provider speaks OpenAI's chat format: data alone, from their documents (November 2026). What a row
 * leaves out is as OpenAI does it.
 */
import type { Json } from '../json.ts'
import type { OpenAiUsage } from './usage.ts'

/** What a usage is told with, besides its tokens. */
export interface Told {
  readonly model: string
  /** What the answer costs, in USD; 0 for a model without a price. */
  readonly costUsd: number
}

/** One provider's way. */
export interface Dialect {
  /** Models that think before they answer. */
  readonly reasons?: RegExp
  /** Where a stream tells its usage: once at the end if it was asked to, or unasked in one of these places. */
  readonly streamUsage?: 'asked' | 'at-the-end' | 'last-choice' | 'in-the-choice' | 'x_groq'
  /** Members of a request that are refused as unknown, and that are passed over. */
  readonly refused?: readonly string[]
  readonly ignored?: readonly string[]
  /** The usage as this provider writes it. */
  usage?(usage: OpenAiUsage, told: Told): object
  /** What every answer and chunk holds besides. */
  readonly extras?: Json
  /** What every choice holds besides. */
  readonly inChoices?: Json
  /** What a plain answer holds besides. */
  readonly whole?: Json
  /** A chunk without choices in front of a stream. */
  readonly front?: Json
  /** The provider and the model that the bill is made for. */
  billed?(model: string): readonly [provider: string, model: string]
}

const counts = ({ prompt_tokens, completion_tokens, total_tokens }: OpenAiUsage) => ({
  prompt_tokens,
  completion_tokens,
  total_tokens,
})
const cachedOf = (usage: OpenAiUsage): number => usage.prompt_tokens_details.cached_tokens ?? 0
const reasoningOf = (usage: OpenAiUsage): number => usage.completion_tokens_details.reasoning_tokens

/** How the makers of resold models are named on the rate card, where that differs. */
const MAKERS: Readonly<Record<string, string>> = { mistralai: 'mistral', qwen: 'alibaba', 'x-ai': 'xai', 'z-ai': 'zai' }

const NOTHING_FOUND = {
  hate: { filtered: false, severity: 'safe' },
  self_harm: { filtered: false, severity: 'safe' },
  sexual: { filtered: false, severity: 'safe' },
  violence: { filtered: false, severity: 'safe' },
}
const PROMPT_FILTER = { prompt_filter_results: [{ prompt_index: 0, content_filter_results: NOTHING_FOUND }] }

/** By the provider's name; one that is not listed is OpenAI's way. */
const DIALECTS: Readonly<Record<string, Dialect>> = {
  azure: {
    inChoices: { content_filter_results: NOTHING_FOUND },
    front: { choices: [], created: 0, id: '', model: '', object: '', ...PROMPT_FILTER },
    whole: PROMPT_FILTER,
  },
  cerebras: { extras: { time_info: { queue_time: 0.0001, total_time: 0.01 } } },
  deepseek: {
    reasons: /reasoner|v4/,
    ignored: ['max_completion_tokens'],
    usage: (usage, { model }) => ({
      ...counts(usage),
      // Older models tell of the cache at the top alone, newer ones in both places.
      ...(/v4/.test(model) ? { prompt_tokens_details: { cached_tokens: cachedOf(usage) } } : {}),
      completion_tokens_details: { reasoning_tokens: reasoningOf(usage) },
      prompt_cache_hit_tokens: cachedOf(usage),
      prompt_cache_miss_tokens: usage.prompt_tokens - cachedOf(usage),
    }),
  },
  fireworks: {
    streamUsage: 'last-choice',
    ignored: ['max_completion_tokens', 'stream_options'],
    usage: (usage) => ({ ...counts(usage), prompt_tokens_details: { cached_tokens: cachedOf(usage) } }),
  },
  groq: {
    reasons: /gpt-oss/,
    streamUsage: 'x_groq',
    usage: (usage) => ({ ...usage, queue_time: 0.02, prompt_time: 0.001, completion_time: 0.1, total_time: 0.101 }),
  },
  mistral: {
    streamUsage: 'last-choice',
    refused: ['stream_options', 'max_completion_tokens'],
    usage: (usage) => ({ ...counts(usage), num_cached_tokens: cachedOf(usage), prompt_audio_seconds: null }),
  },
  moonshotai: {
    streamUsage: 'in-the-choice',
    ignored: ['max_completion_tokens', 'stream_options'],
    usage: (usage) => ({ ...counts(usage), cached_tokens: cachedOf(usage) }),
  },
  ollama: { ignored: ['max_completion_tokens'], usage: counts },
  openrouter: {
    streamUsage: 'at-the-end',
    ignored: ['max_completion_tokens'],
    extras: { provider: 'Simulated' },
    usage: (usage, { costUsd }) => ({
      cost: costUsd,
      is_byok: false,
      cost_details: { upstream_inference_cost: null },
      ...usage,
    }),
    billed: (model) => {
      const [maker = '', name = ''] = /^([^/]+)\/(.+)$/.exec(model)?.slice(1) ?? []
      return [MAKERS[maker] ?? maker, name]
    },
  },
  together: {
    streamUsage: 'last-choice',
    ignored: ['max_completion_tokens', 'stream_options'],
    usage: (usage) => ({ ...counts(usage), cached_tokens: cachedOf(usage) }),
  },
  vllm: { usage: (usage) => ({ ...counts(usage), prompt_tokens_details: null }) },
  xai: {
    reasons: /^grok-4/,
    // What was thought stands beside the completion, not in it.
    usage: (usage, { costUsd }) => ({
      ...usage,
      completion_tokens: usage.completion_tokens - reasoningOf(usage),
      total_tokens: usage.prompt_tokens + usage.completion_tokens,
      num_sources_used: 0,
      cost_in_usd_ticks: Math.round(costUsd * 1e10),
    }),
  },
}

/** The providers that are simulated by a dialect alone. */
export const DIALECT_NAMES: readonly string[] = Object.keys(DIALECTS).filter(
  (name) => name !== 'azure' && name !== 'ollama',
)

/** A provider's way to speak. */
export const dialectOf = (provider: string): Dialect => DIALECTS[provider] ?? {}
