import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { REPORT_BYTES_MAX } from '@agentcostcontrol/contract'
import { BodyIntake } from './accept/body.ts'
import { BufferedBytes } from './accept/buffered-bytes.ts'
import { HttpClient } from './accept/client.ts'
import { CONNECT_REFUSAL, parserRefusal, refuseOnSocket, requestFault } from './accept/refusal.ts'
import { isLocal, type LocalApi } from './agents/local-api.ts'
import type { Clock, NewId } from './clock.ts'
import type { ListenAddress, SidecarConfig } from './config.ts'
import { type Denial, denial, isDenial, type RawExchange } from './exchange.ts'
import type { Pipeline } from './pipeline.ts'
import { turnsEnd } from './turn.ts'

/** The data listener: stage 1, accept, with its limits. */
export interface DataServer {
  readonly address: AddressInfo
  stats(): {
    readonly inFlight: number
    readonly connections: number
    readonly refusedConnections: number
    readonly bufferedRequestBytes: number
    readonly bufferedAnswerBytes: number
    readonly clientErrors: number
  }
  /**
   * Refuses new requests, waits for running ones at most `timeoutMs`, then breaks them off.
   * @param breakOff ends the providers' side as well, where an answer would be read to its end without its client
   */
  drain(timeoutMs: number, breakOff?: () => void): Promise<void>
  /** Ends every connection now. */
  breakOff(): void
}

/** What stage 1 needs. */
export interface DataServerOptions {
  readonly config: Pick<
    SidecarConfig,
    | 'bodyBytesMax'
    | 'bufferedBytesMax'
    | 'headerBytesMax'
    | 'concurrencyMax'
    | 'connectionsMax'
    | 'requestTimeoutMs'
    | 'clientStallTimeoutMs'
  >
  readonly pipeline: Pipeline
  /** Answers the paths that are the sidecar's own. */
  readonly local: LocalApi
  readonly clock: Clock
  readonly newId: NewId
  /** Told of what should not happen. */
  onInternalError(error: unknown): void
}

/** An open connection of a client. */
interface Connection {
  /** Exchanges that are not over, those behind it in the pipeline among them. */
  running: number
  /** Bytes read when the last exchange was over; with more than that another request is on its way. */
  bytesSeen: number
  /** Who is being answered. */
  client: HttpClient | null
  /** One too many: its first request is refused, and is its last. */
  readonly surplus: boolean
}

/** So many connections beyond the limit are told so, if they ask within a second; more are closed at once. */
const TOLD_CONNECTIONS_MAX = 128
const TOLD_WITHIN_MS = 1_000

const NO_BODY = Buffer.alloc(0)

