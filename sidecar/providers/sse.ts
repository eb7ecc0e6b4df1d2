/**
 * Cuts a byte stream into server-sent events (WHATWG HTML §9.2). An event's bytes include the blank line that ends it,
 * so that all events put together are the stream again. Lines end with LF or CRLF; a lone CR ends none, as no provider
 * uses it.
 */
import type { EventData, EventSplitter, Framing } from './framing.ts'
import { HeldBytes } from './held-bytes.ts'

const LF = 0x0a
const CR = 0x0d

/** Cuts a stream as its chunks come. */
export class SseSplitter implements EventSplitter {
  /** The beginning of an event that is not complete. */
  readonly #held: HeldBytes
  /** Bytes of the current line so far, and whether its last one was CR. */
  #lineBytes = 0
  #lastWasCr = false

  constructor(eventBytesMax: number) {
    this.#held = new HeldBytes(eventBytesMax)
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
        events.push(this.#held.complete(chunk.subarray(eventStart, at)))
        eventStart = at
      }
    }
    if (at < chunk.length) {
      this.#lineBytes += chunk.length - at
      this.#lastWasCr = chunk[chunk.length - 1] === CR
    }
    if (eventStart < chunk.length) this.#held.add(chunk.subarray(eventStart))
    return events
  }

  /** What is left when the stream ends: an event without its blank line, or nothing. */
  flush(): Buffer | null {
    return this.#held.take()
  }
}

interface Line {
  readonly start: number
  readonly end: number
}

/** The data of an event, its lines joined by LF; `null` for an event without data (comments, keep-alives). */
export function eventData(event: Buffer): EventData | null {
  let first: Line | null = null
  let further: Line[] | null = null
  for (let at = 0; at < event.length; ) {
    const lf = event.indexOf(LF, at)
    const next = lf === -1 ? event.length : lf + 1
    let end = lf === -1 ? event.length : lf
    if (end > at && event[end - 1] === CR) end--
    if (isData(event, at, end)) {
      const start = at + DATA_CHARS
      const line = { start: event[start] === 0x20 && start < end ? start + 1 : start, end }
      if (first === null) first = line
      else {
        further ??= []
        further.push(line)
      }
    }
    at = next
  }
  if (first === null) return null
  if (further === null) return { text: event.toString('utf8', first.start, first.end), span: first }
  return {
    text: [first, ...further].map(({ start, end }) => event.toString('utf8', start, end)).join('\n'),
    span: null,
  }
}

const DATA_CHARS = 5

/** Whether a line begins with `data:`. */
const isData = (event: Buffer, at: number, end: number): boolean =>
  end - at >= DATA_CHARS &&
  event[at] === 0x64 &&
  event[at + 1] === 0x61 &&
  event[at + 2] === 0x74 &&
  event[at + 3] === 0x61 &&
  event[at + 4] === 0x3a

/** Server-sent events. */
export const SSE: Framing = {
  name: 'sse',
  splitter: (eventBytesMax) => new SseSplitter(eventBytesMax),
  data: eventData,
}
