import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import type { Code } from '@agentcostcontrol/contract'
import type { Reply } from './answer/answer.ts'
import type { Clock, NewId } from './clock.ts'
import type { ListenAddress, SidecarConfig } from './config.ts'
import { renderDenial } from './errors.ts'
import { type ClientLink, type Denial, denial, isDenial, type RawExchange } from './exchange.ts'
import type { Pipeline } from './pipeline.ts'
import { openaiFamily } from './providers/openai/endpoints.ts'

/** The data listener: stage 1, accept, with its limits. */
export interface DataServer {
  readonly address: AddressInfo
  stats(): { readonly inFlight: number; readonly bufferedBytes: number; readonly clientErrors: number }
  /**
   * Refuses new requests, waits for running ones at most `timeoutMs`, then breaks them off.
   * @param breakOff ends the providers' side as well, where an answer would be read to its end without its client
   */
  drain(timeoutMs: number, breakOff?: () => void): Promise<void>
}

/** What stage 1 needs. */
export interface DataServerOptions {
  readonly config: Pick<
    SidecarConfig,
    'bodyBytesMax' | 'bufferedBytesMax' | 'headerBytesMax' | 'concurrencyMax' | 'requestTimeoutMs'
  >
  readonly pipeline: Pipeline
  readonly clock: Clock
  readonly newId: NewId
}

/** An open connection of a client. */
interface Connection {
  /** Exchanges that are not over. */
  running: number
  /** Bytes read when the last exchange was over; with more than that another request is on its way. */
  bytesSeen: number
}

const NO_BODY = Buffer.alloc(0)
/** How much of a refused body is still read, so that the client hears the refusal instead of a broken connection. */
const DISCARD_BYTES_MAX = 64 * 1024 * 1024

/** Starts the data listener. */
export async function startDataServer(listen: ListenAddress, options: DataServerOptions): Promise<DataServer> {
  const { config, pipeline, clock, newId } = options
  let inFlight = 0
  let bufferedBytes = 0
  let clientErrors = 0
  let draining = false
  let drained: (() => void) | null = null
  const connections = new Map<Socket, Connection>()

  const server = createServer({
    maxHeaderSize: config.headerBytesMax,
    requestTimeout: config.requestTimeoutMs,
    headersTimeout: Math.min(config.requestTimeoutMs, 20_000),
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 5_000,
    noDelay: true,
  })
  // Headers beyond this count would be dropped without a word; their bytes are bounded already.
  server.maxHeadersCount = 0
  server.on('request', (request, response) => {
    inFlight++
    const { socket } = request
    const connection = connections.get(socket)
    if (connection) connection.running++
    // An exchange is over when it was handled and its answer has left: a drain must not cut off what is not sent yet.
    let open = 2
    const over = (): void => {
      open--
      if (open > 0) return
      inFlight--
      if (connection) {
        connection.running--
        connection.bytesSeen = socket.bytesRead
        if (draining && connection.running === 0) socket.destroySoon()
      }
      if (inFlight === 0) drained?.()
    }
    response.once('close', over)
    void accept(request, response).finally(over)
  })
  server.on('connection', (socket) => {
    connections.set(socket, { running: 0, bytesSeen: 0 })
    socket.once('close', () => connections.delete(socket))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    clientErrors++
    refuseOnSocket(error, socket, newId())
  })

  async function accept(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const receivedAtMs = clock.nowMs()
    const startedMs = clock.monotonicMs()
    const reply = new HttpReply(response)
    const client = new HttpClientLink(response)
    const body = await readBody(request)
    const raw: RawExchange = {
      id: newId(),
      receivedAtMs,
      startedMs,
      acceptedMs: clock.monotonicMs(),
      method: request.method ?? '',
      target: request.url ?? '/',
      headers: request.rawHeaders,
      body: isDenial(body) ? NO_BODY : body,
      client,
    }
    if (isDenial(body)) {
      response.shouldKeepAlive = false
      pipeline.refuse(raw, reply, body)
      return
    }
    const held = body.length
    try {
      await pipeline.handle(raw, reply)
    } finally {
      bufferedBytes -= held
    }
  }

  function overload(): Denial | null {
    if (draining) return denial('acc_shutting_down', 'The sidecar is shutting down.', { retryAfterS: 1 })
    if (inFlight > config.concurrencyMax) {
      return denial('acc_overloaded', `More than ${config.concurrencyMax} requests at once (ACC_CONCURRENCY_MAX).`, {
        retryAfterS: 1,
      })
    }
    return null
  }

  /** The whole body, counted in `bufferedBytes`, or why there is none. */
  function readBody(request: IncomingMessage): Buffer | Denial | Promise<Buffer | Denial> {
    const announced = request.headers['content-length']
    const refusal = overload()
    if (announced === undefined && request.headers['transfer-encoding'] === undefined) return refusal ?? NO_BODY
    return new Promise((resolve) => {
      const chunks: Buffer[] = []
      let bytes = 0
      let refused = refusal ?? tooLarge(Number(announced ?? 0))
      const settle = (outcome: Buffer | Denial): void => {
        if (isDenial(outcome)) bufferedBytes -= bytes
        request.removeAllListeners('data')
        resolve(outcome)
      }
      if (refused && Number(announced ?? 0) > config.bodyBytesMax + DISCARD_BYTES_MAX) {
        settle(refused)
        return
      }
      let discarded = 0
      request.on('data', (chunk: Buffer) => {
        if (!refused) {
          chunks.push(chunk)
          bytes += chunk.length
          bufferedBytes += chunk.length
          refused = tooLarge(bytes)
          if (refused) chunks.length = 0
        } else {
          discarded += chunk.length
          if (discarded > DISCARD_BYTES_MAX) settle(refused)
        }
      })
      request.once('end', () =>
        settle(refused ?? (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes))),
      )
      request.once('close', () => {
        if (!request.complete) settle(denial('acc_body_incomplete', 'The request ended before its body was complete.'))
      })
    })
  }

  function tooLarge(bytes: number): Denial | null {
    if (bytes > config.bodyBytesMax) {
      return denial('acc_body_too_large', `The request body exceeds ${config.bodyBytesMax} bytes (ACC_BODY_BYTES_MAX).`)
    }
    if (bufferedBytes > config.bufferedBytesMax) {
      return denial(
        'acc_overloaded',
        `Request bodies held at once exceed ${config.bufferedBytesMax} bytes (ACC_BUFFERED_BYTES_MAX).`,
        { retryAfterS: 1 },
      )
    }
    return null
  }

  await listening(server, listen)
  return {
    address: boundAddress(server),
    stats: () => ({ inFlight, bufferedBytes, clientErrors }),
    drain: async (timeoutMs, breakOff) => {
      draining = true
      // The close() of an HTTP server takes a connection for idle whose answer is written and has not left yet.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
      for (const [socket, { running, bytesSeen }] of connections) {
        if (running === 0 && socket.bytesRead === bytesSeen) socket.destroy()
      }
      if (inFlight > 0) {
        const idle = new Promise<void>((resolve) => {
          drained = resolve
        })
        const timer = setTimeout(() => {
          server.closeAllConnections()
          breakOff?.()
        }, timeoutMs)
        await idle
        clearTimeout(timer)
      }
      server.closeAllConnections()
      await closed
    },
  }
}