/** Starts the data listener. */
export async function startDataServer(listen: ListenAddress, options: DataServerOptions): Promise<DataServer> {
  const { config, pipeline, local, clock, newId, onInternalError } = options
  const buffered = new BufferedBytes(config.bufferedBytesMax)
  const bodies = new BodyIntake(config, buffered)
  const reports = new BodyIntake({ ...config, bodyBytesMax: REPORT_BYTES_MAX }, buffered)
  const connections = new Map<Socket, Connection>()
  let inFlight = 0
  let clientErrors = 0
  let refusedConnections = 0
  let draining = false
  let drained: (() => void) | null = null

  const server = createServer({
    maxHeaderSize: config.headerBytesMax,
    requestTimeout: config.requestTimeoutMs,
    headersTimeout: Math.min(config.requestTimeoutMs, 20_000),
    connectionsCheckingInterval: Math.min(5_000, Math.ceil(config.requestTimeoutMs / 4)),
    keepAliveTimeout: 65_000,
    noDelay: true,
    // Refused with a reason by requestFault.
    requireHostHeader: false,
  })
  // Headers beyond this count would be dropped without a word; their bytes are bounded already.
  server.maxHeadersCount = 0
  server.on('connection', (socket) => {
    const surplus = connections.size >= config.connectionsMax
    if (surplus) refusedConnections++
    if (connections.size >= config.connectionsMax + TOLD_CONNECTIONS_MAX) {
      socket.destroy()
      return
    }
    const connection: Connection = { running: 0, bytesSeen: 0, client: null, surplus }
    connections.set(socket, connection)
    socket.once('close', () => connections.delete(socket))
    if (surplus) closeUnlessItAsks(socket, connection)
  })
  server.on('request', inTurn)
  server.on('checkContinue', inTurn)
  server.on('checkExpectation', inTurn)
  server.on('connect', (_request, socket) => {
    clientErrors++
    refuseOnSocket(socket, CONNECT_REFUSAL, newId(clock.nowMs()))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const client = connections.get(socket)?.client
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    // What comes behind a whole request does not spoil its answer.
    if (client?.received) {
      client.closeAfter()
      return
    }
    if (!client) clientErrors++
    const refusal = parserRefusal(error)
    refuseOnSocket(socket, refusal, newId(clock.nowMs()))
    // Who closed its side is gone in a moment; who did not was answered, and its exchange ends with that.
    if (refusal.code !== 'acc_body_incomplete') client?.fault(refusal)
  })
  server.setTimeout(config.clientStallTimeoutMs, (socket) => {
    const client = connections.get(socket)?.client
    if (!client) socket.destroy()
    else if (client.owes) client.drop()
    // Otherwise it is the provider that is waited for, which has a time limit of its own.
  })

  /**
   * Pipelined requests wait for their turn: the answers have to be in order anyway, and of a connection that breaks
   * nothing has been begun that nobody would be told of.
   */
  function inTurn(request: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(request.socket)
    if (!connection) return
    connection.running++
    if (response.socket === null) response.once('socket', () => begin(request, response, connection))
    else begin(request, response, connection)
  }

  function begin(request: IncomingMessage, response: ServerResponse, connection: Connection): void {
    const client = new HttpClient(request, response, buffered)
    connection.client = client
    inFlight++
    // An exchange is over when it was handled and its answer has left: a drain must not cut off what is not sent yet.
    let open = 2
    const over = (): void => {
      open--
      if (open > 0) return
      client.release()
      leave(request.socket, connection)
    }
    client.onClosed(() => {
      if (connection.client === client) connection.client = null
      over()
    })
    const accepted = isLocal(request.url ?? '') ? acceptLocal : accept
    accepted(request, client, connection)
      .catch((error: unknown) => {
        onInternalError(error)
        client.drop()
      })
      .finally(over)
  }

  function leave(socket: Socket, connection: Connection): void {
    inFlight--
    connection.running--
    connection.bytesSeen = socket.bytesRead
    if (draining && connection.running === 0) socket.destroySoon()
    if (inFlight === 0) drained?.()
  }

  async function accept(request: IncomingMessage, client: HttpClient, connection: Connection): Promise<void> {
    const receivedAtMs = clock.nowMs()
    const startedMs = clock.monotonicMs()
    const body = await bodies.read(request, client, requestFault(request) ?? overload(connection))
    const raw: RawExchange = {
      id: newId(receivedAtMs),
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
      client.closeAfter()
      pipeline.refuse(raw, client, body)
      return
    }
    try {
      await turnsEnd()
      await pipeline.handle(raw, client)
    } finally {
      bodies.release(body)
    }
  }

  async function acceptLocal(request: IncomingMessage, client: HttpClient, connection: Connection): Promise<void> {
    const { method = '', url: target = '', rawHeaders: headers } = request
    const body = await reports.read(request, client, requestFault(request) ?? overload(connection))
    if (isDenial(body)) client.closeAfter()
    else reports.release(body)
    const answer = local({ method, target, headers, body })
    client.head(answer.status, null, answer.headers)
    client.end(answer.body)
  }

  function overload({ surplus }: Connection): Denial | null {
    if (surplus) {
      return denial('acc_overloaded', `More than ${config.connectionsMax} connections at once (ACC_CONNECTIONS_MAX).`, {
        retryAfterS: 1,
      })
    }
    if (draining) return denial('acc_shutting_down', 'The sidecar is shutting down.', { retryAfterS: 1 })
    if (inFlight > config.concurrencyMax) {
      return denial('acc_overloaded', `More than ${config.concurrencyMax} requests at once (ACC_CONCURRENCY_MAX).`, {
        retryAfterS: 1,
      })
    }
    return null
  }

  function closeUnlessItAsks(socket: Socket, connection: Connection): void {
    const timer = setTimeout(() => {
      if (connection.running === 0) socket.destroy()
    }, TOLD_WITHIN_MS)
    socket.once('close', () => clearTimeout(timer))
  }

  function breakAll(): void {
    for (const socket of connections.keys()) socket.destroy()
  }

  await listening(server, listen)
  return {
    address: boundAddress(server),
    stats: () => ({
      inFlight,
      connections: connections.size,
      refusedConnections,
      bufferedRequestBytes: buffered.requests,
      bufferedAnswerBytes: buffered.answers,
      clientErrors,
    }),
    breakOff: breakAll,
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
          breakAll()
          breakOff?.()
        }, timeoutMs)
        await idle
        clearTimeout(timer)
      }
      breakAll()
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
