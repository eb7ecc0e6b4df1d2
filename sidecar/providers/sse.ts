/**
 * Cuts a byte stream into server-sent events (WHATWG HTML §9.2). An event's bytes include the blank line that ends it,
 * so that all events put together are the stream again. Lines end with LF or CRLF; a lone CR ends none, as no provider
 * uses it.
 */
import type { EventData, EventSplitter, Framing } from './framing.ts'

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)
const HELD_BYTES_MIN = 1_024

/** Cuts a stream as its chunks come. */
export class SseSplitter implements EventSplitter {
  /** Largest event that is held together, in bytes. */
  readonly #eventBytesMax: number
  /** The beginning of an event that is not complete: the first `#heldBytes` of it, with room to grow. */
  #held: Buffer = NOTHING
  #heldBytes = 0
  /** Bytes of the current line so far, and whether its last one was CR. */
  #lineBytes = 0
  #lastWasCr = false

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax
  }

  /**
   * Takes a chunk and gives the events that it completes.
   * @throws RangeError when an event grows beyond the bound.
   */
  push(chunk: Buffer): readonly Buffer[] {
    const events: Buffer[] = []
    let eventStart = 0
    let at = 0
    for (let lf = chunk.indexOf(LF, at); lf !== -1; lf = chunk.indexOf(LF, at)) {
      const bytes = this.#lineBytes + lf - at
      const endsWithCr = lf > at ? chunk[lf - 1] === CR : this.#lastWasCr
      at = lf + 1
      this.#lineBytes = 0
      this.#lastWasCr = false
      if (bytes === 0 || (bytes === 1 && endsWithCr)) {
        events.push(this.#join(chunk.subarray(eventStart, at)))
        eventStart = at
      }
    }
    if (at < chunk.length) {
      this.#lineBytes += chunk.length - at
      this.#lastWasCr = chunk[chunk.length - 1] === CR
    }
    if (eventStart < chunk.length) this.#hold(chunk.subarray(eventStart))
    return events
  }

  /** What is left when the stream ends: an event without its blank line, or nothing. */
  flush(): Buffer | null {
    if (this.#heldBytes === 0) return null
    return this.#join(Buffer.alloc(0))
  }

  /** Copies, since pieces kept one by one would hold the whole chunks that they were cut from. */
  #hold(rest: Buffer): void {
    const bytes = this.#heldBytes + rest.length
    if (bytes > this.#eventBytesMax) throw new RangeError('a server-sent event exceeds its bound')
    if (bytes > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(bytes, this.#held.length * 2, HELD_BYTES_MIN))
      this.#held.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    rest.copy(this.#held, this.#heldBytes)
    this.#heldBytes = bytes
  }

  #join(tail: Buffer): Buffer {
    if (this.#heldBytes === 0) return tail
    const whole = Buffer.concat([this.#held.subarray(0, this.#heldBytes), tail])
    if (this.#held.length > HELD_BYTES_MIN) this.#held = NOTHING
    this.#heldBytes = 0
    return whole
  }
}

const DATA = Buffer.from('data:')

/** The data of an event, its lines joined by LF; `null` for an event without data (comments, keep-alives). */
export function eventData(event: Buffer): EventData | null {
  const lines: { start: number; end: number }[] = []
  for (let at = 0; at < event.length; ) {
    const lf = event.indexOf(LF, at)
    const next = lf === -1 ? event.length : lf + 1
    let end = lf === -1 ? event.length : lf
    if (end > at && event[end - 1] === CR) end--
    if (
      event[at] === DATA[0] &&
      end - at >= DATA.length &&
      event.compare(DATA, 0, DATA.length, at, at + DATA.length) === 0
    ) {
      const start = at + DATA.length
      lines.push({ start: event[start] === 0x20 && start < end ? start + 1 : start, end })
    }
    at = next
  }
  const [first] = lines
  if (!first) return null
  if (lines.length === 1) return { text: event.toString('utf8', first.start, first.end), span: first }
  return { text: lines.map(({ start, end }) => event.toString('utf8', start, end)).join('\n'), span: null }
}

/** Server-sent events. */
export const SSE: Framing = {
  name: 'sse',
  splitter: (eventBytesMax) => new SseSplitter(eventBytesMax),
  data: eventData,
}
