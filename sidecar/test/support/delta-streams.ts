import { anthropicMessages } from '../../providers/anthropic/messages.ts'
import type { Framing } from '../../providers/framing.ts'
import { streamGenerateContent } from '../../providers/gemini/content.ts'
import { JSON_ARRAY } from '../../providers/json-array.ts'
import { NDJSON } from '../../providers/ndjson.ts'
import { ollamaChat } from '../../providers/ollama/adapters.ts'
import { openaiChat } from '../../providers/openai/chat.ts'
import { openaiResponses } from '../../providers/openai/responses/responses.ts'
import type { ProviderAdapter } from '../../providers/provider.ts'
import { SSE } from '../../providers/sse.ts'

/** A format, and how an answer in it is written whose text, and the text of a call, come in pieces. */
export interface DeltaStream {
  readonly name: string
  readonly adapter: ProviderAdapter
  readonly framing: Framing
  /** @param args the JSON text of what the tool `mail` is called with; whole where the format has no pieces of it */
  write(pieces: readonly string[], args: readonly string[]): Buffer
}

const sse = (events: readonly object[]): Buffer =>
  Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))

const chatChunk = (delta: object, finish_reason: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason }],
})

const chat = (pieces: readonly string[], args: readonly string[]) => [
  ...pieces.map((content) => chatChunk({ content })),
  chatChunk({ tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'mail', arguments: '' } }] }),
  ...args.map((part) => chatChunk({ tool_calls: [{ index: 0, function: { arguments: part } }] })),
  chatChunk({}, 'tool_calls'),
]

function response(pieces: readonly string[], args: readonly string[]) {
  const place = { output_index: 0, content_index: 0, item_id: 'm1' }
  const content = [{ type: 'output_text', text: pieces.join('') }]
  const message = { id: 'm1', type: 'message', role: 'assistant', content }
  const call = { id: 'f1', type: 'function_call', call_id: 'c1', name: 'mail', arguments: args.join('') }
  return [
    { type: 'response.output_item.added', output_index: 0, item: { ...message, content: [] } },
    ...pieces.map((delta) => ({ type: 'response.output_text.delta', ...place, delta })),
    { type: 'response.output_text.done', ...place, text: pieces.join('') },
    { type: 'response.content_part.done', ...place, part: content[0] },
    { type: 'response.output_item.done', output_index: 0, item: message },
    { type: 'response.output_item.added', output_index: 1, item: { ...call, arguments: '' } },
    ...args.map((delta) => ({ type: 'response.function_call_arguments.delta', output_index: 1, item_id: 'f1', delta })),
    { type: 'response.function_call_arguments.done', output_index: 1, item_id: 'f1', arguments: args.join('') },
    { type: 'response.output_item.done', output_index: 1, item: call },
    { type: 'response.completed', response: { id: 'r1', status: 'completed', output: [message, call] } },
  ]
}

const messages = (pieces: readonly string[], args: readonly string[]) => [
  { type: 'message_start', message: { id: 'm1', content: [] } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  ...pieces.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't1', name: 'mail', input: {} } },
  ...args.map((partial_json) => ({
    type: 'content_block_delta',
    index: 1,
    delta: { type: 'input_json_delta', partial_json },
  })),
  { type: 'content_block_stop', index: 1 },
  { type: 'message_stop' },
]

const contents = (pieces: readonly string[], args: readonly string[]) => [
  ...pieces.map((text) => ({ candidates: [{ content: { parts: [{ text }] }, index: 0 }] })),
  {
    candidates: [
      {
        content: { parts: [{ functionCall: { name: 'mail', args: JSON.parse(args.join('')) } }] },
        finishReason: 'STOP',
      },
    ],
  },
]

const lines = (pieces: readonly string[], args: readonly string[]) => [
  ...pieces.map((content) => ({ message: { role: 'assistant', content }, done: false })),
  { message: { tool_calls: [{ function: { name: 'mail', arguments: JSON.parse(args.join('')) } }] }, done: false },
  { message: { role: 'assistant', content: '' }, done: true },
]

/** One row for each wire format and framing. */
export const DELTA_STREAMS: readonly DeltaStream[] = [
  { name: 'a chat', adapter: openaiChat, framing: SSE, write: (...said) => sse(chat(...said)) },
  { name: 'a response', adapter: openaiResponses, framing: SSE, write: (...said) => sse(response(...said)) },
  { name: 'a message', adapter: anthropicMessages, framing: SSE, write: (...said) => sse(messages(...said)) },
  { name: 'contents', adapter: streamGenerateContent, framing: SSE, write: (...said) => sse(contents(...said)) },
  {
    name: 'contents in an array',
    adapter: streamGenerateContent,
    framing: JSON_ARRAY,
    write: (...said) => Buffer.from(JSON.stringify(contents(...said))),
  },
  {
    name: 'lines',
    adapter: ollamaChat,
    framing: NDJSON,
    write: (...said) =>
      Buffer.from(
        lines(...said)
          .map((line) => `${JSON.stringify(line)}\n`)
          .join(''),
      ),
  },
]
