import type { IncomingMessage } from 'node:http'
import { type Denial, denial, isDenial } from '../exchange.ts'
import type { BufferedBytes } from './buffered-bytes.ts'
import type { HttpClient } from './client.ts'

const NO_BODY = Buffer.alloc(0)
/** How much of a refused body is still read, so that the client hears the refusal instead of a broken connection. */
const DISCARD_BYTES_MAX = 64 * 1024 * 1024

/** The limits on bodies. */
export interface BodyLimits {
  readonly bodyBytesMax: number
  readonly bufferedBytesMax: number
}

/** Reads request bodies whole, within the limits on one and on all that are held at once. */
export class BodyIntake {
  readonly #limits: BodyLimits
  readonly #buffered: BufferedBytes

  /** @param buffered where bodies are counted: those being read and those not released */
  constructor(limits: BodyLimits, buffered: BufferedBytes) {
    this.#limits = limits
    this.#buffered = buffered
  }

  /** A body that was read is needed no more. */
  release(body: Buffer): void {
    this.#buffered.requests -= body.length
  }

  /**
   * The whole body, held until it is released, or why there is none.
   * @param refusal known before the body is read: it is then read and thrown away
   */
  read(
    request: IncomingMessage,
    client: HttpClient,
    refusal: Denial | null,
  ): Buffer | Denial | Promise<Buffer | Denial> {
    const announced = request.headers['content-length']
    if (announced === undefined && request.headers['transfer-encoding'] === undefined) return refusal ?? NO_BODY
    const bytes = Number(announced ?? 0)
    const refused = refusal ?? this.#tooLarge(bytes)
    // A client that asked first has sent nothing; one that sends far too much is not waited for.
    const asksFirst = request.headers.expect !== undefined
    if (refused && (asksFirst || bytes > this.#limits.bodyBytesMax + DISCARD_BYTES_MAX)) return refused
    if (asksFirst) client.welcome()
    return new Promise((resolve) => this.#receive(request, client, refused, resolve))
  }

  #receive(
    request: IncomingMessage,
    client: HttpClient,
    refusedAlready: Denial | null,
    resolve: (outcome: Buffer | Denial) => void,
  ): void {
    const chunks: Buffer[] = []
    let refused = refusedAlready
    let bytes = 0
    let discarded = 0
    let settled = false
    const letGo = (): void => {
      this.#buffered.requests -= bytes
      chunks.length = 0
      bytes = 0
    }
    const settle = (outcome: Buffer | Denial): void => {
      if (settled) return
      settled = true
      if (isDenial(outcome)) letGo()
      resolve(outcome)
    }
    request.on('data', (chunk: Buffer) => {
      if (settled) return
      if (refused) {
        discarded += chunk.length
        if (discarded > DISCARD_BYTES_MAX) settle(refused)
        return
      }
      chunks.push(chunk)
      bytes += chunk.length
      this.#buffered.requests += chunk.length
      refused = this.#tooLarge(bytes)
      if (refused) letGo()
    })
    request.once('end', () =>
      settle(refused ?? (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes))),
    )
    request.once('close', () => {
      if (!request.complete) settle(denial('acc_body_incomplete', 'The request ended before its body was complete.'))
    })
    client.onFault(settle)
  }

  #tooLarge(bytes: number): Denial | null {
    const { bodyBytesMax, bufferedBytesMax } = this.#limits
    if (bytes > bodyBytesMax) {
      return denial('acc_body_too_large', `The request body exceeds ${bodyBytesMax} bytes (ACC_BODY_BYTES_MAX).`)
    }
    if (this.#buffered.full) {
      return denial(
        'acc_overloaded',
        `Bodies held at once exceed ${bufferedBytesMax} bytes (ACC_BUFFERED_BYTES_MAX).`,
        { retryAfterS: 1 },
      )
    }
    return null
  }
}
