import { anthropicMessages } from '../../providers/anthropic/messages.ts'
import type { Framing } from '../../providers/framing.ts'
import { streamGenerateContent } from '../../providers/gemini/content.ts'
import { JSON_ARRAY } from '../../providers/json-array.ts'
import { NDJSON } from '../../providers/ndjson.ts'
import { ollamaChat } from '../../providers/ollama/adapters.ts'
import { chatAdapter, openaiChat } from '../../providers/openai/chat.ts'
import { CHAT_DIALECTS } from '../../providers/openai/dialects.ts'
import { openaiResponses } from '../../providers/openai/responses/responses.ts'
import type { ProviderAdapter } from '../../providers/provider.ts'
import { SSE } from '../../providers/sse.ts'
import { recordedAnthropicStream } from './recorded-anthropic-stream.ts'
import { recordedChatStream } from './recorded-stream.ts'

/**
 * A stream as it is recorded from a provider, odd in every way that its format allows. Each format has a row: what is
 * held for one is held for all, in this package's tests and on real connections (test/integration/stream-splits.test.ts).
 */
export interface Recorded {
  readonly name: string
  readonly adapter: ProviderAdapter
  readonly framing: Framing
  readonly contentType: string
  /** Where its client asks, and with what. */
  readonly path: string
  readonly body: string
  /** Variable that tells the sidecar where the provider is, and what its base URL ends in. */
  readonly upstream: readonly [variable: string, end: string]
  /** What the provider sends. @param last the text of its last delta, as JSON */
  stream(last?: string): string
  /** What the client gets, where that is not the same: usage that was asked for on its behalf is taken out. */
  readonly given?: (last?: string) => string
  /** The last report in it. */
  readonly rawUsage: object
  /** What it counts as output, in UTF-8 bytes, where `last` is left out. */
  readonly outputBytes: number
}

const bytesOf = (text: string): number => Buffer.byteLength(text)

const CHAT = '{"stream":true,"model":"gpt-4.1-mini","messages":[]}'
const OPENAI = {
  adapter: openaiChat,
  framing: SSE,
  contentType: 'text/event-stream',
  path: '/v1/chat/completions',
  upstream: ['ACC_UPSTREAM_OPENAI', '/v1'],
  rawUsage: { prompt_tokens: 8, completion_tokens: 5, total_tokens: 13 },
  outputBytes: bytesOf('é漢😀 é "quoted" ,"usage":nullf{"a":1}last'),
} as const

/** In front of Azure's answers stands an event without choices that is no report. */
const filtered = (stream: string): string =>
  `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n${stream}`

function recordedResponse(last = 'last'): string {
  let number = 0
  const event = (type: string, more: string, end = '\n'): string =>
    `event: ${type}${end}data: {"type":"${type}","sequence_number":${number++},${more}}${end}${end}`
  const place = '"item_id":"msg_1","output_index":0,"content_index":0'
  const part = (text: string): string => `"part":{"type":"output_text","annotations":[],"text":"${text}"}`
  const item = (status: string, content: string): string =>
    `{"id":"msg_1","type":"message","status":"${status}","role":"assistant","content":[${content}]}`
  const response = (status: string, output: string, usage: string): string =>
    `"response":{"id":"resp_1","object":"response","status":"${status}","model":"gpt-4.1-mini","output":[${output}],"usage":${usage}}`
  // Told again whole beside what a test puts behind it: where that is redacted, an escape would be written out.
  const first = 'é漢😀 é '
  const done = item('completed', `{"type":"output_text","annotations":[],"text":"${first}${last}"}`)
  const usage =
    '{"input_tokens":8,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}'
  return [
    ': hello\n\n',
    event('response.created', response('in_progress', '', 'null')),
    event('response.output_item.added', `"output_index":0,"item":${item('in_progress', '')}`),
    event('response.content_part.added', `${place},${part('')}`, '\r\n'),
    event('response.output_text.delta', `${place},"delta":"${first}","obfuscation":"\\u0061\\\\"`),
    ': keep-alive\r\n\r\n',
    event('response.output_text.delta', `${place},"delta":"${last}","obfuscation":"abc"`, '\r\n'),
    event('response.output_text.done', `${place},"text":"${first}${last}"`),
    event('response.content_part.done', `${place},${part(first + last)}`),
    event('response.output_item.done', `"output_index":0,"item":${done}`),
    event('response.completed', response('completed', done, usage)),
  ].join('')
}

