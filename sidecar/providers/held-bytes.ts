const NOTHING = Buffer.alloc(0)
const HELD_BYTES_MIN = 1_024

/** The beginning of an event that is not complete, within a bound. */
export class HeldBytes {
  /** Largest event that is held together, in bytes. */
  readonly #bytesMax: number
  /** The first `#length` bytes of it are held; the rest is room to grow. */
  #bytes: Buffer = NOTHING
  #length = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /**
   * Copies, since pieces kept one by one would hold the whole chunks that they were cut from.
   * @throws RangeError when the event grows beyond the bound
   */
  add(piece: Buffer): void {
    const length = this.#length + piece.length
    if (length > this.#bytesMax) throw new RangeError('an event of a stream exceeds its bound')
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, this.#bytes.length * 2, HELD_BYTES_MIN))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    piece.copy(this.#bytes, this.#length)
    this.#length = length
  }

  /** The event with its last piece; nothing is held any more. */
  complete(tail: Buffer): Buffer {
    if (this.#length === 0) return tail
    const whole = Buffer.concat([this.#bytes.subarray(0, this.#length), tail])
    if (this.#bytes.length > HELD_BYTES_MIN) this.#bytes = NOTHING
    this.#length = 0
    return whole
  }

  /** What is held, which is nothing any more; `null` if nothing was. */
  take(): Buffer | null {
    return this.#length === 0 ? null : this.complete(NOTHING)
  }
}
