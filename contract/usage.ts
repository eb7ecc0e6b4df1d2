/**
 * What one attempt consumed. The fields are disjoint: no token is counted in two of them, whatever the provider's own
 * convention; each adapter normalises and the raw usage JSON is kept beside it.
 */
export interface TokenUsage {
  /** Prompt tokens that neither came from the provider's cache nor were written to it. */
  readonly inputUncached: number
  readonly cacheRead: number
  /** Tokens written to the provider's prompt cache with its ordinary (5 minute) lifetime. */
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  /** Output tokens of text and tool calls, without reasoning. */
  readonly outputVisible: number
  readonly outputReasoning: number
  readonly audioInput: number
  readonly audioOutput: number
  readonly imageInput: number
  readonly imageOutput: number
  /** Calls of tools that the provider hosts and bills by the call (web searches). */
  readonly hostedToolCalls: number
}

/** The names of the fields of a {@link TokenUsage}, in the order in which they are priced and shown. */
export const USAGE_FIELDS = [
  'inputUncached',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'outputVisible',
  'outputReasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
  'imageOutput',
  'hostedToolCalls',
] as const satisfies readonly (keyof TokenUsage)[]

/** The name of one field of a {@link TokenUsage}. */
export type UsageField = (typeof USAGE_FIELDS)[number]

/** A usage of nothing, to spread over. */
export const NO_USAGE: TokenUsage = Object.freeze({
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  outputVisible: 0,
  outputReasoning: 0,
  audioInput: 0,
  audioOutput: 0,
  imageInput: 0,
  imageOutput: 0,
  hostedToolCalls: 0,
})

/**
 * Everything that decides a context tier: all input of the request, the cached part included. A tier reprices the
 * whole request (OpenAI above 272k, Anthropic and Google above 200k).
 */
export function totalInputTokens(usage: TokenUsage): number {
  return (
    usage.inputUncached +
    usage.cacheRead +
    usage.cacheWrite5m +
    usage.cacheWrite1h +
    usage.audioInput +
    usage.imageInput
  )
}

/** All output tokens, whatever their kind. */
export function totalOutputTokens(usage: TokenUsage): number {
  return usage.outputVisible + usage.outputReasoning + usage.audioOutput + usage.imageOutput
}

/** The tier of service that a provider reports or that a request asks for; it decides the rates. */
export type ServiceTier = 'standard' | 'batch' | 'flex' | 'priority'
