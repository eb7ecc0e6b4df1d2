import { NO_USAGE, type ServiceTier, type TokenUsage } from '@agentcostcontrol/contract'
import type { AnswerFacts } from '../../provider.ts'
import { isRecord, readArray, readCount, readString } from '../../read.ts'
import { isAddition, readServiceTier } from '../usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Normalises a usage object of the Responses API. Cached and written tokens are part of the input, reasoning is part of
 * the output, unless the sum says that they stand beside it. What is kept for twelve hours counts as the longer lifetime.
 * @returns `null` if the object holds no usable figures; absent is not zero.
 */
function readUsage(raw: unknown): TokenUsage | null {
  if (!isRecord(raw) || (raw.input_tokens ?? null) === null || (raw.output_tokens ?? null) === null) return null
  const input = readCount(raw.input_tokens)
  const output = readCount(raw.output_tokens)
  const inputDetails = isRecord(raw.input_tokens_details) ? raw.input_tokens_details : {}
  const outputDetails = isRecord(raw.output_tokens_details) ? raw.output_tokens_details : {}
  const lifetimes = isRecord(inputDetails.cache_write_tokens_details) ? inputDetails.cache_write_tokens_details : {}
  const cached = readCount(inputDetails.cached_tokens)
  const written = readCount(inputDetails.cache_write_tokens)
  const long = readCount(lifetimes.ttl_12h_tokens)
  const reasoning = readCount(outputDetails.reasoning_tokens)
  if (input === null || output === null || cached === null || written === null || long === null || reasoning === null)
    return null
  const total = typeof raw.total_tokens === 'number' ? raw.total_tokens : null
  const inputAll = isAddition(cached + written, input, output, total) ? input + cached + written : input
  const outputAll = isAddition(reasoning, output, input, total) ? output + reasoning : output
  const cacheWrite1h = Math.min(long, written)
  return {
    ...NO_USAGE,
    inputUncached: Math.max(0, inputAll - cached - written),
    cacheRead: cached,
    cacheWrite5m: written - cacheWrite1h,
    cacheWrite1h,
    outputVisible: Math.max(0, outputAll - reasoning),
    outputReasoning: reasoning,
  }
}

/** Statuses of an answer that is still being made: what it uses is told by a later one. */
const UNFINISHED: ReadonlySet<unknown> = new Set(['queued', 'in_progress'])

/** Whether a response object is one that is still being made. */
const isUnfinished = (json: unknown): boolean => isRecord(json) && UNFINISHED.has(json.status)

/**
 * Reads what a response object says of itself.
 * @param itemsDone its output items as they were told one by one, where the object itself may leave them out
 */
export function readFacts(json: unknown, itemsDone: readonly unknown[] = []): AnswerFacts {
  const answer: Json = isRecord(json) ? json : {}
  const rawUsage = answer.usage ?? null
  const tokens = isUnfinished(answer) ? null : readUsage(rawUsage)
  const items = readArray(answer.output)
  const hostedToolCalls = callsWithFee(answer, items.length > 0 ? items : itemsDone)
  const name = pricedAs(readString(answer.model) ?? '', answer)
  return {
    responseId: readString(answer.id),
    responseModel: readString(answer.model),
    serviceTier: readServiceTier(answer.service_tier),
    ...(name === undefined ? {} : { pricedAs: name }),
    usage: tokens && { ...tokens, hostedToolCalls },
    ...(answer.background === true && isUnfinished(answer) ? { unfinished: true } : {}),
    rawUsage,
  }
}

/**
 * Calls that are billed one by one: searches of the web as the provider counts them, else its searches among the items
 * (pages that it opened have no fee), and searches in files.
 */
function callsWithFee(answer: Json, items: readonly unknown[]): number {
  const told = isRecord(answer.tool_usage) ? answer.tool_usage.web_search : undefined
  const counted = isRecord(told) && told.num_requests !== undefined ? readCount(told.num_requests) : null
  let webSearches = 0
  let fileSearches = 0
  for (const item of items) {
    if (!isRecord(item)) continue
    if (item.type === 'file_search_call') fileSearches++
    else if (item.type === 'web_search_call' && isSearch(item.action)) webSearches++
  }
  return (counted ?? webSearches) + fileSearches
}

const isSearch = (action: unknown): boolean =>
  !isRecord(action) || (action.type !== 'open_page' && action.type !== 'find_in_page' && action.type !== 'find')

/** The tier of service that has no price on any list. */
const ULTRAFAST = 'ultrafast'

/** The rate card's name for a model in the tier that is asked for. @returns `undefined` for one at its own rates */
export const variantOf = (model: string, serviceTier: unknown): string | undefined =>
  serviceTier === ULTRAFAST ? `${ULTRAFAST}/${model}` : undefined

/** The same for an answer, for which another model may have made pictures: nobody has a price for both. */
function pricedAs(model: string, answer: Json): string | undefined {
  const pictures = isRecord(answer.tool_usage) ? answer.tool_usage.image_gen : undefined
  const drew = isRecord(pictures) && [pictures.total_tokens, pictures.output_tokens].some((count) => Number(count) > 0)
  return drew ? `${model} and pictures` : variantOf(model, answer.service_tier)
}

/** The tier that a request asks for; the fast one is billed as priority. */
export const askedTier = (value: unknown): ServiceTier | null => readServiceTier(value === 'fast' ? 'priority' : value)
