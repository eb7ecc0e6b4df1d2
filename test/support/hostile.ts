/** Requests that two servers could read differently, that are none, or that are not served: as bytes. */
import type { Code } from '@agentcostcontrol/contract'
import { AUTH, PLAIN_CHAT } from './corpus.ts'
import { request } from './raw-http.ts'

/** A request, and the refusal that it gets. */
interface Hostile {
  readonly bytes: Buffer
  readonly status: number
  readonly code: Code
  /** What the message names. */
  readonly names?: RegExp
}

const LATIN1 = (text: string): Buffer => Buffer.from(text, 'latin1')
/** What an attacker hides behind a request, in the hope that another server takes it for one of its own. */
const SMUGGLED = 'GET /v1/models/smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const post = (headers: readonly string[], body: string, target = '/v1/moderations'): Buffer =>
  LATIN1(`POST ${target} HTTP/1.1\r\nHost: a\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`)
const get = (lines: string, target = '/v1/models', version = 'HTTP/1.1'): Buffer =>
  LATIN1(`GET ${target} ${version}\r\nHost: a\r\n${lines}\r\n${SMUGGLED}`)
const invalid = (bytes: Buffer, names?: RegExp): Hostile => ({
  bytes,
  status: 400,
  code: 'acc_header_invalid',
  ...(names && { names }),
})
const unrouted = (bytes: Buffer): Hostile => ({ bytes, status: 404, code: 'acc_route_unknown' })
const CHUNKS = '5\r\n12345\r\n0\r\n\r\n'
const TE = (coding: string): readonly string[] => [`Transfer-Encoding: ${coding}`]

