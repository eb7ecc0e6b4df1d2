import type { Reported } from '../bill.ts'
import { isRecord, type Json } from '../json.ts'
import { NOTHING_CONSUMED } from '../pricing.ts'

/** Input by where it came from. */
export interface InputUsage {
  readonly input_tokens: number
  readonly cache_read_input_tokens: number
  readonly cache_creation_input_tokens: number
  readonly cache_creation: {
    readonly ephemeral_5m_input_tokens: number
    readonly ephemeral_1h_input_tokens: number
  }
}

/** Usage of one iteration, where an answer takes several. */
export interface IterationUsage extends InputUsage {
  readonly type: 'message' | 'compaction'
  readonly output_tokens: number
}

/** Usage as Anthropic reports it: additive, the caches beside the input. */
export interface AnthropicUsage extends InputUsage {
  readonly output_tokens: number
  readonly output_tokens_details: { readonly thinking_tokens: number }
  readonly server_tool_use: { readonly web_search_requests: number; readonly web_fetch_requests: number } | null
  readonly service_tier: string
  readonly inference_geo: string
  readonly speed: string
  /** `null` where the answer took one iteration. */
  readonly iterations: readonly IterationUsage[] | null
}

/** What a usage stands for. Of the iterations, a compaction alone is not in the whole. */
export function reported(usage: AnthropicUsage): Reported {
  const parts = [usage, ...(usage.iterations ?? []).filter(({ type }) => type === 'compaction')]
  const sum = (of: (part: AnthropicUsage | IterationUsage) => number): number =>
    parts.reduce((all, part) => all + of(part), 0)
  const short = sum((part) => part.cache_creation.ephemeral_5m_input_tokens)
  const consumed = {
    ...NOTHING_CONSUMED,
    input: sum((part) => part.input_tokens),
    cacheRead: sum((part) => part.cache_read_input_tokens),
    cacheWrite5m: short,
    cacheWrite1h: sum((part) => part.cache_creation_input_tokens) - short,
    output: sum((part) => part.output_tokens),
    searchCalls: usage.server_tool_use?.web_search_requests ?? 0,
  }
  return { usage, consumed }
}

/** Puts what a control says over a usage, member by member. */
export function merge(usage: AnthropicUsage, over: Json): AnthropicUsage {
  const merged = { ...usage, ...over, cache_creation: { ...usage.cache_creation } }
  for (const key of ['cache_creation', 'output_tokens_details', 'server_tool_use'] as const)
    if (isRecord(over[key])) Object.assign(merged, { [key]: { ...usage[key], ...over[key] } })
  const split = merged.cache_creation
  if ('cache_creation_input_tokens' in over && !('cache_creation' in over))
    return { ...merged, cache_creation: { ...split, ephemeral_5m_input_tokens: merged.cache_creation_input_tokens } }
  if ('cache_creation' in over && !('cache_creation_input_tokens' in over)) {
    const all = split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens
    return { ...merged, cache_creation_input_tokens: all }
  }
  return merged
}