/** Binds a server. @throws with a message that names the address, if it is taken or not allowed */
export function listening(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Where a server listens. */
export function boundAddress(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on TCP')
  return address
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [Code, string]>> = {
  HPE_HEADER_OVERFLOW: ['acc_headers_too_large', 'The request headers are too large (ACC_HEADER_BYTES_MAX).'],
  ERR_HTTP_REQUEST_TIMEOUT: ['acc_request_timeout', 'The request did not arrive in time (ACC_REQUEST_TIMEOUT_MS).'],
}

/** Answers what was not even HTTP enough to become a request. */
function refuseOnSocket(error: NodeJS.ErrnoException, socket: Socket, id: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, message] = CLIENT_ERRORS[error.code ?? ''] ?? [
    'acc_header_invalid',
    'The request is not valid HTTP/1.1.',
  ]
  // What was asked is not known: OpenAI's is the format that most clients read.
  const answer = renderDenial(denial(code, message), id, openaiFamily.errors)
  const lines = [`HTTP/1.1 ${answer.status} ${code}`, 'connection: close']
  for (let at = 0; at + 1 < answer.headers.length; at += 2)
    lines.push(`${answer.headers[at]}: ${answer.headers[at + 1]}`)
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), answer.body]))
}

/** How long a client whose answer broke off may take to read what was sent before. */
const LINGER_MS = 10_000

class HttpReply implements Reply {
  readonly #response: ServerResponse
  #started = false
  #broken = false

  constructor(response: ServerResponse) {
    this.#response = response
    response.sendDate = false
    // A broken connection is told by 'close'; without a listener its error would end the process.
    response.on('error', () => {})
  }

  get headSent(): boolean {
    return this.#response.headersSent
  }

  head(status: number, statusMessage: string, headers: readonly string[]): void {
    if (this.#response.headersSent || this.#response.destroyed) return
    if (statusMessage === '') this.#response.writeHead(status, [...headers])
    else this.#response.writeHead(status, statusMessage, [...headers])
    // The first bytes usually come in the same turn and go out in the same packet.
    queueMicrotask(() => {
      if (!this.#started && !this.#response.destroyed) this.#response.flushHeaders()
    })
  }

  write(bytes: Buffer): boolean {
    if (this.#broken || this.#response.destroyed) return true
    this.#started = true
    return this.#response.write(bytes)
  }

  onDrain(listener: () => void): void {
    if (this.#broken || this.#response.destroyed) {
      listener()
      return
    }
    // A client that left drains no more: whoever waits goes on, to notice it or to read the rest for the bill.
    const response = this.#response
    const once = (): void => {
      response.off('drain', once).off('close', once)
      listener()
    }
    response.once('drain', once).once('close', once)
  }

  end(bytes?: Buffer): void {
    if (this.#broken || this.#response.destroyed) return
    this.#started = true
    this.#response.end(bytes)
  }

  destroy(): void {
    const { socket, headersSent } = this.#response
    this.#broken = true
    if (!socket || !headersSent) {
      this.#response.destroy()
      return
    }
    // What was written in this turn is still held back (corked): it goes out before the connection is closed.
    socket.setTimeout(LINGER_MS, () => socket.destroy())
    socket.destroySoon()
  }
}

class HttpClientLink implements ClientLink {
  #gone = false
  #listener: (() => void) | null = null
  #abort: AbortController | null = null

  constructor(response: ServerResponse) {
    response.once('close', () => {
      const listener = this.#listener
      // Let go of the attempt: one exchange that reaches the old generation would keep all behind it from a scavenge.
      this.#listener = null
      if (response.writableEnded) return
      this.#gone = true
      this.#abort?.abort()
      listener?.()
    })
  }

  get gone(): boolean {
    return this.#gone
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#gone) this.#abort.abort()
    return this.#abort.signal
  }

  onGone(listener: () => void): void {
    this.#listener = listener
    if (this.#gone) listener()
  }
}
