import type { ChatAnswer, Choice } from './answer.ts'

/** The JSON of a plain answer. */
export function renderAnswer(answer: ChatAnswer): string {
  return JSON.stringify({
    id: answer.id,
    object: 'chat.completion',
    created: answer.created,
    model: answer.model,
    choices: answer.choices.map((choice, index) => ({
      index,
      message: {
        role: 'assistant',
        content: choice.toolCalls.length > 0 || choice.refusal ? null : choice.pieces.join(''),
        ...(choice.toolCalls.length > 0 ? { tool_calls: choice.toolCalls.map(renderCall) } : {}),
        refusal: choice.refusal ? choice.pieces.join('') : null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: choice.finishReason,
    })),
    usage: answer.usage,
    service_tier: answer.serviceTier,
    system_fingerprint: 'fp_simulated',
  })
}

const renderCall = ({ id, name, arguments: text }: Choice['toolCalls'][number]) => ({
  id,
  type: 'function',
  function: { name, arguments: text },
})

/** One event of a stream and how many output tokens it carries. */
export interface StreamChunk {
  readonly json: string
  readonly tokens: number
  /** The choice that it belongs to; -1 for the usage at the end. */
  readonly choice: number
}

/** The chunks of a streamed answer. @param usage whether the client asked for usage */
export function renderChunks(answer: ChatAnswer, usage: boolean): readonly StreamChunk[] {
  const base = {
    id: answer.id,
    object: 'chat.completion.chunk',
    created: answer.created,
    model: answer.model,
    service_tier: answer.serviceTier,
    system_fingerprint: 'fp_simulated',
  }
  const chunk = (index: number, delta: object, finish: string | null, tokens: number): StreamChunk => ({
    json: JSON.stringify({
      ...base,
      choices: [{ index, delta, logprobs: null, finish_reason: finish }],
      ...(usage ? { usage: null } : {}),
    }),
    tokens,
    choice: index,
  })
  const chunks: StreamChunk[] = []
  answer.choices.forEach((choice, index) => {
    chunks.push(
      chunk(
        index,
        { role: 'assistant', content: choice.toolCalls.length > 0 || choice.refusal ? null : '', refusal: null },
        null,
        0,
      ),
    )
    for (const piece of choice.pieces)
      chunks.push(chunk(index, choice.refusal ? { refusal: piece } : { content: piece }, null, 1))
    choice.toolCalls.forEach((call, at) => {
      chunks.push(chunk(index, { tool_calls: [{ index: at, ...renderCall({ ...call, arguments: '' }) }] }, null, 1))
      for (let from = 0; from < call.arguments.length; from += 8) {
        chunks.push(
          chunk(
            index,
            { tool_calls: [{ index: at, function: { arguments: call.arguments.slice(from, from + 8) } }] },
            null,
            2,
          ),
        )
      }
    })
    chunks.push(chunk(index, {}, choice.finishReason, 0))
  })
  if (usage) chunks.push({ json: JSON.stringify({ ...base, choices: [], usage: answer.usage }), tokens: 0, choice: -1 })
  return chunks
}