/** A response that thinks, searches and calls: `last` ends what it thought, and is said again whole. */
function recordedCalls(last = 'last'): string {
  let number = 0
  const event = (type: string, more: string, end = '\n'): string =>
    `event: response.${type}${end}data: {"type":"response.${type}","sequence_number":${number++},${more}}${end}${end}`
  const response = (status: string, output: string, usage: string): string =>
    `"response":{"id":"resp_2","object":"response","status":"${status}","model":"gpt-4.1-mini","output":[${output}],"usage":${usage}}`
  const summary = `{"type":"summary_text","text":"é漢😀 ${last}"}`
  const thought = `{"id":"rs_1","type":"reasoning","encrypted_content":"KEY999999","summary":[${summary}]}`
  const search = '{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}'
  const call = (input: string): string =>
    `{"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":"${input}"}`
  const input = '{\\"a\\":1}'
  const usage =
    '{"input_tokens":8,"input_tokens_details":{"cached_tokens":4},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":17}'
  return [
    event('created', response('in_progress', '', 'null')),
    event('output_item.added', '"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}'),
    event(
      'reasoning_summary_part.added',
      '"output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}',
    ),
    event('reasoning_summary_text.delta', '"output_index":0,"summary_index":0,"delta":"é漢😀 "', '\r\n'),
    event('reasoning_summary_text.delta', `"output_index":0,"summary_index":0,"delta":"${last}"`),
    event('reasoning_summary_text.done', `"output_index":0,"summary_index":0,"text":"é漢😀 ${last}"`),
    event('reasoning_summary_part.done', `"output_index":0,"summary_index":0,"part":${summary}`),
    event('output_item.done', `"output_index":0,"item":${thought}`),
    event('output_item.added', `"output_index":1,"item":${search.replace('completed', 'in_progress')}`),
    event('web_search_call.searching', '"output_index":1,"item_id":"ws_1"'),
    event('output_item.done', `"output_index":1,"item":${search}`),
    event('output_item.added', `"output_index":2,"item":${call('')}`),
    'event: response.function_call_arguments.delta\ndata: {"type":"response.function_call_arguments.delta",\ndata: "output_index":2,"delta":"{\\"a\\":"}\n\n',
    event('function_call_arguments.delta', '"output_index":2,"delta":"1}"'),
    event('function_call_arguments.done', `"output_index":2,"arguments":"${input}"`),
    event('output_item.done', `"output_index":2,"item":${call(input)}`),
    event('completed', response('completed', [thought, search, call(input)].join(), usage)),
  ].join('')
}

function recordedContents(last = 'last'): readonly string[] {
  const content = (text: string, tokens: number, more = ''): string =>
    `{ "candidates":[{"content":{"parts":[{"text":"${text}"}],"role":"model"},"index":0${more}}],\r\n "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":${tokens},"totalTokenCount":${8 + tokens}},"modelVersion":"gemini-2.5-flash" }`
  return [
    content('é漢😀 \\u00e9 \\\\ \\"}]\\" ', 3),
    content('[{', 4),
    '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":[1,"x"]}}}],"role":"model"},"index":0}]}',
    content(last, 5),
    content('', 5, ',"finishReason":"STOP"'),
  ]
}

const GEMINI = {
  adapter: streamGenerateContent,
  body: '{"contents":[]}',
  upstream: ['ACC_UPSTREAM_GOOGLE', ''],
  rawUsage: { promptTokenCount: 8, candidatesTokenCount: 5, totalTokenCount: 13 },
  outputBytes: bytesOf('é漢😀 é \\ "}]" [{{"name":"f","args":{"a":[1,"x"]}}last'),
} as const

