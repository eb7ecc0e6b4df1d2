import type { Controls } from '../controls.ts'
import type { StreamChunk } from '../stream.ts'
import type { ChatAnswer } from './answer.ts'
import type { Dialect } from './dialects.ts'
import { renderChunks, reportChunk } from './render.ts'

/** Where a stream reports its usage, other than once at the end: as providers do that are nearly compatible. */
export type UsagePlace = 'every-chunk' | 'last-choice' | 'twice'

/** The chunks of a stream with the usage where this provider tells it. @param asked whether the client asked for it */
export function chunksOf(
  answer: ChatAnswer,
  asked: boolean,
  controls: Controls,
  dialect: Dialect,
): readonly StreamChunk[] {
  const { front } = dialect
  const chunks = placed(answer, asked, controls, dialect)
  return front ? [{ json: JSON.stringify(front), tokens: 0 }, ...chunks] : chunks
}

function placed(answer: ChatAnswer, asked: boolean, controls: Controls, dialect: Dialect): readonly StreamChunk[] {
  const { streamUsage = 'asked' } = dialect
  if (streamUsage === 'asked') return placeUsage(renderChunks(answer, asked), controls.usageIn, answer)
  const chunks = renderChunks(answer, false)
  if (controls.fault === 'no-usage') return chunks
  const { shown } = answer
  if (streamUsage === 'at-the-end') return [...chunks, reportChunk(answer)]
  return chunks.map((chunk, at) => {
    if (at < chunks.length - 1) return chunk
    const json = JSON.parse(chunk.json)
    if (streamUsage === 'x_groq') json.x_groq = { id: `req_${answer.id}`, usage: shown }
    else if (streamUsage === 'in-the-choice') json.choices[0].usage = shown
    else json.usage = shown
    return { ...chunk, json: JSON.stringify(json) }
  })
}

/** Moves the usage of a stream that was asked for it. */
function placeUsage(
  chunks: readonly StreamChunk[],
  place: UsagePlace | null,
  { shown: usage, promptTokens, reasoningTokens }: ChatAnswer,
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
