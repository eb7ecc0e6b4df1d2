import type { Case } from './corpus.ts'
import { request } from './raw-http.ts'

const JSON_TYPE = 'Content-Type: application/json'

const RESPONSE = '{"model":"gpt-4.1-mini","input":"hello"}'
const RESPONSE_STREAM = RESPONSE.replace('{', '{"stream":true,')
const response = (name: string, body: string, headers: readonly string[] = []): Case => ({
  name: `Responses: ${name}`,
  bytes: request('POST /v1/responses', ['Authorization: Bearer sk-any', JSON_TYPE, ...headers], body),
})

/** Requests for responses, as bytes: nothing is taken out of any of them. */
export const RESPONSES_CORPUS: readonly Case[] = [
  response('plain', RESPONSE),
  response(
    'odd JSON',
    ' {\t"input" : [{"role":"user","content":"a\\u0062 é漢😀 \\/"}] ,\r\n"model":"x","model":"gpt-4.1-mini","seed":12345678901234567890,"temperature":1.0e-0}\n',
  ),
  response('a large body', RESPONSE.replace('hello', 'é漢😀 '.repeat(40_000))),
  response('streamed', RESPONSE_STREAM),
  response(
    'streamed with other options',
    RESPONSE_STREAM.replace('{', '{"stream_options":{"include_obfuscation":false},'),
  ),
  response('lines ending with CRLF', RESPONSE_STREAM, ['X-Sim-Lines: crlf']),
  response('comments and no spaces', RESPONSE_STREAM, ['X-Sim-Lines: nospace,comments']),
  response('byte by byte', RESPONSE_STREAM, ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4']),
  response('characters cut in two', RESPONSE_STREAM, [
    'X-Sim-Fault: split-utf8',
    `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`,
  ]),
  ...['error-event', 'cut-mid-stream', 'end-mid-stream', 'no-usage'].map((fault) =>
    response(fault, RESPONSE_STREAM, [`X-Sim-Fault: ${fault}`]),
  ),
  ...['cut-mid-body', 'malformed-usage', 'truncated-json', 'status-400', 'status-429', 'status-500'].map((fault) =>
    response(fault, RESPONSE, [`X-Sim-Fault: ${fault}`]),
  ),
  ...['gzip', 'br', 'deflate', 'zstd'].flatMap((coding) => [
    response(`plain, ${coding}`, RESPONSE, [`X-Sim-Encoding: ${coding}`]),
    response(`streamed, ${coding}`, RESPONSE_STREAM, [`X-Sim-Encoding: ${coding}`]),
  ]),
]

const CHAT = '{"messages":[{"role":"user","content":"hello"}]}'
const CHAT_STREAM = CHAT.replace('{', '{"stream":true,')
const DEPLOYMENT = '/azure/openai/deployments/mini-eu/chat/completions'
const azure = (name: string, body: string, headers: readonly string[] = [], hidden = false): Case => ({
  name: `Azure: ${name}`,
  bytes: request(`POST ${DEPLOYMENT}?api-version=2025-01-01-preview`, ['Api-Key: any', JSON_TYPE, ...headers], body),
  hidden,
})

/** Requests for chats of Azure, as bytes. */
export const AZURE_CORPUS: readonly Case[] = [
  azure('plain', CHAT),
  azure('streamed', CHAT_STREAM, [], true),
  azure('streamed with usage', CHAT_STREAM.replace('{', '{"stream_options":{"include_usage":true},')),
  azure('streamed, gzip', CHAT_STREAM, ['X-Sim-Encoding: gzip'], true),
  azure('streamed byte by byte', CHAT_STREAM, ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4'], true),
  azure('status 429', CHAT, ['X-Sim-Fault: status-429']),
  {
    name: 'Azure: an older version, whose stream is not asked for its usage',
    bytes: request(`POST ${DEPLOYMENT}?api-version=2024-02-01`, ['Api-Key: any', JSON_TYPE], CHAT_STREAM),
  },
  {
    name: 'Azure: the deployment as the model',
    bytes: request(
      'POST /azure/openai/v1/chat/completions',
      ['Api-Key: any', JSON_TYPE],
      CHAT.replace('{', '{"model":"mini-eu",'),
    ),
  },
]
