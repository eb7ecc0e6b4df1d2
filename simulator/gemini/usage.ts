import type { Reported } from '../bill.ts'
import type { Json } from '../json.ts'
import { NOTHING_CONSUMED } from '../pricing.ts'

interface ModalityCount {
  readonly modality: 'TEXT' | 'IMAGE'
  readonly tokenCount: number
}

/** Usage as Gemini reports it: figures that are zero are left out. */
export interface GeminiUsage {
  readonly promptTokenCount: number
  readonly candidatesTokenCount?: number
  readonly totalTokenCount: number
  readonly cachedContentTokenCount?: number
  readonly toolUsePromptTokenCount?: number
  readonly thoughtsTokenCount?: number
  readonly promptTokensDetails?: readonly ModalityCount[]
  readonly serviceTier?: string
}

/** What a prompt holds. */
export interface Prompt {
  readonly textTokens: number
  readonly imageTokens: number
  /** Of a cache that was named: they are part of the prompt. */
  readonly cachedTokens: number
  /** What the provider's own tools brought. */
  readonly toolTokens: number
}

/** Usage when so much was generated. */
export function usageOf(prompt: Prompt, candidates: number, thoughts: number, serviceTier: string): GeminiUsage {
  const { textTokens, imageTokens, cachedTokens, toolTokens } = prompt
  const whole = textTokens + imageTokens + cachedTokens
  const count = <T extends string>(name: T, tokens: number) => (tokens > 0 ? { [name]: tokens } : {})
  return {
    promptTokenCount: whole,
    ...count('candidatesTokenCount', candidates),
    totalTokenCount: whole + candidates + toolTokens + thoughts,
    ...count('cachedContentTokenCount', cachedTokens),
    promptTokensDetails: [
      { modality: 'TEXT', tokenCount: textTokens + cachedTokens },
      ...(imageTokens > 0 ? [{ modality: 'IMAGE' as const, tokenCount: imageTokens }] : []),
    ],
    ...count('toolUsePromptTokenCount', toolTokens),
    ...count('thoughtsTokenCount', thoughts),
    serviceTier,
  }
}

/** Puts other figures over a usage; the total follows unless it is among them. */
export function mergeUsage(usage: GeminiUsage, over: Json | null): GeminiUsage {
  if (over === null) return usage
  const merged: GeminiUsage = { ...usage, ...over }
  const { promptTokenCount, candidatesTokenCount = 0, toolUsePromptTokenCount = 0, thoughtsTokenCount = 0 } = merged
  const totalTokenCount = promptTokenCount + candidatesTokenCount + toolUsePromptTokenCount + thoughtsTokenCount
  return 'totalTokenCount' in over ? merged : { ...merged, totalTokenCount }
}

/** What a usage stands for: the cache is part of the prompt, thoughts and results of tools stand beside. */
export function reported(usage: GeminiUsage, searchCalls: number): Reported {
  const { promptTokenCount, cachedContentTokenCount = 0, toolUsePromptTokenCount = 0 } = usage
  const consumed = {
    ...NOTHING_CONSUMED,
    input: promptTokenCount - cachedContentTokenCount + toolUsePromptTokenCount,
    cacheRead: cachedContentTokenCount,
    output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
    searchCalls,
  }
  return { usage, consumed }
}
