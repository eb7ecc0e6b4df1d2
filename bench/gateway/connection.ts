/** A client's connection that costs as little as Node allows: one write a request, a parser that reads only what it must. */
import { connect, type Socket } from 'node:net'

/** What is told about an answer while it arrives. Bytes are valid only during the call. */
export interface AnswerReader {
  /** Bytes of the body, without framing. */
  onBody(bytes: Buffer): void
  /** The answer is complete as its framing says. */
  onEnd(): void
  /** The status was not 200, the framing was broken, or the connection ended too early. The connection is unusable. */
  onError(error: Error): void
}

type Step = 'idle' | 'head' | 'length' | 'chunkSize' | 'chunkData' | 'chunkEnd' | 'trailer'

const CRLF_BYTES = 2

/** One keep-alive connection, one request at a time. Reads HTTP/1.1 with a content length or in chunks, and nothing else. */
export class Connection {
  readonly #socket: Socket
  #step: Step = 'idle'
  #bodyLeft = 0
  #partial: Buffer | null = null
  #reader: AnswerReader | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
  }

  /** Connects to a port of 127.0.0.1. */
  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const holder: { connection: Connection | null } = { connection: null }
      const socket = connect({
        host: '127.0.0.1',
        port,
        onread: {
          buffer: Buffer.allocUnsafe(64 * 1024),
          callback: (count, bytes) => {
            holder.connection?.feed(Buffer.from(bytes.buffer, bytes.byteOffset, count))
            return true
          },
        },
      })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        const connection = new Connection(socket)
        holder.connection = connection
        socket.on('error', (error) => connection.fail(error))
        socket.on('close', () => connection.fail(new Error('the connection was closed before the answer was complete')))
        resolve(connection)
      })
    })
  }

  /** Sends one request; the bytes must not change until its answer is complete. */
  send(request: Buffer, reader: AnswerReader): void {
    this.#reader = reader
    this.#step = 'head'
    this.#partial = null
    this.#socket.write(request)
  }

  close(): void {
    this.#reader = null
    this.#socket.destroy()
  }

  fail(error: Error): void {
    const reader = this.#reader
    this.#reader = null
    this.#socket.destroy()
    reader?.onError(error)
  }

  feed(incoming: Buffer): void {
    let bytes = incoming
    if (this.#partial !== null) {
      bytes = Buffer.concat([this.#partial, incoming])
      this.#partial = null
    }
    let at = 0
    while (at < bytes.length && this.#reader !== null) {
      const next = this.#advance(bytes, at)
      if (next === -1) {
        // The read buffer is used again, so what is kept must be a copy.
        this.#partial = Buffer.from(bytes.subarray(at))
        return
      }
      at = next
    }
  }

  /** Reads one piece from `at`; answers where the next begins, or -1 if more bytes are needed first. */
  #advance(bytes: Buffer, at: number): number {
    switch (this.#step) {
      case 'head':
        return this.#readHead(bytes, at)
      case 'length':
      case 'chunkData':
        return this.#readBody(bytes, at)
      case 'chunkSize':
        return this.#readChunkSize(bytes, at)
      case 'chunkEnd':
        if (bytes.length - at < CRLF_BYTES) return -1
        this.#step = 'chunkSize'
        return at + CRLF_BYTES
      case 'trailer': {
        const end = bytes.indexOf('\r\n', at)
        if (end === -1) return -1
        if (end === at) this.#end()
        return end + CRLF_BYTES
      }
      case 'idle':
        this.fail(new Error('bytes arrived that nobody asked for'))
        return bytes.length
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end === -1) return -1
    const head = bytes.toString('latin1', at, end).toLowerCase()
    if (!head.startsWith('http/1.1 200')) {
      this.fail(new Error(`expected status 200: ${bytes.toString('latin1', at, Math.min(bytes.length, at + 600))}`))
      return bytes.length
    }
    const length = /\r\ncontent-length: *(\d+)/.exec(head)
    if (length !== null) {
      this.#bodyLeft = Number(length[1])
      this.#step = 'length'
      if (this.#bodyLeft === 0) this.#end()
    } else if (head.includes('\r\ntransfer-encoding: chunked')) {
      this.#step = 'chunkSize'
    } else {
      this.fail(new Error('an answer without a length'))
    }
    return end + 4
  }

  #readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#bodyLeft)
    this.#bodyLeft -= end - at
    this.#reader?.onBody(bytes.subarray(at, end))
    if (this.#bodyLeft === 0) {
      if (this.#step === 'length') this.#end()
      else this.#step = 'chunkEnd'
    }
    return end
  }

  #readChunkSize(bytes: Buffer, at: number): number {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return -1
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16)
    if (Number.isNaN(size)) {
      this.fail(new Error('a chunk without a size'))
      return bytes.length
    }
    this.#bodyLeft = size
    this.#step = size === 0 ? 'trailer' : 'chunkData'
    return end + CRLF_BYTES
  }

  #end(): void {
    const reader = this.#reader
    this.#reader = null
    this.#step = 'idle'
    reader?.onEnd()
  }
}
