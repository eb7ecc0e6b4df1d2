/**
 * HTTP/1.1 as bytes: a client that sends exactly what it is given and a server that answers exactly what it is given,
 * each with what came over the wire as it came. Nothing here is lenient or helpful, so that a test sees every byte.
 */
import { connect, createServer, type Socket } from 'node:net'
import type { Scope } from './scope.ts'

/** A message as it came over the wire. */
export interface RawMessage {
  /** The request line or the status line. */
  readonly start: string
  /** The header lines, order, case and spaces as they came; latin1. */
  readonly lines: readonly string[]
  /** The body without its framing. */
  readonly body: Buffer
  /** Sizes of the chunks of a chunked body; `null` for another framing. */
  readonly chunks: readonly number[] | null
  readonly trailers: readonly string[]
  /** False if the connection ended before the message did. */
  readonly complete: boolean
  /** Heads of the 1xx answers in front of it. */
  readonly interim: readonly string[]
}

const CRLF = '\r\n'

/** Header lines as names and values in turn, values without the spaces around them (RFC 9110 §5.5). */
export const pairs = (lines: readonly string[]): readonly (readonly [name: string, value: string])[] =>
  lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
  })

/** The value of a header of a message, or `null`. */
export const header = (message: RawMessage, name: string): string | null =>
  pairs(message.lines).find(([key]) => key.toLowerCase() === name)?.[1] ?? null

/** Makes a request out of its parts; `content-length` is added where there is a body and no framing is given. */
export function request(target: string, headers: readonly string[] = [], body: string | Buffer = ''): Buffer {
  const [method, path = ''] = target.split(' ')
  const bytes = Buffer.from(body)
  const framed = headers.some((line) => /^(?:content-length|transfer-encoding):/i.test(line))
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: provider.test', ...headers]
  if (bytes.length > 0 && !framed) lines.push(`Content-Length: ${bytes.length}`)
  return Buffer.concat([Buffer.from(`${lines.join(CRLF)}${CRLF}${CRLF}`, 'latin1'), bytes])
}

/** A body in chunks of the given sizes; the last size repeats. */
export function chunked(body: string | Buffer, sizes: readonly number[], trailers: readonly string[] = []): Buffer {
  const bytes = Buffer.from(body)
  const parts: Buffer[] = []
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const piece = bytes.subarray(at, at + (sizes[Math.min(n, sizes.length - 1)] ?? bytes.length))
    parts.push(Buffer.from(`${piece.length.toString(16)}${CRLF}`), piece, Buffer.from(CRLF))
    at += piece.length
  }
  parts.push(Buffer.from(`0${CRLF}${trailers.map((line) => line + CRLF).join('')}${CRLF}`, 'latin1'))
  return Buffer.concat(parts)
}

