import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Code } from '@agentcostcontrol/contract'
import { renderDenial } from '../errors.ts'
import { type Denial, denial } from '../exchange.ts'
import { openaiFamily } from '../providers/openai/endpoints.ts'

/** How long a connection that was refused is kept, so that the refusal arrives before the reset that follows it. */
const LINGER_MS = 1_000

const PARSER_ERRORS: Readonly<Record<string, readonly [Code, string]>> = {
  HPE_HEADER_OVERFLOW: ['acc_headers_too_large', 'The request headers are too large (ACC_HEADER_BYTES_MAX).'],
  HPE_INVALID_EOF_STATE: ['acc_body_incomplete', 'The connection was closed before the request was complete.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['acc_request_timeout', 'The request did not arrive in time (ACC_REQUEST_TIMEOUT_MS).'],
}

/** What is told of bytes that the parser refused, and of a request that did not come in time. */
export function parserRefusal(error: NodeJS.ErrnoException): Denial {
  const known = PARSER_ERRORS[error.code ?? '']
  if (known) return denial(known[0], known[1])
  const reason = 'reason' in error && typeof error.reason === 'string' ? `: ${error.reason}` : ''
  return denial('acc_header_invalid', `The request is not valid HTTP/1.1${reason}.`)
}

/** What the parser lets pass and two servers could read differently, or what is not served on this port. */
export function requestFault(request: IncomingMessage): Denial | null {
  const { headers, httpVersion } = request
  if (httpVersion !== '1.0' && countHosts(request.rawHeaders) !== 1) {
    return denial('acc_header_invalid', 'A request needs exactly one Host header (RFC 9112 §3.2).')
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && (httpVersion === '1.0' || coding.toLowerCase() !== 'chunked')) {
    return denial(
      'acc_header_invalid',
      `The header transfer-encoding: ${coding.slice(0, 40)} is not understood: only chunked is, in HTTP/1.1.`,
    )
  }
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return denial('acc_header_invalid', `The header expect: ${headers.expect.slice(0, 40)} cannot be met.`)
  }
  if (headers.upgrade !== undefined && /\bwebsocket\b/i.test(headers.upgrade)) {
    return denial(
      'acc_endpoint_denied',
      'WebSocket connections are not metered by this version and are refused: use the HTTP endpoints.',
    )
  }
  return null
}

/** CONNECT asks for a forward proxy, which this port is not. */
export const CONNECT_REFUSAL = denial(
  'acc_route_unknown',
  'This port is no forward proxy: set the base URL of the client to it instead of HTTP_PROXY or HTTPS_PROXY.',
)

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

/** Answers on the connection itself, where there is no request to answer, and closes it. */
export function refuseOnSocket(socket: Duplex, refusal: Denial, id: string): void {
  // What was asked is not known: OpenAI's is the format that most clients read.
  const { status, headers, body } = renderDenial(refusal, id, openaiFamily.errors)
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'connection: close']
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  socket.on('error', () => {})
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]))
  const linger = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(linger))
}
