/** What is held in memory of all exchanges at once: request bodies, and answers that are read before they go on. */
export class BufferedBytes {
  /** Bytes of request bodies. */
  requests = 0
  /** Bytes of answers. */
  answers = 0
  readonly #bytesMax: number

  /** @param bytesMax of both together */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Nothing more is to be taken. */
  get full(): boolean {
    return this.requests + this.answers > this.#bytesMax
  }
}
