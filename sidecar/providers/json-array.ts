/**
 * Cuts a JSON array that is sent element by element into its elements. An event's bytes are one element with all that
 * stands in front of it (the bracket, commas, white space), then what ends the array, so that all events put together
 * are the stream again. A stream that is one object, as an error may be, is one event.
 */
import type { EventData, EventSplitter, Framing } from './framing.ts'
import { HeldBytes } from './held-bytes.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/** Cuts a stream as its chunks come. */
class JsonArraySplitter implements EventSplitter {
  readonly #held: HeldBytes
  #depth = 0
  /** How deep what closes an element leaves the text: in the array, or outside of a stream that is one object. */
  #elementDepth: 0 | 1 | null = null
  #inString = false
  #escaped = false

  constructor(eventBytesMax: number) {
    this.#held = new HeldBytes(eventBytesMax)
  }

  push(chunk: Buffer): readonly Buffer[] {
    const events: Buffer[] = []
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      if (this.#inString) at = this.#skipString(chunk, at)
      else if (this.#closes(chunk[at] ?? 0)) {
        events.push(this.#held.complete(chunk.subarray(from, at + 1)))
        from = at + 1
      }
    }
    if (from < chunk.length) this.#held.add(chunk.subarray(from))
    return events
  }

  flush(): Buffer | null {
    return this.#held.take()
  }

  /** Follows the text outside of strings. @returns true for the byte that closes an element, or the array */
  #closes(byte: number): boolean {
    switch (byte) {
      case QUOTE:
        this.#inString = true
        return false
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        this.#elementDepth ??= byte === OPEN_ARRAY ? 1 : 0
        this.#depth++
        return false
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        this.#depth--
        return this.#depth <= (this.#elementDepth ?? 0)
      default:
        return false
    }
  }

  /** @returns where the string ends, or the last byte of the chunk if it goes on behind it */
  #skipString(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) {
        this.#inString = false
        return at
      }
    }
    return chunk.length - 1
  }
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** The element in an event, a place for changes in it only if it is an object; `null` for what ends the array. */
function elementOf(event: Buffer): EventData | null {
  let start = 0
  while (isSpace(event[start]) || event[start] === COMMA || event[start] === OPEN_ARRAY) start++
  if (start === event.length || event[start] === CLOSE_ARRAY) return null
  const span = event[start] === OPEN_OBJECT ? { start, end: event.length } : null
  return { text: event.toString('utf8', start), span }
}

/** A JSON array of objects, sent one by one. */
export const JSON_ARRAY: Framing = {
  name: 'json-array',
  splitter: (eventBytesMax) => new JsonArraySplitter(eventBytesMax),
  data: elementOf,
}
