import type { Code, EventFinding, Outcome } from '@agentcostcontrol/contract'
import { denial } from '../exchange.ts'
import { StreamRestorer } from '../inspect/restore/restore-stream.ts'
import type { StreamReader } from '../providers/provider.ts'
import type { UpstreamFault } from './answer.ts'
import type { StreamAnswerOptions } from './stream.ts'
import { type Filtered, StreamFilter } from './stream-filter.ts'

/** The way that a stream takes to the client once it was read. */
export interface Outlet {
  /** Sends on what may go on. */
  release(bytes: Buffer): void
  /** Ends the client's body. */
  close(): void
  /** Breaks the client's body off behind what was released. */
  break(): void
  /** Ends a stream that must not go on; `terminal` is an error event in the client's format. */
  cut(terminal: Buffer): void
  /** True if the provider may be ahead of what was read. */
  behind(): boolean
  /** False if some of the output passed unread. */
  sawAll(): boolean
  /** The result was told: frees what is held. */
  over(outcome: Outcome): void
}

/** Reads a stream that is not compressed, lets through what may go on, and tells its result once. */
export class StreamReading {
  readonly #options: StreamAnswerOptions
  readonly #outlet: Outlet
  readonly #reader: StreamReader
  readonly #filter: StreamFilter
  /** `null` where nothing of the request is put back. */
  readonly #restorer: StreamRestorer | null
  /** True once a part of the stream has gone to the client. */
  #begun = false
  #over = false

  constructor(options: StreamAnswerOptions, outlet: Outlet) {
    this.#options = options
    this.#outlet = outlet
    const { adapter, request, framing, hidesUsage, inspection } = options
    this.#reader = adapter.openStream(request)
    this.#filter = new StreamFilter(this.#reader, framing, hidesUsage, inspection)
    this.#restorer = inspection?.redacted
      ? new StreamRestorer(inspection.redacted, adapter.openStream(request), framing)
      : null
  }

  /** True once the result was told. */
  get over(): boolean {
    return this.#over
  }

  /** The rest of it cannot be read: what becomes of it is the outlet's, and that nobody saw it is told. */
  isUnreadable(): void {
    if (!this.#over) this.#filter.passUnseen('unreadable')
  }

  /** A piece of the stream. */
  read(chunk: Buffer): void {
    if (!this.#over) this.#pass(this.#filtered(() => this.#filter.push(chunk)))
  }

  /** The stream is complete, and read to its end. */
  ended(): void {
    if (this.#over) return
    this.#pass(this.#filtered(() => this.#filter.flush(), true))
    if (this.#over) return
    this.#outlet.close()
    this.#finish('completed', null, this.#options.status)
  }

  /** The provider broke off: so does the client's connection, as it would without us. */
  broken(code: UpstreamFault): void {
    if (this.#over) return
    for (const bytes of this.#filtered(() => this.#filter.flush(), true).bytes) this.#outlet.release(bytes)
    this.#outlet.break()
    this.#finish('failed', code, this.#options.status)
  }

  /** The client left. */
  abandoned(): void {
    this.#finish('aborted', null, null)
  }

  #filtered(filter: () => Filtered, isOver = false): Filtered {
    try {
      return this.#restored(filter(), isOver)
    } catch (error) {
      const refusal =
        error instanceof RangeError
          ? denial('acc_upstream_cut', 'An event of the stream is too large.')
          : denial('acc_internal', 'The stream could not be read.')
      return { bytes: [], refusal }
    }
  }

  /** Behind the inspection: what is put back is the client's own, and judged no more. */
  #restored({ bytes, refusal }: Filtered, isOver: boolean): Filtered {
    const restorer = this.#restorer
    if (restorer === null) return { bytes, refusal }
    const restored = bytes.flatMap((part) => restorer.push(part))
    if (isOver || refusal) restored.push(...restorer.flush())
    return { bytes: restored.length === 0 ? [] : [Buffer.concat(restored)], refusal }
  }

  #pass({ bytes, refusal }: Filtered): void {
    for (const part of bytes) this.#outlet.release(part)
    if (bytes.length > 0) this.#begun = true
    if (!refusal) return
    const { adapter, upstream, statusOf, status, framing } = this.#options
    upstream.abort()
    this.#outlet.cut(adapter.terminalEvent(refusal, statusOf(refusal.code), framing, this.#begun, this.#reader))
    this.#finish('cut', refusal.code, status)
  }

  #finish(outcome: Outcome, code: Code | null, clientStatus: number | null): void {
    if (this.#over) return
    this.#over = true
    this.#options.finish({
      outcome,
      code,
      clientStatus,
      facts: this.#reader.facts(),
      outputBytes: this.#outlet.sawAll() ? this.#reader.outputBytes() : null,
      readingWasPaused: this.#outlet.behind(),
      endSeen: this.#reader.ended(),
      findings: this.#findings(),
    })
    this.#outlet.over(outcome)
  }

  #findings(): readonly EventFinding[] {
    try {
      this.#filter.conclude()
    } catch {
      // The text has gone on already: what was found before is told all the same.
    }
    return this.#filter.findings
  }
}
