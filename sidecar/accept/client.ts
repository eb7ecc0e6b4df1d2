import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Reply } from '../answer/answer.ts'
import type { ClientLink, Denial } from '../exchange.ts'
import type { BufferedBytes } from './buffered-bytes.ts'

/** The client's half of one exchange: what is sent to it, and whether it is still there. */
export class HttpClient implements Reply, ClientLink {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #buffered: BufferedBytes
  #heldBytes = 0
  #started = false
  /** True once nothing more is written: the connection broke, or was answered past this response. */
  #closed = false
  #gone = false
  #drain: (() => void) | null = null
  #onGone: (() => void) | null = null
  #onFault: ((refusal: Denial) => void) | null = null
  #onClosed: (() => void) | null = null
  #abort: AbortController | null = null

  /** @param buffered where what is held of its answer is counted */
  constructor(request: IncomingMessage, response: ServerResponse, buffered: BufferedBytes) {
    this.#buffered = buffered
    this.#request = request
    this.#response = response
    response.sendDate = false
    // A broken connection is told by 'close'; without a listener its error would end the process.
    response.on('error', () => {})
    response.once('close', () => this.#close())
  }

  // Reply

  get headSent(): boolean {
    return this.#response.headersSent
  }

  head(status: number, statusMessage: string | null, headers: readonly string[]): void {
    const response = this.#response
    if (response.headersSent || this.#closed) return
    response.writeHead(status, statusMessage ?? STATUS_CODES[status] ?? '', [...headers])
    // The first bytes usually come in the same turn and go out in the same packet.
    queueMicrotask(() => {
      if (!this.#started && !this.#closed) response.flushHeaders()
    })
  }

  hold(bytes: number): boolean {
    this.#heldBytes += bytes
    this.#buffered.answers += bytes
    return !this.#buffered.full
  }

  write(bytes: Buffer): boolean {
    if (this.#closed) return true
    this.#started = true
    return this.#response.write(bytes)
  }

  onDrain(listener: () => void): void {
    if (this.#closed) {
      listener()
      return
    }
    if (this.#drain === null) this.#response.once('drain', () => this.#proceed())
    this.#drain = listener
  }

  end(bytes?: Buffer): void {
    if (this.#closed) return
    this.#started = true
    this.#response.end(bytes)
  }

  destroy(): void {
    if (this.#closed) return
    const response = this.#response
    // What was written before the break still arrives, as it would have without us.
    if (response.headersSent && response.socket) {
      if (!this.#started) response.flushHeaders()
      response.socket.destroySoon()
    } else response.destroy()
    this.#closed = true
    this.#proceed()
  }

  // ClientLink

  get gone(): boolean {
    return this.#gone
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#gone) this.#abort.abort()
    return this.#abort.signal
  }

  onGone(listener: () => void): void {
    this.#onGone = listener
    if (this.#gone) listener()
  }

  // For the listener

  /** True once the request arrived whole: what is wrong on the connection after that is not its fault. */
  get received(): boolean {
    return this.#request.complete
  }

  /** Tells a client that asked first to send its body. */
  welcome(): void {
    this.#response.writeContinue()
  }

  /** Nothing that comes behind this request on its connection is served. */
  closeAfter(): void {
    this.#response.shouldKeepAlive = false
  }

  /** True while bytes wait for the client to take them. */
  get owes(): boolean {
    return this.#response.writableLength > 0
  }

  /** Breaks off with a client that takes nothing any more. */
  drop(): void {
    this.#response.destroy()
  }

  /** Told when the request broke off in a way that was answered on the connection itself. */
  onFault(listener: (refusal: Denial) => void): void {
    this.#onFault = listener
  }

  /** The connection was answered past this response: nothing more is written to it. */
  fault(refusal: Denial): void {
    this.#closed = true
    this.#onFault?.(refusal)
  }

  /** The exchange is over: nothing of its answer is held any more. */
  release(): void {
    this.#buffered.answers -= this.#heldBytes
    this.#heldBytes = 0
  }

  /** Called once when everything was handed to the operating system, or the connection broke. */
  onClosed(listener: () => void): void {
    if (this.#response.closed) listener()
    else this.#onClosed = listener
  }

  #close(): void {
    const [onGone, onClosed] = [this.#onGone, this.#onClosed]
    // Let go of the attempt: one exchange that reaches the old generation would keep all behind it from a scavenge.
    this.#onGone = null
    this.#onFault = null
    this.#onClosed = null
    this.#closed = true
    if (!this.#response.writableEnded) {
      this.#gone = true
      this.#abort?.abort()
      onGone?.()
    }
    // Who waits for room waits no longer: bytes for a client that left are dropped.
    this.#proceed()
    onClosed?.()
  }

  #proceed(): void {
    const listener = this.#drain
    this.#drain = null
    listener?.()
  }
}