/** Mistral's content comes in parts where it holds thoughts, and its usage unasked with the last choice. */
const recordedParts = (last = 'last'): string =>
  [
    '{"id":"m1","object":"chat.completion.chunk","model":"mistral-large-2512","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
    '{"id":"m1","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"é漢😀 \\u00e9 "}]},{"type":"text","text":"so "}]},"finish_reason":null}]}',
    `{"id":"m1","choices":[{"index":0,"delta":{"content":[{"type":"text","text":"${last}"}]},"finish_reason":null}]}`,
    '{"id":"m1","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":5,"total_tokens":13,"num_cached_tokens":3}}',
    '[DONE]',
  ]
    .map((data, at) => (at % 2 ? `data: ${data}\r\n\r\n` : `data:${data}\n\n`))
    .join('')

/** Moonshot's usage stands in the last choice. */
const recordedInChoice = (last = 'last'): string =>
  [
    '{"id":"k1","model":"kimi-k2.5","choices":[{"index":0,"delta":{"reasoning_content":"é漢😀 "},"finish_reason":null}]}',
    `{"id":"k1","choices":[{"index":0,"delta":{"content":"${last}"},"finish_reason":null}]}`,
    '{"id":"k1","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":8,"completion_tokens":5,"total_tokens":13,"cached_tokens":3}}]}',
    '[DONE]',
  ]
    .map((data) => `data: ${data}\n\n`)
    .join('')

/** Ollama's lines, oddly spaced; the last one is `done`. */
const recordedLines = (last = 'last'): string =>
  [
    '{"model":"qwen3:8b","created_at":"2026-11-24T12:00:00Z","message":{"role":"assistant","content":"","thinking":"é漢😀 \\u00e9 "},"done":false}\n',
    ' \t{ "model":"qwen3:8b" , "message":{"content":"\\"quoted\\n\\" "},"done":false } \r\n',
    '\n',
    '{"model":"qwen3:8b","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":[1,"x"]}}}]},"done":false}\r\n',
    `{"model":"qwen3:8b","message":{"role":"assistant","content":"${last}"},"done":false}\n`,
    '{"model":"qwen3:8b","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":5,"prompt_eval_count":8,"eval_count":5}\n',
  ].join('')

