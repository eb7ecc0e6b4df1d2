import type { Controls } from '../controls.ts'
import type { Json } from '../json.ts'
import type { StreamChunk } from '../stream.ts'
import type { Candidate, GeminiAnswer, Step } from './answer.ts'
import { usageOf } from './usage.ts'

const MALFORMED = { promptTokenCount: 'many', candidatesTokenCount: -3 }

/** The JSON of a plain answer. @param usageMetadata in place of the true one */
export function renderAnswer(answer: GeminiAnswer, fault: Controls['fault'] = null): string {
  const candidates = answer.candidates.map((candidate, index) => ({
    content: { parts: joined(candidate.steps), role: 'model' },
    ...endOf(answer, candidate, index),
  }))
  return JSON.stringify({ ...(answer.blocked ? REFUSED : { candidates }), ...tail(answer, answer.usage, fault) })
}

const REFUSED = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }

const endOf = ({ hosted }: GeminiAnswer, { finishReason }: Candidate, index: number): Json => ({
  finishReason,
  index,
  ...(hosted.grounding ? { groundingMetadata: hosted.grounding } : {}),
  ...(hosted.urlContext ? { urlContextMetadata: hosted.urlContext } : {}),
})

function tail({ model, id }: GeminiAnswer, usage: object | null, fault: Controls['fault']): Json {
  const told = fault === 'malformed-usage' ? MALFORMED : fault === 'no-usage' ? null : usage
  return { ...(told === null ? {} : { usageMetadata: told }), modelVersion: model, responseId: id }
}

/** Pieces of one text are one part. */
function joined(steps: readonly Step[]): readonly Json[] {
  const parts: Json[] = []
  for (const { part } of steps) {
    const last = parts.at(-1)
    if (
      last !== undefined &&
      typeof last.text === 'string' &&
      typeof part.text === 'string' &&
      last.thought === part.thought
    )
      parts[parts.length - 1] = { ...last, text: last.text + part.text }
    else parts.push(part)
  }
  return parts
}

/** The chunks of a streamed answer. Each tells the usage so far, the last one all of it, unless a control moves it. */
export function renderChunks(answer: GeminiAnswer, { usageIn, fault }: Controls): readonly StreamChunk[] {
  if (answer.blocked) return [{ json: renderAnswer(answer, fault), tokens: 0 }]
  let candidatesTokens = 0
  const chunks = answer.candidates.flatMap((candidate, index) =>
    [...candidate.steps, null].map((step): StreamChunk => {
      candidatesTokens += step?.tokens ?? 0
      const ends = step === null
      const isLast = ends && index === answer.candidates.length - 1
      const so = usageOf(answer.prompt, candidatesTokens, answer.thoughtsTokens, answer.serviceTier)
      const usage = isLast ? answer.usage : usageIn === 'last-choice' ? null : so
      const content = { parts: [step?.part ?? { text: '' }], role: 'model' }
      return {
        json: JSON.stringify({
          candidates: [{ content, ...(ends ? endOf(answer, candidate, index) : { index }) }],
          ...tail(answer, usage, fault),
        }),
        tokens: step?.tokens ?? 0,
      }
    }),
  )
  const report: StreamChunk = { json: JSON.stringify(tail(answer, answer.usage, fault)), tokens: 0, isReport: true }
  return usageIn === 'twice' ? [...chunks, report] : chunks
}
