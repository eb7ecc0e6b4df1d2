import type { UsagePlace } from '../openai/usage-place.ts'
import type { StreamChunk } from '../stream.ts'
import type { MessageAnswer } from './answer.ts'
import type { Block } from './blocks.ts'

/** The JSON of a plain answer. @param usage in place of its own */
export const renderMessage = (answer: MessageAnswer, usage: unknown = answer.usage): string =>
  JSON.stringify({
    ...head(answer),
    content: answer.blocks.map(renderBlock),
    ...stopOf(answer),
    usage,
  })

const head = ({ id, model }: MessageAnswer): object => ({ id, type: 'message', role: 'assistant', model })

const stopOf = ({ stopReason, stopSequence }: MessageAnswer): object => ({
  stop_reason: stopReason,
  stop_sequence: stopSequence,
  ...(stopReason === 'refusal'
    ? { stop_details: { type: 'refusal', category: null, explanation: 'The simulator was told to refuse.' } }
    : {}),
})

function renderBlock(block: Block): object {
  switch (block.kind) {
    case 'thinking':
      return { type: 'thinking', thinking: block.pieces.join(''), signature: block.signature }
    case 'text':
      return { type: 'text', text: block.pieces.join(''), citations: null }
    case 'whole':
      return block.json
    default:
      return { type: block.kind, id: block.id, name: block.name, input: JSON.parse(block.json), caller: DIRECT }
  }
}

const DIRECT = { type: 'direct' }

const event = (name: string, body: object, tokens = 0): StreamChunk => ({
  event: name,
  json: JSON.stringify({ type: name, ...body }),
  tokens,
})

/** The events of a streamed answer. @param usage in place of its own, `null` for none */
export function renderEvents(
  answer: MessageAnswer,
  place: UsagePlace | null,
  [begun, whole]: readonly [begun: unknown, whole: unknown],
): readonly StreamChunk[] {
  const start = {
    ...head(answer),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    ...(begun === null ? {} : { usage: begun }),
  }
  const usage = whole === null ? {} : { usage: whole }
  const end = event('message_delta', { delta: stopOf(answer), ...usage })
  const blocks = answer.blocks.flatMap(blockEvents)
  return [
    event('message_start', { message: start }),
    event('ping', {}),
    ...(place === 'every-chunk' ? growing(blocks, answer) : blocks),
    ...(place === 'twice' ? [end, end] : [end]),
    event('message_stop', {}),
  ]
}

/** Reports the usage so far behind every event: each report holds all that came before. */
function growing(events: readonly StreamChunk[], { usage }: MessageAnswer): readonly StreamChunk[] {
  let output = 0
  return events.flatMap((each) => {
    output += each.tokens
    const soFar = { ...usage, output_tokens: output, iterations: null }
    return [each, event('message_delta', { delta: { stop_reason: null, stop_sequence: null }, usage: soFar })]
  })
}

function blockEvents(block: Block, index: number): readonly StreamChunk[] {
  const start = (content_block: object, tokens = 0) => event('content_block_start', { index, content_block }, tokens)
  const delta = (type: string, member: string, text: string, tokens = 0) =>
    event('content_block_delta', { index, delta: { type, [member]: text } }, tokens)
  const stop = event('content_block_stop', { index })
  switch (block.kind) {
    case 'thinking': {
      const unseen = block.tokens - block.pieces.length
      return [
        start({ type: 'thinking', thinking: '', signature: '' }, unseen),
        ...block.pieces.map((piece) => delta('thinking_delta', 'thinking', piece, 1)),
        delta('signature_delta', 'signature', block.signature),
        stop,
      ]
    }
    case 'text':
      return [
        start({ type: 'text', text: '', citations: null }),
        ...block.pieces.map((piece) => delta('text_delta', 'text', piece, 1)),
        stop,
      ]
    case 'whole':
      return [start(block.json), stop]
    default: {
      const pieces = block.json.match(/.{1,8}/gsu) ?? []
      const { id, name } = block
      // All of its tokens count when the call begins: an abort in its middle is billed for the whole.
      return [
        start({ type: block.kind, id, name, input: {}, caller: DIRECT }, block.tokens),
        delta('input_json_delta', 'partial_json', ''),
        ...pieces.map((piece) => delta('input_json_delta', 'partial_json', piece)),
        stop,
      ]
    }
  }
}
