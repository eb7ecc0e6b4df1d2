/** Answers as bytes, for what a well-behaved simulator never sends. */
import { gzipSync } from 'node:zlib'
import { RECORDED_STREAM } from '../../sidecar/test/support/recorded-stream.ts'
import { chunked } from './raw-http.ts'

/** An answer, and the request that it is for. */
interface RecordedAnswer {
  readonly target: string
  readonly body?: string
  readonly bytes: Buffer
  /** True if the connection ends with it. */
  readonly closes?: boolean
  /** True if the sidecar asks for usage and takes it out again. */
  readonly hidden?: boolean
}

const JSON_ANSWER =
  '{ "id":"chatcmpl-1",\r\n "object":"chat.completion","model":"gpt-4.1-mini" , "choices":[{"index":0,"message":{"role":"assistant","content":"h\\u0069 \\/ é"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9} }\n'

const head = (status: string, headers: readonly string[]): string =>
  `HTTP/1.1 ${status}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`

const answer = (status: string, headers: readonly string[], body: string | Buffer = ''): Buffer =>
  Buffer.concat([Buffer.from(head(status, headers), 'latin1'), Buffer.from(body)])

const withLength = (status: string, headers: readonly string[], body: string | Buffer): Buffer =>
  answer(status, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body)

const CHAT = 'POST /v1/chat/completions'
const MODELS = 'GET /v1/models'
const JSON_TYPE = 'Content-Type: application/json'
const SSE_TYPE = 'content-type: text/event-stream'
const PLAIN = '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}]}'
const WITH_USAGE = `{"stream":true,"stream_options":{"include_usage":true},${PLAIN.slice(1)}`
const MANY_COOKIES = Array.from({ length: 40 }, (_, at) => `${at % 2 ? 'Set-Cookie' : 'set-cookie'}: c${at}=${at}`)

