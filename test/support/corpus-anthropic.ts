import type { Case } from './corpus.ts'
import { chunked, request } from './raw-http.ts'

const AUTH = ['X-Api-Key: sk-any', 'Anthropic-Version: 2023-06-01']
const JSON_TYPE = 'Content-Type: application/json'
const MESSAGES = 'POST /anthropic/v1/messages'
const PLAIN = '{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'
const STREAM = PLAIN.replace('{', '{"stream":true,')
const THINKING = STREAM.replace('100', '2000').replace('{', '{"thinking":{"type":"enabled","budget_tokens":1024},')
const TOOLS = STREAM.replace('{', '{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"é":{}}}}],')
const ODD_JSON = [
  ' \r\n\t{ "model" : "claude-haiku-4-5" ,"max_tokens":1e2,\n"messages":[ {"role":"user","content":"a\\u0062\\ud83d\\ude00 é漢😀 \\/ \\u0000"} ] }\n',
  '{"model":"claude-haiku-4-5","max_tokens":7,"metadata":{"model":":"},"messages":[{"role":"user","content":":twice"}]}',
  '{"\\u006dodel":"claude-haiku-4-5","max_tokens":9,"seed":12345678901234567890,"messages":[{"content":[{"text":"n","type":"text"}],"role":"user"}]}',
]

const message = (name: string, body: string, headers: readonly string[] = []): Case => ({
  name: `Anthropic: ${name}`,
  bytes: request(MESSAGES, [...AUTH, JSON_TYPE, ...headers], body),
})

/** Requests for messages of every kind, as bytes: nothing is taken out of any of them. */
export const ANTHROPIC_CORPUS: readonly Case[] = [
  message('plain', PLAIN),
  ...ODD_JSON.map((body, at) => message(`odd JSON ${at}`, body)),
  message('a large body', PLAIN.replace('hello', 'é漢😀 '.repeat(40_000))),
  message('streamed', STREAM),
  message('thinking', THINKING),
  message('tools', TOOLS),
  message('beta headers', PLAIN, ['Anthropic-Beta: a-2026-01-01,b', 'anthropic-beta: c', 'X-Stainless-Lang: js']),
  message('lines ending with CRLF', STREAM, ['X-Sim-Lines: crlf']),
  message('comments and no spaces', STREAM, ['X-Sim-Lines: nospace,comments']),
  message('byte by byte', TOOLS, ['X-Sim-Fault: one-byte-chunks']),
  message('characters cut in two', STREAM, ['X-Sim-Fault: split-utf8', `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`]),
  message('an error event', STREAM, ['X-Sim-Fault: error-event']),
  message('cut in the middle of a stream', STREAM, ['X-Sim-Fault: cut-mid-stream']),
  message('ended in the middle of a stream', STREAM, ['X-Sim-Fault: end-mid-stream']),
  message('cut in the middle of a body', PLAIN, ['X-Sim-Fault: cut-mid-body']),
  message('no usage', STREAM, ['X-Sim-Fault: no-usage']),
  message('senseless usage', PLAIN, ['X-Sim-Fault: malformed-usage']),
  message('usage again and again', STREAM, ['X-Sim-Usage-In: every-chunk']),
  ...['gzip', 'br', 'deflate', 'zstd'].flatMap((coding) => [
    message(`plain, ${coding}`, PLAIN, [`X-Sim-Encoding: ${coding}`]),
    message(`streamed, ${coding}`, STREAM, [`X-Sim-Encoding: ${coding}`]),
  ]),
  ...[400, 401, 403, 404, 413, 429, 500, 529].map((status) =>
    message(`status ${status}`, PLAIN, [`X-Sim-Fault: status-${status}`]),
  ),
  {
    name: 'Anthropic: a body in chunks, with an extension and trailers',
    bytes: request(
      MESSAGES,
      [...AUTH, 'Transfer-Encoding: chunked', 'Trailer: X-T'],
      chunked(PLAIN, [1, 2, 40], ['X-T: 1']),
    ),
  },
  { name: 'Anthropic: a query', bytes: request(`${MESSAGES}?beta=true&x=%2Fa+b&&`, [...AUTH, JSON_TYPE], PLAIN) },
  { name: 'Anthropic: counting', bytes: request(`${MESSAGES}/count_tokens`, AUTH, PLAIN) },
  { name: 'Anthropic: no key', bytes: request(MESSAGES, [JSON_TYPE], PLAIN) },
  { name: 'Anthropic: models', bytes: request('GET /anthropic/v1/models?limit=20', AUTH) },
  { name: 'Anthropic: a new batch', bytes: request(`${MESSAGES}/batches`, AUTH, '{"requests":[]}') },
  {
    name: 'Anthropic: a file of any bytes',
    bytes: request('POST /anthropic/v1/files', AUTH, Buffer.from([...Array(256).keys()])),
  },
]