/** One row for each format, or for each way to write one. */
export const RECORDED: readonly Recorded[] = [
  {
    ...OPENAI,
    name: 'a chat with usage',
    body: CHAT.replace('{', '{"stream_options":{"include_usage":true},'),
    stream: (last) => recordedChatStream(true, last),
  },
  {
    ...OPENAI,
    name: 'a chat without usage',
    body: CHAT,
    stream: (last) => recordedChatStream(true, last),
    given: (last) => recordedChatStream(false, last),
  },
  {
    ...OPENAI,
    name: 'a chat of Azure, without usage',
    path: '/azure/openai/v1/chat/completions',
    body: CHAT,
    upstream: ['ACC_UPSTREAM_AZURE', ''],
    stream: (last) => filtered(recordedChatStream(true, last)),
    given: (last) => filtered(recordedChatStream(false, last)),
  },
  {
    ...OPENAI,
    name: 'a response',
    adapter: openaiResponses,
    path: '/v1/responses',
    body: '{"stream":true,"model":"gpt-4.1-mini","input":[]}',
    stream: recordedResponse,
    rawUsage: {
      input_tokens: 8,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 13,
    },
    // And the tags of an item that no event shows.
    outputBytes: bytesOf('é漢😀 é last') + 16,
  },
  {
    ...OPENAI,
    name: 'a response that thinks, searches and calls',
    adapter: openaiResponses,
    path: '/v1/responses',
    body: '{"stream":true,"model":"gpt-4.1-mini","input":[]}',
    stream: recordedCalls,
    rawUsage: {
      input_tokens: 8,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens: 9,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 17,
    },
    // Each item whole, with its tags: what was called, and the search as one.
    outputBytes: bytesOf('é漢😀 last') + bytesOf('searchq') + bytesOf('f{"a":1}') + 3 * 16,
  },
  {
    name: 'a message of Anthropic',
    adapter: anthropicMessages,
    framing: SSE,
    contentType: 'text/event-stream; charset=utf-8',
    path: '/v1/messages',
    body: '{"stream":true,"model":"claude-haiku-4-5","max_tokens":100,"messages":[]}',
    upstream: ['ACC_UPSTREAM_ANTHROPIC', '/v1'],
    stream: recordedAnthropicStream,
    rawUsage: {
      input_tokens: 8,
      cache_creation_input_tokens: 100,
      cache_read_input_tokens: 50,
      cache_creation: { ephemeral_5m_input_tokens: 60, ephemeral_1h_input_tokens: 40 },
      output_tokens: 30,
      service_tier: 'standard',
      output_tokens_details: { thinking_tokens: 12 },
    },
    // And the tags of the call of a tool.
    outputBytes: bytesOf('é漢😀 étwo lines lastcited{"a":1}') + 64,
  },
  {
    ...OPENAI,
    name: 'a chat of Mistral, in parts',
    adapter: chatAdapter(CHAT_DIALECTS.mistral),
    path: '/mistral/v1/chat/completions',
    body: CHAT.replace('gpt-4.1-mini', 'mistral-large-2512'),
    upstream: ['ACC_UPSTREAM_MISTRAL', '/v1'],
    stream: recordedParts,
    rawUsage: { prompt_tokens: 8, completion_tokens: 5, total_tokens: 13, num_cached_tokens: 3 },
    outputBytes: bytesOf('é漢😀 é so last'),
  },
  {
    ...OPENAI,
    name: 'a chat of Moonshot, with usage in a choice',
    adapter: chatAdapter(CHAT_DIALECTS.moonshotai),
    path: '/moonshotai/v1/chat/completions',
    body: CHAT.replace('gpt-4.1-mini', 'kimi-k2.5'),
    upstream: ['ACC_UPSTREAM_MOONSHOTAI', '/v1'],
    stream: recordedInChoice,
    rawUsage: { prompt_tokens: 8, completion_tokens: 5, total_tokens: 13, cached_tokens: 3 },
    outputBytes: bytesOf('é漢😀 last'),
  },
  {
    name: 'a chat of Ollama, in lines',
    adapter: ollamaChat,
    framing: NDJSON,
    contentType: 'application/x-ndjson',
    path: '/api/chat',
    body: '{"model":"qwen3:8b","messages":[]}',
    upstream: ['ACC_UPSTREAM_OLLAMA', ''],
    stream: recordedLines,
    rawUsage: { prompt_eval_count: 8, eval_count: 5, done_reason: 'stop' },
    // And the signs that a model writes around what it thinks and calls.
    outputBytes: bytesOf('é漢😀 é "quoted\n" last[{"function":{"name":"f","arguments":{"a":[1,"x"]}}}]') + 64,
  },
  {
    ...GEMINI,
    name: 'content of Gemini, as events',
    framing: SSE,
    contentType: 'text/event-stream',
    path: '/google/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    stream: (last) =>
      recordedContents(last)
        .map((each) => `data: ${each.replaceAll('\r\n', '')}\r\n\r\n`)
        .join(''),
  },
  {
    ...GEMINI,
    name: 'content of Gemini, as an array',
    framing: JSON_ARRAY,
    contentType: 'application/json; charset=UTF-8',
    path: '/google/v1beta/models/gemini-2.5-flash:streamGenerateContent',
    stream: (last) => `[${recordedContents(last).join(' ,\r\n')}\n]\n`,
  },
]

/** What a client gets of a recorded stream. */
export const givenOf = ({ stream, given = stream }: Recorded, last?: string): string => given(last)

/** The request that it answers, read. */
export function requestOf({ adapter, body }: Recorded) {
  const request = adapter.parse(JSON.parse(body), { model: 'gemini-2.5-flash', stream: true })
  if ('kind' in request) throw new Error(request.message)
  return request
}
