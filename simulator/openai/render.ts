import type { StreamChunk } from '../stream.ts'
import { countTokens } from '../tokens.ts'
import type { ChatAnswer, Choice } from './answer.ts'
import { citationsOf, type Features, logprobOf, soundOf } from './features.ts'
import type { ToolCall } from './tool-calls.ts'

const SPOKEN_ANSWER_LIVES_S = 3_600

/** The JSON of a plain answer. */
export function renderAnswer(answer: ChatAnswer): string {
  const { features } = answer
  return JSON.stringify({
    id: answer.id,
    object: 'chat.completion',
    created: answer.created,
    model: answer.model,
    choices: answer.choices.map((choice, index) => ({
      index,
      message: renderMessage(answer, choice),
      logprobs: renderLogprobs(features, choice, choice.pieces),
      finish_reason: choice.finishReason,
      ...answer.inChoices,
    })),
    usage: answer.shown,
    service_tier: answer.serviceTier,
    system_fingerprint: 'fp_simulated',
    ...answer.extras,
    ...answer.whole,
  })
}

function renderMessage({ created, features }: ChatAnswer, choice: Choice): object {
  const text = choice.pieces.join('')
  const written = choice.toolCalls.length === 0 && !choice.refusal && features.audioId === null
  return {
    role: 'assistant',
    content: written ? text : null,
    ...(choice.toolCalls.length > 0 ? { tool_calls: choice.toolCalls.map(renderCall) } : {}),
    refusal: choice.refusal ? text : null,
    ...(isSpoken(features, choice)
      ? {
          audio: {
            id: features.audioId,
            data: soundOf(text),
            expires_at: created + SPOKEN_ANSWER_LIVES_S,
            transcript: text,
          },
        }
      : {}),
    annotations: citationsOf(features, text),
  }
}

const isSpoken = (features: Features, choice: Choice): boolean =>
  features.audioId !== null && choice.toolCalls.length === 0 && !choice.refusal

function renderLogprobs({ topLogprobs }: Features, { refusal }: Choice, pieces: readonly string[]): object | null {
  if (topLogprobs === null || pieces.length === 0) return null
  const tokens = pieces.map((piece) => logprobOf(piece, topLogprobs))
  return refusal ? { content: null, refusal: tokens } : { content: tokens, refusal: null }
}

const renderCall = ({ kind, id, name, text }: ToolCall): object =>
  kind === 'custom'
    ? { id, type: 'custom', custom: { name, input: text } }
    : { id, type: 'function', function: { name, arguments: text } }

/** What one chunk says of its choice. */
interface Step {
  readonly delta: object
  readonly tokens: number
  readonly logprobs?: object | null
  /** Left out in the last word of a spoken answer. */
  readonly finish?: string | null
}

/** The chunks of a streamed answer. @param usage whether the client asked for usage */
export function renderChunks(answer: ChatAnswer, usage: boolean): readonly StreamChunk[] {
  const base = baseOf(answer)
  const chunks = answer.choices.flatMap((choice, index) =>
    stepsOf(answer, choice).map(
      ({ delta, tokens, logprobs = null, finish = null }): StreamChunk => ({
        json: JSON.stringify({
          ...base,
          choices: [{ index, delta, logprobs, finish_reason: finish, ...answer.inChoices }],
          ...(usage ? { usage: null } : {}),
        }),
        tokens,
      }),
    ),
  )
  if (!usage) return chunks
  return [...chunks, reportChunk(answer)]
}

/** The chunk that tells nothing but the usage. */
export const reportChunk = (answer: ChatAnswer): StreamChunk => ({
  json: JSON.stringify({ ...baseOf(answer), choices: [], usage: answer.shown }),
  tokens: 0,
  isReport: true,
})

const baseOf = (answer: ChatAnswer): object => ({
  id: answer.id,
  object: 'chat.completion.chunk',
  created: answer.created,
  model: answer.model,
  service_tier: answer.serviceTier,
  system_fingerprint: 'fp_simulated',
  ...answer.extras,
})

function stepsOf(answer: ChatAnswer, choice: Choice): readonly Step[] {
  const { features } = answer
  const last: Step = { delta: {}, tokens: 0, finish: choice.finishReason }
  if (isSpoken(features, choice)) return [...spokenSteps(answer, choice), last]
  const written = choice.toolCalls.length === 0 && !choice.refusal
  const citations = citationsOf(features, choice.pieces.join(''))
  return [
    { delta: { role: 'assistant', content: written ? '' : null, refusal: null }, tokens: 0 },
    ...choice.pieces.map((piece) => ({
      delta: choice.refusal ? { refusal: piece } : { content: piece },
      tokens: 1,
      logprobs: renderLogprobs(features, choice, [piece]),
    })),
    ...choice.toolCalls.flatMap(callSteps),
    ...(citations.length > 0 ? [{ delta: { annotations: citations }, tokens: 0 }] : []),
    last,
  ]
}

/** A spoken answer: transcript and sound in turn, and at the end until when it can be referred to. */
function spokenSteps({ created, features }: ChatAnswer, choice: Choice): readonly Step[] {
  return [
    { delta: { role: 'assistant', refusal: null, audio: { id: features.audioId } }, tokens: 0 },
    ...choice.pieces.flatMap((piece) => [
      { delta: { audio: { transcript: piece } }, tokens: 0 },
      { delta: { audio: { data: soundOf(piece) } }, tokens: 1 },
    ]),
    { delta: { audio: { expires_at: created + SPOKEN_ANSWER_LIVES_S } }, tokens: 0 },
  ]
}

/** A call: its name first, then eight characters at a time. */
function callSteps(call: ToolCall, index: number): readonly Step[] {
  const steps: Step[] = [
    { delta: { tool_calls: [{ index, ...renderCall({ ...call, text: '' }) }] }, tokens: countTokens(call.name) },
  ]
  const member = call.kind === 'custom' ? 'input' : 'arguments'
  for (let from = 0; from < call.text.length; from += 8) {
    const text = call.text.slice(from, from + 8)
    steps.push({
      delta: { tool_calls: [{ index, [call.kind]: { [member]: text } }] },
      tokens: countTokens(text),
    })
  }
  return steps
}
