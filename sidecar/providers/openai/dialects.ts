/**
 * How the providers that speak OpenAI's chat format differ from it: data alone. What each of them sends was read in its
 * documents and SDK (November 2026); what a row leaves out is as OpenAI does it.
 */
import { ceilToNano, type NanoUsd, picoUsd } from '@agentcostcontrol/contract'
import { isRecord } from '../read.ts'

type Path = readonly (string | number)[]
type Usage = Readonly<Record<string, unknown>>

/** One provider's way to speak the format. */
export interface ChatDialect {
  /** The field of the output limit, where the client set none. A field that a provider ignores limits nothing. */
  readonly limitField: 'max_completion_tokens' | 'max_tokens'
  /** `asked`: a stream tells its usage if `stream_options` asks for it. `always`: it does so unasked, and some refuse to be asked. */
  readonly streamUsage: 'asked' | 'always'
  /** Where else an answer or a chunk may hold its usage; a negative index counts from the end. */
  readonly usageAt?: readonly Path[]
  /** Where else a usage may hold the part of the prompt that came from the cache, the first that is there. */
  readonly cachedAt?: readonly Path[]
  /** What the provider says that it cost; `null` where it does not say. */
  readonly statedCost?: (usage: Usage) => NanoUsd | null
}

/** OpenAI's own way. */
export const OPENAI_CHAT: ChatDialect = { limitField: 'max_completion_tokens', streamUsage: 'asked' }

/** `prompt_cache_hit_tokens` are the cached part of the prompt, `prompt_cache_miss_tokens` the rest: never to be added. */
const DEEPSEEK_CACHE: readonly Path[] = [['prompt_cache_hit_tokens']]

/** Every other way, by the name of the provider. */
export const CHAT_DIALECTS = {
  cerebras: OPENAI_CHAT,
  deepseek: { limitField: 'max_tokens', streamUsage: 'asked', cachedAt: DEEPSEEK_CACHE },
  fireworks: { limitField: 'max_tokens', streamUsage: 'always' },
  groq: { limitField: 'max_completion_tokens', streamUsage: 'always', usageAt: [['x_groq', 'usage']] },
  // It refuses members that it does not know, `stream_options` and `max_completion_tokens` among them.
  mistral: { limitField: 'max_tokens', streamUsage: 'always', cachedAt: [['num_cached_tokens']] },
  moonshotai: {
    limitField: 'max_tokens',
    streamUsage: 'always',
    usageAt: [['choices', -1, 'usage']],
    cachedAt: [['cached_tokens']],
  },
  ollama: { limitField: 'max_tokens', streamUsage: 'asked' },
  openrouter: { limitField: 'max_tokens', streamUsage: 'always', statedCost: openRouterCost },
  together: { limitField: 'max_tokens', streamUsage: 'always', cachedAt: [['cached_tokens']] },
  // Servers of one's own: whatever any of them may do.
  vllm: { limitField: 'max_tokens', streamUsage: 'asked', cachedAt: [...DEEPSEEK_CACHE, ['cached_tokens']] },
  xai: { limitField: 'max_completion_tokens', streamUsage: 'asked', statedCost: xaiCost },
} as const satisfies Readonly<Record<string, ChatDialect>>

/** What stands at a path; `undefined` if it leads nowhere. */
export function valueAt(json: unknown, path: Path): unknown {
  let value = json
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value.at(step) : undefined
    else value = isRecord(value) ? value[step] : undefined
  }
  return value
}

const PICO_PER_USD = 1e12
/** No single answer costs more than a million USD: such a figure is no report. */
const USD_MAX = 1_000_000

/** An amount of USD in JSON's floating point, to the pico-dollar, rounded up to nano; `null` if it makes no sense. */
const fromUsd = (usd: unknown): NanoUsd | null =>
  typeof usd === 'number' && usd >= 0 && usd <= USD_MAX
    ? ceilToNano(picoUsd(BigInt(Math.round(usd * PICO_PER_USD))))
    : null

/**
 * OpenRouter's `usage.cost` in USD. With a key of one's own (`is_byok`) that is its fee alone, and what the upstream
 * provider bills besides stands in `cost_details.upstream_inference_cost`.
 */
function openRouterCost(usage: Usage): NanoUsd | null {
  const upstream = valueAt(usage, ['cost_details', 'upstream_inference_cost'])
  const own = usage.is_byok !== false && typeof upstream === 'number' ? upstream : 0
  return typeof usage.cost === 'number' ? fromUsd(usage.cost + own) : null
}

/** xAI's `cost_in_usd_ticks`: ten thousand millionths of a dollar each. */
function xaiCost(usage: Usage): NanoUsd | null {
  const ticks = usage.cost_in_usd_ticks
  return typeof ticks === 'number' ? fromUsd(ticks / 1e10) : null
}
