import type { Reported } from '../../bill.ts'
import { isRecord, type Json } from '../../json.ts'
import { NOTHING_CONSUMED } from '../../pricing.ts'

/** Usage as the Responses API reports it. */
export interface ResponseUsage {
  readonly input_tokens: number
  readonly input_tokens_details: {
    readonly cached_tokens: number
    readonly cache_write_tokens: number
    readonly cache_write_tokens_details?: { readonly ttl_30m_tokens: number; readonly ttl_12h_tokens: number }
  }
  readonly output_tokens: number
  readonly output_tokens_details: { readonly reasoning_tokens: number }
  readonly total_tokens: number
}

/** What is billed besides tokens. */
export interface HostedUse {
  readonly webSearches: number
  readonly fileSearches: number
  readonly containers: number
  /** Tokens of pictures, which another model made. */
  readonly pictureTokens: number
}

/** An ordinary usage. */
export const usageOf = (input: number, cached: number, written: number, output: number, reasoning: number) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + output,
})

/** A usage with what a test says of it. */
export function merge(usage: ResponseUsage, over: Json): ResponseUsage {
  const merged = {
    ...usage,
    ...over,
    input_tokens_details: {
      ...usage.input_tokens_details,
      ...(isRecord(over.input_tokens_details) ? over.input_tokens_details : {}),
    },
    output_tokens_details: {
      ...usage.output_tokens_details,
      ...(isRecord(over.output_tokens_details) ? over.output_tokens_details : {}),
    },
  }
  return 'total_tokens' in over ? merged : { ...merged, total_tokens: merged.input_tokens + merged.output_tokens }
}

/** What a usage stands for: cached and written tokens are parts of the input, reasoning is part of the output. */
export function reported(usage: ResponseUsage, { webSearches, fileSearches, containers }: HostedUse): Reported {
  const {
    cached_tokens: cacheRead,
    cache_write_tokens: written,
    cache_write_tokens_details,
  } = usage.input_tokens_details
  const cacheWrite1h = cache_write_tokens_details?.ttl_12h_tokens ?? 0
  const consumed = {
    ...NOTHING_CONSUMED,
    input: usage.input_tokens - cacheRead - written,
    cacheRead,
    cacheWrite5m: written - cacheWrite1h,
    cacheWrite1h,
    output: usage.output_tokens,
    searchCalls: webSearches,
    fileSearchCalls: fileSearches,
    containers,
  }
  return { usage, consumed }
}