/** By what is wrong with it. */
export const HOSTILE: Readonly<Record<string, Hostile>> = {
  'a length and chunks': invalid(post(['Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`)),
  'chunks and a length': invalid(post(['Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${SMUGGLED}`)),
  'two lengths': invalid(post(['Content-Length: 5', 'Content-Length: 6'], `12345${SMUGGLED}`)),
  'one length twice': invalid(post(['Content-Length: 5', 'Content-Length: 5'], `12345${SMUGGLED}`)),
  'a list of lengths': invalid(post(['Content-Length: 5, 5'], `12345${SMUGGLED}`)),
  'a length with a sign': invalid(post(['Content-Length: +5'], `12345${SMUGGLED}`)),
  'a negative length': invalid(post(['Content-Length: -5'], `12345${SMUGGLED}`)),
  'a length in hexadecimal': invalid(post(['Content-Length: 0x5'], `12345${SMUGGLED}`)),
  'an empty length': invalid(post(['Content-Length: '], `12345${SMUGGLED}`)),
  'a length beyond all numbers': invalid(post(['Content-Length: 99999999999999999999'], '1')),
  'chunks, coded before': invalid(post(TE('gzip, chunked'), CHUNKS), /transfer-encoding/i),
  'chunks twice': invalid(post([...TE('chunked'), ...TE('chunked')], CHUNKS)),
  'chunks, coded behind': invalid(post([...TE('chunked'), ...TE('identity')], CHUNKS)),
  'a coding of the connection that is none': invalid(post(TE('identity'), CHUNKS)),
  'nearly chunks': invalid(post(TE('xchunked'), CHUNKS)),
  'chunks in a vertical tab': invalid(post(TE('\x0bchunked'), CHUNKS)),
  'chunks in quotes': invalid(post(TE('"chunked"'), CHUNKS)),
  'chunks in HTTP/1.0': invalid(
    LATIN1(`POST /v1/moderations HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`),
    /chunked/,
  ),
  'a chunk size that is none': invalid(post(TE('chunked'), 'zz\r\n12345\r\n0\r\n\r\n')),
  'a negative chunk size': invalid(post(TE('chunked'), '-1\r\n12345\r\n0\r\n\r\n')),
  'a chunk longer than its size': invalid(post(TE('chunked'), '3\r\n12345\r\n0\r\n\r\n')),
  'a chunk that ends with a bare LF': invalid(post(TE('chunked'), '5\n12345\n0\n\n')),
  'a folded header': invalid(get('X-Fold: a\r\n b\r\n')),
  'a folded first header': invalid(LATIN1('GET /v1/models HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n')),
  'a header that ends with a bare LF': invalid(get('X: y\n')),
  'lines that end with bare LFs': invalid(LATIN1('GET /v1/models HTTP/1.1\nHost: a\n\n')),
  'a bare CR in a header': invalid(get('X: a\rb\r\n')),
  'a NUL in a header': invalid(get('X: a\0b\r\n')),
  'a control character in a header': invalid(get('X: a\x01b\r\n')),
  'DEL in a header': invalid(get('X: a\x7fb\r\n')),
  'a space before the colon': invalid(get('X : a\r\n')),
  'a header without a name': invalid(get(': a\r\n')),
  'a header without a colon': invalid(get('Nonsense\r\n')),
  'a header name that is not ASCII': invalid(get('X-\xe9: a\r\n')),
  'no host': invalid(LATIN1('GET /v1/models HTTP/1.1\r\n\r\n'), /Host/),
  'two hosts': invalid(get('host: b\r\n'), /Host/),
  'an expectation that nobody can meet': invalid(
    post(['Expect: magic', 'Content-Length: 5'], '12345'),
    /expect: magic/,
  ),
  'HTTP/1.2': invalid(get('', '/v1/models', 'HTTP/1.2')),
  'HTTP/2': invalid(LATIN1('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')),
  'no HTTP': invalid(LATIN1('EHLO mail.test\r\n')),
  'the beginning of TLS': invalid(Buffer.from('16030100c8010000c403030000000000', 'hex')),
  'a method in small letters': invalid(LATIN1('post /v1/moderations HTTP/1.1\r\nHost: a\r\n\r\n')),
  'a space in the target': invalid(get('', '/v1/models?a= b')),
  'a tab in the target': invalid(get('', '/v1/models?a=\tb')),
  'a target that is not ASCII': invalid(get('', '/v1/models?a=\xe9')),
  'headers that are too large': {
    bytes: get(`X: ${'a'.repeat(70_000)}\r\n`),
    status: 431,
    code: 'acc_headers_too_large',
  },
  'too many small headers': {
    bytes: get('X: 1\r\n'.repeat(40_000)),
    status: 431,
    code: 'acc_headers_too_large',
  },
  'a target of another server': unrouted(LATIN1('GET http://a.test/v1/models HTTP/1.1\r\nHost: a.test\r\n\r\n')),
  'a target that is the server': unrouted(LATIN1('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')),
  CONNECT: unrouted(LATIN1(`CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n${SMUGGLED}`)),
  'a chat behind a fragment': unrouted(request('POST /v1/chat/completions/#', [AUTH], PLAIN_CHAT)),
  'a chat behind an encoded query': unrouted(request('POST /v1/chat/completions/%3fa', [AUTH], PLAIN_CHAT)),
  'a chat behind dots': unrouted(request('POST /v1/files/../chat/completions', [AUTH], PLAIN_CHAT)),
  'a chat behind encoded dots': unrouted(request('POST /v1/files/%2e%2e/chat/completions', [AUTH], PLAIN_CHAT)),
  'a chat behind dots encoded twice': unrouted(request('POST /v1/files/%252e%252e/chat', [AUTH], PLAIN_CHAT)),
  'a chat behind two slashes': unrouted(request('POST /v1//chat/completions', [AUTH], PLAIN_CHAT)),
  'a chat with a path parameter': unrouted(request('POST /v1/chat/completions;a', [AUTH], PLAIN_CHAT)),
  'a chat behind a backslash': unrouted(request('POST /v1/chat\\completions', [AUTH], PLAIN_CHAT)),
  'a WebSocket': {
    bytes: get(
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
      '/v1/realtime?model=gpt-realtime',
    ),
    status: 403,
    code: 'acc_endpoint_denied',
    names: /WebSocket/,
  },
  'an agent of two names': invalid(
    request('POST /v1/moderations', ['x-acc-agent: a', 'X-ACC-Agent: b'], '{}'),
    /x-acc-agent/,
  ),
  'an agent without a name': invalid(request('POST /v1/moderations', ['x-acc-agent:'], '{}'), /x-acc-agent/),
  'an agent with a name that is too long': invalid(
    request('POST /v1/moderations', [`x-acc-agent: ${'a'.repeat(254)}`], '{}'),
    /x-acc-agent/,
  ),
  'a session with a tab': invalid(request('POST /v1/moderations', ['x-acc-session: a\tb'], '{}'), /x-acc-session/),
  'tags that are none': invalid(request('POST /v1/moderations', ['x-acc-tags: =,a'], '{}'), /x-acc-tags/),
  'too many tags': invalid(
    request('POST /v1/moderations', [`x-acc-tags: ${Array.from({ length: 33 }, (_, at) => `t${at}=1`)}`], '{}'),
    /x-acc-tags/,
  ),
}