/** One connection of the client. */
export class RawConnection {
  readonly socket: Socket
  #bytes = Buffer.alloc(0)
  #ended = false
  #wake: (() => void) | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake?.()
    })
    const over = (): void => {
      this.#ended = true
      this.#wake?.()
    }
    socket.on('end', over).on('close', over).on('error', over)
  }

  /** Connects; the connection goes with the scope. */
  static open(scope: Scope, port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      scope.teardown(() => void socket.destroy())
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RawConnection(socket)))
    })
  }

  /** True once the other side closed. */
  get ended(): boolean {
    return this.#ended
  }

  send(bytes: Buffer | string): void {
    this.socket.write(bytes)
  }

  /** The next whole answer. @param method of its request: an answer to HEAD has no body */
  async answer(method = 'POST'): Promise<RawMessage> {
    const interim: string[] = []
    for (;;) {
      const head = await this.#head()
      if (head === null) return { start: '', lines: [], ...NO_BODY, complete: false, interim }
      const status = Number(head.start.split(' ')[1])
      if (status < 200 && status !== 101) {
        interim.push([head.start, ...head.lines].join(CRLF))
        continue
      }
      const bodiless = method === 'HEAD' || status === 204 || status === 304 || status === 101
      return { ...head, ...(bodiless ? { ...NO_BODY, complete: true } : await this.#body(head, true)), interim }
    }
  }

  /** The next whole request, for the server's side; `null` when the connection ended between two. */
  async request(): Promise<RawMessage | null> {
    const head = await this.#head()
    return head === null ? null : { ...head, ...(await this.#body(head, false)), interim: [] }
  }

  /** What came and belongs to no message, once the connection is over. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await this.#more()
    return this.#bytes
  }

  async #head(): Promise<{ readonly start: string; readonly lines: readonly string[] } | null> {
    for (;;) {
      const end = this.#bytes.indexOf(`${CRLF}${CRLF}`)
      if (end !== -1) {
        const [start = '', ...lines] = this.#take(end + 4)
          .toString('latin1', 0, end)
          .split(CRLF)
        return { start, lines }
      }
      if (this.#ended) return null
      await this.#more()
    }
  }

  async #body(head: { readonly lines: readonly string[] }, untilClose: boolean): Promise<Framed> {
    const value = (name: string): string | undefined =>
      pairs(head.lines).find(([key]) => key.toLowerCase() === name)?.[1]
    if (value('transfer-encoding')?.toLowerCase() === 'chunked') return this.#chunkedBody()
    const length = value('content-length')
    if (length !== undefined) {
      while (this.#bytes.length < Number(length) && !this.#ended) await this.#more()
      const body = this.#take(Number(length))
      return { ...NO_BODY, body, complete: body.length === Number(length) }
    }
    if (!untilClose) return { ...NO_BODY, complete: true }
    while (!this.#ended) await this.#more()
    return { ...NO_BODY, body: this.#take(this.#bytes.length), complete: true }
  }

  async #chunkedBody(): Promise<Framed> {
    const parts: Buffer[] = []
    const chunks: number[] = []
    const result = (complete: boolean, trailers: readonly string[] = []): Framed => ({
      body: Buffer.concat(parts),
      chunks,
      trailers,
      complete,
    })
    for (;;) {
      const line = await this.#line()
      if (line === null) return result(false)
      const size = Number.parseInt(line, 16)
      if (size === 0) break
      while (this.#bytes.length < size + 2 && !this.#ended) await this.#more()
      if (this.#bytes.length < size + 2) {
        parts.push(this.#take(Math.min(size, this.#bytes.length)))
        return result(false)
      }
      parts.push(this.#take(size + 2).subarray(0, size))
      chunks.push(size)
    }
    const trailers: string[] = []
    for (;;) {
      const line = await this.#line()
      if (line === null) return result(false, trailers)
      if (line === '') return result(true, trailers)
      trailers.push(line)
    }
  }

  async #line(): Promise<string | null> {
    for (;;) {
      const end = this.#bytes.indexOf(CRLF)
      if (end !== -1) return this.#take(end + 2).toString('latin1', 0, end)
      if (this.#ended) return null
      await this.#more()
    }
  }

  #take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

interface Framed {
  readonly body: Buffer
  readonly chunks: readonly number[] | null
  readonly trailers: readonly string[]
  readonly complete: boolean
}

const NO_BODY = { body: Buffer.alloc(0), chunks: null, trailers: [] } as const

/** Sends bytes on a connection of their own and gives the whole answer. */
export async function exchange(scope: Scope, port: number, bytes: Buffer | string): Promise<RawMessage> {
  const connection = await RawConnection.open(scope, port)
  connection.send(bytes)
  const answer = await connection.answer(bytes.toString('latin1', 0, 5) === 'HEAD ' ? 'HEAD' : 'POST')
  connection.socket.destroy()
  return answer
}

/** A server that answers bytes, and keeps every request as it came. */
export interface RawUpstream {
  readonly port: number
  readonly url: string
  readonly requests: readonly RawMessage[]
  /** Connections that were accepted so far. */
  readonly connections: number
}

/** What is done with a request: bytes written to the connection, in whatever way. */
export type RawHandler = (connection: RawConnection, message: RawMessage) => void

/** Starts a {@link RawUpstream} that goes with the scope. @param handle is told of each request once it is whole */
export async function rawUpstreamFor(scope: Scope, handle: RawHandler): Promise<RawUpstream> {
  const requests: RawMessage[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(async (socket) => {
    connections++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const connection = new RawConnection(socket)
    for (;;) {
      const message = await connection.request()
      if (message === null) break
      requests.push(message)
      handle(connection, message)
    }
    socket.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    requests,
    get connections() {
      return connections
    },
  }
}
