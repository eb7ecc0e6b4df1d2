/**
 * Cuts a stream of JSON texts, one a line (https://github.com/ndjson/ndjson-spec). An event's bytes are a line with the
 * LF that ends it, so that all events put together are the stream again. JSON has no line end inside.
 */
import type { EventData, EventSplitter, Framing } from './framing.ts'
import { HeldBytes } from './held-bytes.ts'

const LF = 0x0a

/** Cuts a stream as its chunks come. */
class LineSplitter implements EventSplitter {
  readonly #held: HeldBytes

  constructor(eventBytesMax: number) {
    this.#held = new HeldBytes(eventBytesMax)
  }

  push(chunk: Buffer): readonly Buffer[] {
    const events: Buffer[] = []
    let from = 0
    for (let lf = chunk.indexOf(LF); lf !== -1; lf = chunk.indexOf(LF, from)) {
      events.push(this.#held.complete(chunk.subarray(from, lf + 1)))
      from = lf + 1
    }
    if (from < chunk.length) this.#held.add(chunk.subarray(from))
    return events
  }

  flush(): Buffer | null {
    return this.#held.take()
  }
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === LF || byte === 0x0d || byte === 0x09

/** The JSON text of a line; `null` for an empty one. */
function lineData(event: Buffer): EventData | null {
  let start = 0
  let end = event.length
  while (end > start && isSpace(event[end - 1])) end--
  while (start < end && isSpace(event[start])) start++
  return start === end ? null : { text: event.toString('utf8', start, end), span: { start, end } }
}

/** One JSON text a line. */
export const NDJSON: Framing = {
  name: 'ndjson',
  splitter: (eventBytesMax) => new LineSplitter(eventBytesMax),
  data: lineData,
}
