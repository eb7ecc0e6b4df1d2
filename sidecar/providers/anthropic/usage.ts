import { NO_USAGE, type ServiceTier, type TokenUsage } from '@agentcostcontrol/contract'
import type { AnswerFacts } from '../provider.ts'
import { isRecord, readArray, readCount, readString } from '../read.ts'

type Raw = Readonly<Record<string, unknown>>

/**
 * Normalises a usage object of the messages API. Its fields are additive: `input_tokens` leaves the caches out, and the
 * thinking is part of `output_tokens`. A compaction or an advisor stands in `iterations` alone, unless the sums say that
 * the whole already holds it.
 * @returns `null` if the object holds no usable figures; absent is not zero.
 */
export function readUsage(raw: unknown): TokenUsage | null {
  const whole = readPart(raw)
  if (whole === null || !isRecord(raw)) return null
  const searches = readCount(isRecord(raw.server_tool_use) ? raw.server_tool_use.web_search_requests : 0)
  if (searches === null) return null
  return { ...outside(whole, readArray(raw.iterations)).reduce(add, whole), hostedToolCalls: searches }
}

/** The tokens of an answer, or of one of its iterations. */
function readPart(raw: unknown): TokenUsage | null {
  if (!isRecord(raw) || (raw.input_tokens ?? null) === null || (raw.output_tokens ?? null) === null) return null
  const inputUncached = readCount(raw.input_tokens)
  const cacheRead = readCount(raw.cache_read_input_tokens)
  const output = readCount(raw.output_tokens)
  const thinking = readCount(isRecord(raw.output_tokens_details) ? raw.output_tokens_details.thinking_tokens : 0)
  const writes = readWrites(raw)
  if (inputUncached === null || cacheRead === null || output === null || thinking === null || writes === null)
    return null
  // A part larger than its whole can only stand beside it.
  const outputVisible = thinking > output ? output : output - thinking
  return { ...NO_USAGE, inputUncached, cacheRead, ...writes, outputVisible, outputReasoning: thinking }
}

/** Cache writes by lifetime. What the split does not tell has the dearer of the lifetimes in it. */
function readWrites(raw: Raw): Pick<TokenUsage, 'cacheWrite5m' | 'cacheWrite1h'> | null {
  const split = isRecord(raw.cache_creation) ? raw.cache_creation : {}
  const short = readCount(split.ephemeral_5m_input_tokens)
  const long = readCount(split.ephemeral_1h_input_tokens)
  const all = readCount(raw.cache_creation_input_tokens)
  if (short === null || long === null || all === null) return null
  const untold = Math.max(0, all - short - long)
  return long > 0
    ? { cacheWrite5m: short, cacheWrite1h: long + untold }
    : { cacheWrite5m: short + untold, cacheWrite1h: 0 }
}

const add = (a: TokenUsage, b: TokenUsage): TokenUsage => ({
  ...a,
  inputUncached: a.inputUncached + b.inputUncached,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
  cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
  outputVisible: a.outputVisible + b.outputVisible,
  outputReasoning: a.outputReasoning + b.outputReasoning,
})

/** Iterations that the provider leaves out of the whole: its own words for a compaction and an advisor. */
const LEFT_OUT: ReadonlySet<unknown> = new Set(['compaction', 'advisor_message'])

/** The iterations that the whole leaves out; none if all of them together are the whole. */
function outside(whole: TokenUsage, iterations: readonly unknown[]): readonly TokenUsage[] {
  const parts = iterations.flatMap((iteration) => {
    const usage = readPart(iteration)
    return usage === null || !isRecord(iteration) ? [] : [{ usage, leftOut: LEFT_OUT.has(iteration.type) }]
  })
  const all = parts.map(({ usage }) => usage).reduce(add, NO_USAGE)
  if (sameTokens(all, whole)) return []
  return parts.filter(({ leftOut }) => leftOut).map(({ usage }) => usage)
}

const sameTokens = (a: TokenUsage, b: TokenUsage): boolean =>
  a.inputUncached === b.inputUncached &&
  a.cacheRead === b.cacheRead &&
  a.cacheWrite5m + a.cacheWrite1h === b.cacheWrite5m + b.cacheWrite1h &&
  a.outputVisible + a.outputReasoning === b.outputVisible + b.outputReasoning

/**
 * Maps `usage.service_tier`; `null` when it names none. Anthropic's priority tier is capacity that was paid for
 * beforehand; its tokens are counted at the standard rates.
 */
function readServiceTier(value: unknown): ServiceTier | null {
  switch (value) {
    case 'standard':
    case 'priority':
      return 'standard'
    case 'batch':
      return 'batch'
    default:
      return null
  }
}

const MODELS_OF_THEIR_OWN: ReadonlySet<unknown> = new Set(['advisor_message', 'fallback_message'])

/**
 * The rate card's name for a model at other rates: fast, or kept in one part of the world (`fast/us/claude-…`).
 * @returns `undefined` for one at its own rates
 */
export function variantOf(model: string, speed: unknown, geo: unknown): string | undefined {
  const place = typeof geo === 'string' && geo !== 'global' && geo !== 'not_available' ? `${geo}/` : ''
  const pace = speed === 'fast' ? 'fast/' : ''
  return pace + place === '' ? undefined : pace + place + model
}

/** The same for an answer, which other models may have worked on as well: nobody has a price for that. */
function pricedAs(model: string, usage: Raw): string | undefined {
  const others = readArray(usage.iterations).flatMap((iteration) =>
    isRecord(iteration) && MODELS_OF_THEIR_OWN.has(iteration.type) && typeof iteration.model === 'string'
      ? [iteration.model]
      : [],
  )
  const all = new Set([model, ...others])
  return all.size > 1 ? [...all].sort().join(' and ') : variantOf(model, usage.speed, usage.inference_geo)
}

/** Reads what a message says of itself. @param rawUsage its usage, put together where it came in several pieces */
export function readFacts(message: unknown, rawUsage: unknown): AnswerFacts {
  const { id, model, service_tier } = isRecord(message) ? message : {}
  const usage: Raw = isRecord(rawUsage) ? rawUsage : {}
  const name = pricedAs(readString(model) ?? '', usage)
  return {
    responseId: readString(id),
    responseModel: readString(model),
    serviceTier: readServiceTier(usage.service_tier ?? service_tier),
    ...(name === undefined ? {} : { pricedAs: name }),
    usage: readUsage(rawUsage),
    rawUsage: rawUsage ?? null,
  }
}
