import type { StreamChunk } from '../stream.ts'
import type { ChatAnswer } from './answer.ts'

/** Where a stream reports its usage, other than once at the end: as providers do that are nearly compatible. */
export type UsagePlace = 'every-chunk' | 'last-choice' | 'twice'

/** Moves the usage of a stream that was asked for it. */
export function placeUsage(
  chunks: readonly StreamChunk[],
  place: UsagePlace | null,
  { usage, promptTokens, reasoningTokens }: ChatAnswer,
): readonly StreamChunk[] {
  const report = chunks.at(-1)
  if (place === null || !report?.isReport) return chunks
  if (place === 'twice') return [...chunks, report]
  const rest = chunks.slice(0, -1)
  const withUsage = (chunk: StreamChunk, value: object): StreamChunk => ({
    ...chunk,
    json: JSON.stringify({ ...JSON.parse(chunk.json), usage: value }),
  })
  if (place === 'last-choice')
    return rest.map((chunk, at) => (at === rest.length - 1 ? withUsage(chunk, usage) : chunk))
  let completion = reasoningTokens
  const growing = rest.map((chunk) => {
    completion += chunk.tokens
    return withUsage(chunk, { ...usage, completion_tokens: completion, total_tokens: promptTokens + completion })
  })
  return [...growing, report]
}
