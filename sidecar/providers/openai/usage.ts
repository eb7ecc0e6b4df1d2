import { NO_USAGE, type ServiceTier, type TokenUsage } from '@agentcostcontrol/contract'
import type { AnswerFacts } from '../provider.ts'
import { isRecord, readCount, readString } from '../read.ts'
import { type ChatDialect, OPENAI_CHAT, valueAt } from './dialects.ts'

/**
 * Normalises a usage object of OpenAI's chat format to disjoint fields. Cached, cache-write and audio tokens are part of
 * the prompt, reasoning and audio part of the completion, unless the sum says otherwise: where the total equals prompt
 * plus completion plus the figure, the figure is an addition (xAI reports reasoning so). Where a dialect has another place
 * for cached tokens it is read if the usual one is empty; the two are never added.
 * @returns `null` if the object holds no usable figures; absent is not zero.
 */
export function readUsage(raw: unknown, { cachedAt = [] }: ChatDialect = OPENAI_CHAT): TokenUsage | null {
  if (!isRecord(raw) || raw.prompt_tokens === undefined || raw.prompt_tokens === null) return null
  const prompt = readCount(raw.prompt_tokens)
  const completion = readCount(raw.completion_tokens)
  if (prompt === null || completion === null) return null
  const promptDetails = isRecord(raw.prompt_tokens_details) ? raw.prompt_tokens_details : {}
  const completionDetails = isRecord(raw.completion_tokens_details) ? raw.completion_tokens_details : {}
  const cached = readCount(promptDetails.cached_tokens ?? firstAt(raw, cachedAt))
  const written = readCount(promptDetails.cache_write_tokens)
  const audioInput = readCount(promptDetails.audio_tokens)
  const reasoning = readCount(completionDetails.reasoning_tokens)
  const audioOutput = readCount(completionDetails.audio_tokens)
  if (cached === null || written === null || audioInput === null || reasoning === null || audioOutput === null)
    return null
  const total = typeof raw.total_tokens === 'number' ? raw.total_tokens : null
  const promptAll = isAddition(cached + written, prompt, completion, total) ? prompt + cached + written : prompt
  const completionAll = isAddition(reasoning, completion, prompt, total) ? completion + reasoning : completion
  return {
    ...NO_USAGE,
    inputUncached: Math.max(0, promptAll - cached - written - audioInput),
    cacheRead: cached,
    cacheWrite5m: written,
    audioInput: Math.min(audioInput, Math.max(0, promptAll - cached - written)),
    outputVisible: Math.max(0, completionAll - reasoning - audioOutput),
    outputReasoning: reasoning,
    audioOutput: Math.min(audioOutput, Math.max(0, completionAll - reasoning)),
  }
}

/** Whether `part` stands beside `whole` instead of inside it. A part larger than its whole can only stand beside it. */
export function isAddition(part: number, whole: number, other: number, total: number | null): boolean {
  if (part === 0) return false
  if (part > whole) return true
  return total !== null && total === whole + other + part
}

/** Maps OpenAI's `service_tier`; `null` when it names none. `default` and `scale` are billed at standard rates. */
export function readServiceTier(value: unknown): ServiceTier | null {
  switch (value) {
    case 'default':
    case 'standard':
    case 'scale':
      return 'standard'
    case 'flex':
    case 'priority':
    case 'batch':
      return value
    default:
      return null
  }
}

/** Reads what a plain answer, or one chunk of a stream, says of itself. */
export function readFacts(json: unknown, dialect: ChatDialect = OPENAI_CHAT): AnswerFacts {
  const answer = isRecord(json) ? json : {}
  const rawUsage = rawUsageOf(answer, dialect)
  return {
    responseId: readString(answer.id),
    responseModel: readString(answer.model),
    serviceTier: readServiceTier(answer.service_tier),
    usage: readUsage(rawUsage, dialect),
    ...statedCost(rawUsage, dialect),
    rawUsage,
  }
}

/** The usage of an answer or of a chunk, as it stands there; `null` if there is none. */
export const rawUsageOf = (json: Readonly<Record<string, unknown>>, { usageAt = [] }: ChatDialect): unknown =>
  json.usage ?? firstAt(json, usageAt) ?? null

/** What the provider says that it cost, if it does. */
export function statedCost(rawUsage: unknown, dialect: ChatDialect): Pick<AnswerFacts, 'providerCost'> {
  const cost = isRecord(rawUsage) ? (dialect.statedCost?.(rawUsage) ?? null) : null
  return cost === null ? {} : { providerCost: cost }
}

/** The first of some places that holds something. */
function firstAt(json: unknown, places: readonly (readonly (string | number)[])[]): unknown {
  for (const path of places) {
    const found = valueAt(json, path) ?? null
    if (found !== null) return found
  }
  return undefined
}
