import { AUTH, type Case } from './corpus.ts'
import { chunked, request } from './raw-http.ts'

const JSON_TYPE = 'Content-Type: application/json'
const RESPONSES = 'POST /v1/responses'
const PLAIN = '{"model":"gpt-4.1-mini","input":"hello"}'
const STREAM = PLAIN.replace('{', '{"stream":true,')
const THINKING = STREAM.replace('gpt-4.1-mini', 'gpt-5-mini').replace(
  '{',
  '{"reasoning":{"summary":"auto"},"include":["reasoning.encrypted_content"],',
)
const TOOLS = STREAM.replace(
  '{',
  '{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"é":{}}}},{"type":"custom","name":"g"}],',
)
const SEARCH = STREAM.replace('{', '{"tools":[{"type":"web_search"}],"max_tool_calls":1,')
const ODD_JSON = [
  ' \r\n\t{ "model" : "gpt-4.1-mini" ,"max_output_tokens":1e2,\n"input":[ {"role":"user","content":"a\\u0062\\ud83d\\ude00 é漢😀 \\/ \\u0000"} ] }\n',
  '{"model":"gpt-4.1-mini","max_output_tokens":17,"metadata":{"model":":"},"input":[{"role":"user","content":":twice"}]}',
  '{"\\u006dodel":"gpt-4.1-mini","metadata":{"seed":"12345678901234567890"},"x":1234567890123456789012,"temperature":1.0e-0,"input":[{"content":[{"text":"n","type":"input_text"}],"role":"user"}]}',
]

const response = (name: string, body: string, headers: readonly string[] = []): Case => ({
  name: `Responses: ${name}`,
  bytes: request(RESPONSES, [AUTH, JSON_TYPE, ...headers], body),
})
const other = (name: string, start: string, body?: string): Case => ({
  name: `Responses: ${name}`,
  bytes: request(start, [AUTH, JSON_TYPE], body),
})

/** Requests for responses of every kind, as bytes: nothing is taken out of any of them. */
export const RESPONSES_CORPUS: readonly Case[] = [
  response('plain', PLAIN),
  ...ODD_JSON.map((body, at) => response(`odd JSON ${at}`, body)),
  ...ODD_JSON.map((body, at) => response(`odd JSON ${at} streamed`, body.replace(/\{/, '{"stream":true,').trimStart())),
  response('a large body', PLAIN.replace('hello', 'é漢😀 '.repeat(40_000))),
  response('streamed', STREAM),
  response('streamed with other options', STREAM.replace('{', '{"stream_options":{"include_obfuscation":false},')),
  response('reasoning', THINKING),
  response('tools', TOOLS),
  response('a hosted search', SEARCH),
  response('in the background', PLAIN.replace('{', '{"background":true,')),
  response('streamed in the background', STREAM.replace('{', '{"background":true,')),
  response('an earlier one that is not there', PLAIN.replace('{', '{"previous_response_id":"resp_0",')),
  response('lines ending with CRLF', STREAM, ['X-Sim-Lines: crlf']),
  response('comments and no spaces', STREAM, ['X-Sim-Lines: nospace,comments']),
  response('byte by byte', TOOLS, ['X-Sim-Fault: one-byte-chunks']),
  response('characters cut in two', STREAM, ['X-Sim-Fault: split-utf8', `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`]),
  response('lines cut in two', STREAM, ['X-Sim-Fault: split-lines']),
  response('a refusal', STREAM, ['X-Sim-Fault: refusal']),
  response('an error event', STREAM, ['X-Sim-Fault: error-event']),
  response('cut in the middle of a stream', STREAM, ['X-Sim-Fault: cut-mid-stream']),
  response('ended in the middle of a stream', STREAM, ['X-Sim-Fault: end-mid-stream']),
  response('cut in the middle of a body', PLAIN, ['X-Sim-Fault: cut-mid-body']),
  response('JSON that is none', PLAIN, ['X-Sim-Fault: truncated-json']),
  response('no usage', STREAM, ['X-Sim-Fault: no-usage']),
  response('senseless usage', PLAIN, ['X-Sim-Fault: malformed-usage']),
  ...['gzip', 'br', 'deflate', 'zstd'].flatMap((coding) => [
    response(`plain, ${coding}`, PLAIN, [`X-Sim-Encoding: ${coding}`]),
    response(`streamed, ${coding}`, STREAM, [`X-Sim-Encoding: ${coding}`]),
  ]),
  ...[400, 401, 403, 404, 429, 500, 503].map((status) =>
    response(`status ${status}`, PLAIN, [`X-Sim-Fault: status-${status}`]),
  ),
  {
    name: 'Responses: a body in chunks, with an extension and trailers',
    bytes: request(
      RESPONSES,
      [AUTH, 'Transfer-Encoding: chunked', 'Trailer: X-T'],
      chunked(PLAIN, [1, 2, 40], ['X-T: 1']),
    ),
  },
  { name: 'Responses: no key', bytes: request(RESPONSES, [JSON_TYPE], PLAIN) },
  other('counting', 'POST /v1/responses/input_tokens', PLAIN),
  other('one that is not there', 'GET /v1/responses/resp_0?include%5B%5D=a'),
  other('its head', 'HEAD /v1/responses/resp_0'),
  other('its end', 'DELETE /v1/responses/resp_0'),
  other('its input', 'GET /v1/responses/resp_0/input_items?limit=2'),
  other('cancelled', 'POST /v1/responses/resp_0/cancel', ''),
  other('a conversation', 'POST /v1/conversations', '{}'),
  other('compaction', 'POST /v1/responses/compact', PLAIN),
]
