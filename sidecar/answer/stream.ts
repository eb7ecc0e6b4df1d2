import type { Code, Outcome } from '@agentcostcontrol/contract'
import { denial } from '../exchange.ts'
import type { Framing } from '../providers/framing.ts'
import type { ProviderAdapter, StreamReader } from '../providers/provider.ts'
import type { Answer, Finish, Reply, Upstream, UpstreamFault } from './answer.ts'
import type { ContentCoding } from './coding.ts'
import type { AnswerInspection } from './inspection.ts'
import { type Filtered, StreamFilter } from './stream-filter.ts'

/** What a streamed answer needs. */
export interface StreamAnswerOptions {
  readonly reply: Reply
  readonly upstream: Upstream
  readonly finish: Finish
  readonly adapter: ProviderAdapter
  readonly inspection: AnswerInspection | null
  readonly coding: ContentCoding | 'identity'
  readonly framing: Framing
  readonly hidesUsage: boolean
  readonly status: number
  /** HTTP status that a cut is classed as, for the error inside the stream. */
  statusOf(code: Code): number
}

/** Passes a stream on, event by event. */
export function openStreamAnswer(options: StreamAnswerOptions): Answer {
  const { coding, inspection } = options
  if (coding === 'identity') return new StreamAnswer(options, null, null)
  // A compressed stream that nothing is taken out of goes on as the bytes it came in; a copy is read.
  const changes = options.hidesUsage || inspection?.security.holdsResponses === true
  return new StreamAnswer(options, coding, changes ? coding : null)
}

class StreamAnswer implements Answer {
  readonly #options: StreamAnswerOptions
  readonly #reader: StreamReader
  readonly #filter: StreamFilter
  readonly #decoder: ReturnType<ContentCoding['decoder']> | null
  readonly #encoder: ReturnType<ContentCoding['encoder']> | null
  /** True while compressed bytes are passed on untouched. */
  readonly #copies: boolean
  #paused = false
  #over = false

  constructor(options: StreamAnswerOptions, decode: ContentCoding | null, encode: ContentCoding | null) {
    this.#options = options
    this.#reader = options.adapter.openStream()
    this.#filter = new StreamFilter(this.#reader, options.framing, options.hidesUsage, options.inspection)
    this.#decoder = decode?.decoder() ?? null
    this.#encoder = encode?.encoder() ?? null
    this.#copies = decode !== null && encode === null
    this.#decoder?.on('data', (chunk: Buffer) => this.#take(chunk)).on('error', () => this.#broken('acc_upstream_cut'))
    this.#decoder?.on('end', () => this.#ended())
    this.#encoder?.on('data', (chunk: Buffer) => this.#send(chunk)).on('end', () => options.reply.end())
  }

  data(chunk: Buffer): void {
    if (this.#over) return
    if (this.#copies) this.#send(chunk)
    if (this.#decoder) this.#decoder.write(chunk)
    else this.#take(chunk)
  }

  end(): void {
    if (this.#over) return
    if (this.#decoder) this.#decoder.end()
    else this.#ended()
  }

  fail(code: UpstreamFault): void {
    if (this.#over) return
    // What is still being decoded goes out first; it comes in the turn behind the flush.
    if (this.#decoder) this.#decoder.flush(() => setImmediate(() => this.#broken(code)))
    else this.#broken(code)
  }

  abandon(): void {
    this.#finish('aborted', null, null)
  }

  #take(chunk: Buffer): void {
    if (this.#over) return
    let filtered: Filtered
    try {
      filtered = this.#filter.push(chunk)
    } catch {
      this.#cut({ bytes: [], refusal: denial('acc_upstream_cut', 'An event of the stream is too large.') })
      return
    }
    this.#emit(filtered)
  }

  #emit(filtered: Filtered): void {
    if (filtered.refusal) {
      this.#cut(filtered)
      return
    }
    if (this.#copies) return
    for (const bytes of filtered.bytes) this.#encoder ? this.#encoder.write(bytes) : this.#send(bytes)
  }

  #send(bytes: Buffer): void {
    const { reply, upstream } = this.#options
    if (reply.write(bytes) || this.#paused) return
    this.#paused = true
    upstream.pause()
    this.#decoder?.pause()
    reply.onDrain(() => {
      this.#paused = false
      this.#decoder?.resume()
      upstream.resume()
    })
  }

  #ended(): void {
    if (this.#over) return
    const last = this.#filter.flush()
    this.#emit(last)
    if (this.#over) return
    this.#close()
    this.#finish('completed', null, this.#options.status)
  }

  /** Ends the stream in the client's format: a proper error event, then the end of the body. */
  #cut({ bytes, refusal }: Filtered): void {
    if (!refusal) return
    const { adapter, upstream, statusOf, status, framing } = this.#options
    upstream.abort()
    if (!this.#copies) {
      for (const part of [...bytes, adapter.terminalEvent(refusal, statusOf(refusal.code), framing)]) {
        if (this.#encoder) this.#encoder.write(part)
        else this.#options.reply.write(part)
      }
      this.#close()
    } else this.#options.reply.destroy()
    this.#finish('cut', refusal.code, status)
  }

  #close(): void {
    if (this.#encoder) this.#encoder.end()
    else this.#options.reply.end()
  }

  /** The provider broke off: so does the client's connection, as it would without us. */
  #broken(code: UpstreamFault): void {
    if (this.#over) return
    const { reply, status } = this.#options
    if (!this.#copies) for (const bytes of this.#filter.flush().bytes) (this.#encoder ?? reply).write(bytes)
    // What the encoder holds comes out in the turn behind its flush.
    if (this.#encoder) this.#encoder.flush(() => setImmediate(() => reply.destroy()))
    else reply.destroy()
    this.#finish('failed', code, status)
  }

  #finish(outcome: Outcome, code: Code | null, clientStatus: number | null): void {
    if (this.#over) return
    this.#over = true
    this.#options.finish({
      outcome,
      code,
      clientStatus,
      facts: this.#reader.facts(),
      outputBytes: this.#reader.outputBytes(),
      readingWasPaused: this.#paused,
      endSeen: this.#reader.ended(),
      findings: this.#filter.findings,
    })
  }
}