/** By name; the request carries the name in `X-Case`. */
export const ANSWERS: Readonly<Record<string, RecordedAnswer>> = {
  '204 without a body': { target: 'DELETE /v1/files/f', bytes: answer('204 No Content', ['X-A: 1', 'x-a: 2']) },
  '304 with the length of what is not sent': {
    target: MODELS,
    bytes: answer('304 Not Modified', ['ETag: "a"', 'Content-Length: 500', 'Date: Tue, 24 Nov 2026 12:00:00 GMT']),
  },
  'an answer to HEAD with a length': {
    target: 'HEAD /v1/models',
    bytes: answer('200 OK', ['Content-Length: 500', JSON_TYPE]),
  },
  'an answer to HEAD without a length': { target: 'HEAD /v1/models', bytes: answer('200 OK', [JSON_TYPE]) },
  'a body of no bytes': { target: MODELS, bytes: withLength('200 OK', [JSON_TYPE], '') },
  'HTTP/1.0, its end is the end of the connection': {
    target: MODELS,
    bytes: Buffer.from(`HTTP/1.0 200 OK\r\n${JSON_TYPE}\r\n\r\n{"data":[]}`),
    closes: true,
  },
  'HTTP/1.1, its end is the end of the connection': {
    target: CHAT,
    body: PLAIN,
    bytes: answer('200 OK', [JSON_TYPE, 'Connection: close'], JSON_ANSWER),
    closes: true,
  },
  'chunks with extensions and trailers': {
    target: CHAT,
    body: PLAIN,
    bytes: Buffer.concat([
      answer('200 OK', [JSON_TYPE, 'Transfer-Encoding: chunked', 'Trailer: X-T']),
      Buffer.from('3;a="b"\r\n{ "\r\n'),
      chunked(JSON_ANSWER.slice(3), [1, 100], ['X-T: 1']),
    ]),
  },
  'an interim answer in front': {
    target: MODELS,
    bytes: Buffer.concat([
      answer('103 Early Hints', ['Link: </a>; rel=preload']),
      withLength('200 OK', [JSON_TYPE], '{}'),
    ]),
  },
  'no reason phrase': { target: MODELS, bytes: withLength('200 ', [JSON_TYPE], '{}') },
  'another reason phrase': { target: MODELS, bytes: withLength('200 Quite Fine, thanks', [JSON_TYPE], '{}') },
  'a reason phrase that is not ASCII': {
    target: MODELS,
    bytes: withLength(`418 ${Buffer.from('Théière 茶').toString('latin1')}`, [JSON_TYPE], '{}'),
  },
  'a status that nobody knows': { target: MODELS, bytes: withLength('299 Odd', ['X: y'], 'odd') },
  'headers in odd case, twice, empty, large, not ASCII': {
    target: CHAT,
    body: PLAIN,
    bytes: withLength(
      '200 OK',
      [
        'sErVeR: x',
        'Vary: a',
        'X-Empty:',
        'vary: b',
        'X-Latin: caf\xe9',
        `X-Large: ${'v'.repeat(40_000)}`,
        'Content-Type: application/json ; charset=utf-8',
        ...MANY_COOKIES,
        'Date: Tue, 24 Nov 2026 12:00:00 GMT',
        'date: twice',
        'x-request-id: req_1',
        'Connection: keep-alive, X-Hop',
        'X-Hop: 1',
      ],
      JSON_ANSWER,
    ),
  },
  'fields that only the sidecar may set': {
    target: MODELS,
    bytes: withLength('200 OK', ['X-ACC-Code: acc_budget_exceeded', 'x-acc-request-id: forged', JSON_TYPE], '{}'),
  },
  'an error page in HTML': {
    target: CHAT,
    body: PLAIN,
    bytes: answer(
      '502 Bad Gateway',
      ['Content-Type: text/html', 'Transfer-Encoding: chunked'],
      chunked('<html>', [2, 1]),
    ),
  },
  'an error without a body': { target: CHAT, body: PLAIN, bytes: withLength('503 Service Unavailable', [], '') },
  'a redirect': {
    target: CHAT,
    body: PLAIN,
    bytes: withLength('307 Temporary Redirect', ['Location: /v2/chat/completions?a=%20'], ''),
  },
  'text where JSON is expected': {
    target: CHAT,
    body: PLAIN,
    bytes: withLength('200 OK', ['Content-Type: text/plain'], 'ok'),
  },
  'JSON in a coding that nobody knows': {
    target: CHAT,
    body: PLAIN,
    bytes: withLength('200 OK', [JSON_TYPE, 'Content-Encoding: compress'], Buffer.from([0, 255, 13, 10, 7])),
  },
  'JSON in a coding that it is not in': {
    target: CHAT,
    body: PLAIN,
    bytes: withLength('200 OK', [JSON_TYPE, 'Content-Encoding: br'], JSON_ANSWER),
  },
  'a stream with a length': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: withLength('200 OK', [SSE_TYPE], RECORDED_STREAM),
  },
  'a stream whose last event has no end': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: answer('200 OK', [SSE_TYPE, 'Connection: close'], RECORDED_STREAM.slice(0, -2)),
    closes: true,
  },
  'a stream that is none': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: withLength('200 OK', [SSE_TYPE], Buffer.from([0, 10, 10, 255, 13, 10, 13, 10, 13])),
  },
  'a compressed stream with a length and bytes behind its end': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: withLength(
      '200 OK',
      [SSE_TYPE, 'content-encoding: gzip'],
      Buffer.concat([gzipSync(RECORDED_STREAM), Buffer.from('garbage')]),
    ),
  },
  'a compressed stream that breaks off in its coding': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: withLength('200 OK', [SSE_TYPE, 'content-encoding: gzip'], gzipSync(RECORDED_STREAM).subarray(0, -9)),
  },
  'a stream in a coding that it is not in': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: withLength('200 OK', [SSE_TYPE, 'content-encoding: zstd'], RECORDED_STREAM),
  },
  'a stream shorter than its length': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: answer('200 OK', [SSE_TYPE, 'content-length: 99999'], RECORDED_STREAM),
    closes: true,
  },
  'chunks that end too early': {
    target: CHAT,
    body: WITH_USAGE,
    bytes: answer('200 OK', [SSE_TYPE, 'transfer-encoding: chunked'], chunked(RECORDED_STREAM, [100]).subarray(0, -5)),
    closes: true,
  },
}
