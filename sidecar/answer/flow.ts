import type { Transform } from 'node:stream'
import type { Zlib } from 'node:zlib'
import type { ContentCoding } from './coding.ts'

/** Where bytes come from. Each pause is followed by one resume. */
export interface Source {
  pause(): void
  resume(): void
}

/** Where bytes go. */
export interface Sink {
  /** @returns false when there is no room: stop until {@link Sink.onDrain} */
  write(bytes: Buffer): boolean
  /** Called once when there is room again, or when none will be needed. */
  onDrain(listener: () => void): void
}

/** Passes bytes on and holds their source back for as long as the sink has no room. */
export class Pump {
  readonly #sink: Sink
  readonly #source: Source
  #waits = false

  constructor(sink: Sink, source: Source) {
    this.#sink = sink
    this.#source = source
  }

  /** True while the source is held back. */
  get waits(): boolean {
    return this.#waits
  }

  push(bytes: Buffer): void {
    if (this.#sink.write(bytes) || this.#waits) return
    this.#waits = true
    this.#source.pause()
    this.#sink.onDrain(() => {
      this.#waits = false
      this.#source.resume()
    })
  }
}

/** A decoder or an encoder: takes no more than it can turn over, gives no more than is taken. */
class Coder implements Sink {
  protected readonly stream: Transform & Zlib
  #onDrain: (() => void) | null = null

  constructor(stream: Transform & Zlib) {
    this.stream = stream
    const proceed = (): void => {
      const listener = this.#onDrain
      this.#onDrain = null
      listener?.()
    }
    stream.on('drain', proceed).on('close', proceed)
  }

  write(bytes: Buffer): boolean {
    return this.stream.write(bytes)
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener
  }

  /** Frees it at once; what it holds is lost. */
  destroy(): void {
    this.stream.destroy()
  }
}

/** What a {@link Decoder} tells. */
export interface DecoderEvents {
  data(chunk: Buffer): void
  /** All was given out; `whole` is false if what was decoded is not valid or ended too early. */
  end(whole: boolean): void
}

/** Undoes a content coding between a source and its reader. */
export class Decoder extends Coder implements Source {
  constructor(coding: ContentCoding, { data, end }: DecoderEvents) {
    super(coding.decoder())
    this.stream
      .on('data', data)
      .on('end', () => end(true))
      .on('error', () => end(false))
  }

  /** True while it holds bytes that were not given out yet. */
  get behind(): boolean {
    return this.stream.writableLength > 0 || this.stream.readableLength > 0
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  end(): void {
    this.stream.end()
  }
}

/** Applies a content coding in front of a sink. */
export class Encoder extends Coder {
  constructor(coding: ContentCoding, sink: Sink, broken: () => void) {
    super(coding.encoder())
    const pump = new Pump(sink, this.stream)
    this.stream.on('data', (chunk: Buffer) => pump.push(chunk)).on('error', broken)
  }

  /** @param over called when the last byte was given to the sink */
  end(over: () => void): void {
    this.stream.once('end', over)
    this.stream.end()
  }
}
