import { NO_USAGE, type ServiceTier, type TokenUsage } from '@agentcostcontrol/contract'
import type { MeteredRequest } from '../provider.ts'
import { isRecord, readArray, readCount } from '../read.ts'
import { fieldsOf } from './proto.ts'

/**
 * Normalises Gemini's `usageMetadata` to disjoint fields. Cached tokens are part of the prompt; results of hosted tools
 * are input beside it; thoughts are output beside the candidates. The total decides: where it says that a figure is
 * inside another it is counted once, and what it counts beyond all figures is output that was not told (as thoughts
 * were, at first). A figure that is zero is left out of the JSON.
 * @returns `null` if the object holds no usable figures; absent is not zero
 */
export function readUsage(raw: unknown): TokenUsage | null {
  if (!isRecord(raw) || (raw.promptTokenCount ?? null) === null) return null
  const prompt = readCount(raw.promptTokenCount)
  const candidates = readCount(raw.candidatesTokenCount)
  const thoughts = readCount(raw.thoughtsTokenCount)
  const tools = readCount(raw.toolUsePromptTokenCount)
  const cached = readCount(raw.cachedContentTokenCount)
  const total = readCount(raw.totalTokenCount)
  if (
    prompt === null ||
    candidates === null ||
    thoughts === null ||
    tools === null ||
    cached === null ||
    total === null
  )
    return null
  const input = inputOf(prompt, tools, candidates + thoughts, total)
  const visible = total === input + candidates && thoughts <= candidates ? candidates - thoughts : candidates
  // More cached than there was of the prompt can only stand beside it.
  const uncached = cached > prompt ? input : input - cached
  const untold = Math.max(0, total - uncached - cached - visible - thoughts)
  const audio = Math.min(uncached, inputOfModality(raw, 'AUDIO'))
  const image = Math.min(uncached - audio, inputOfModality(raw, 'IMAGE'))
  const audioOutput = Math.min(visible, modality(raw.candidatesTokensDetails, 'AUDIO'))
  const imageOutput = Math.min(visible - audioOutput, modality(raw.candidatesTokensDetails, 'IMAGE'))
  return {
    ...NO_USAGE,
    inputUncached: uncached - audio - image,
    cacheRead: cached,
    audioInput: audio,
    imageInput: image,
    outputVisible: visible - audioOutput - imageOutput,
    outputReasoning: thoughts + untold,
    audioOutput,
    imageOutput,
  }
}

/** Results of tools stand beside the prompt, unless the total says that they are inside. */
const inputOf = (prompt: number, tools: number, output: number, total: number): number =>
  tools > 0 && tools <= prompt && total === prompt + output ? prompt : prompt + tools

/** Tokens of a kind that the provider read anew. */
const inputOfModality = (raw: Readonly<Record<string, unknown>>, kind: string): number =>
  Math.max(
    0,
    modality(raw.promptTokensDetails, kind) +
      modality(raw.toolUsePromptTokensDetails, kind) -
      modality(raw.cacheTokensDetails, kind),
  )

function modality(details: unknown, kind: string): number {
  let tokens = 0
  for (const detail of readArray(details)) {
    if (isRecord(detail) && detail.modality === kind) tokens += readCount(detail.tokenCount) ?? 0
  }
  return tokens
}

/** Reads `serviceTier`, as the words of the documentation or as the names of the enum; `null` for any other. */
export function readServiceTier(value: unknown): ServiceTier | null {
  if (typeof value !== 'string') return null
  switch (value.toLowerCase().replace('service_tier_', '')) {
    case 'standard':
    case 'unspecified':
      return 'standard'
    case 'flex':
      return 'flex'
    case 'priority':
      return 'priority'
    default:
      return null
  }
}

/** The tier that a request asks for: standard unless it says something else, `null` for something that nobody knows. */
export function askedServiceTier({ json }: MeteredRequest): ServiceTier | null {
  const tiers = fieldsOf(json, 'serviceTier').map(({ value }) => readServiceTier(value))
  if (tiers.includes(null) || tiers.length > 1) return null
  return tiers[0] ?? 'standard'
}

/** The tier that an answer was served in; of one that does not say, the dearer of what was asked and the standard. */
export function servedTier(rawUsage: unknown, request: MeteredRequest): ServiceTier | null {
  const served = isRecord(rawUsage) ? readServiceTier(rawUsage.serviceTier) : null
  return served ?? (askedServiceTier(request) === 'priority' ? 'priority' : null)
}
