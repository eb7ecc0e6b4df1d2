/**
 * A conversation that goes on sends again what it has sent before, byte by byte, with new messages at its end. What bodies
 * begin with is kept, as bytes and as what they were parsed to: of the next one only the rest is parsed.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { type ParsedBody, parseBody } from './byte-strings.ts'
import { conversationSpan } from './conversation-span.ts'
import { isRecord, readArray } from './read.ts'
import { type Reading as Kept, keepReading } from './read-messages.ts'

/** How strings were read: `bytes` as byte-strings.ts tells, `text` where escapes stand beside characters beyond ASCII. */
type Reading = 'ascii' | 'bytes' | 'text'

/** What a body begins with: all up to the end of its last message. */
interface Head {
  readonly bytes: Buffer
  /** Bytes of memory that it takes about, parsed values among them. */
  readonly size: number
  readonly isAscii: boolean
  readonly hasEscapes: boolean
  readonly reading: Reading
  /** The member that holds the messages, and where they begin. */
  readonly key: string
  readonly from: number
  readonly messages: readonly unknown[]
  readonly conversation: Conversation
  /** What they were read to. */
  readonly read: Kept
}

/** Stands for a conversation whose head is kept, as long as it is: whoever knows something of its texts keeps it by this. */
export type Conversation = Readonly<Record<never, never>>

/** A body that was parsed; where its head is known, with an empty object in place of all of the head's messages. */
export interface ReadBody extends ParsedBody {
  readonly head: Head | null
}

/** A body as it is. */
export interface WholeBody {
  readonly json: unknown
  readonly byteStrings: boolean
  /** `null` where nothing is kept. */
  readonly conversation: Conversation | null
}

/** The end of a head that was met once: only what comes again is worth keeping. */
interface Mark {
  readonly to: number
  readonly tail: string
}

/** Bytes that heads take: of the body, of the strings it was parsed to, and for each of its values beside strings. */
export const KEPT_BYTES_MAX = 16 * 1_048_576
const VALUE_BYTES = 64
/** Smaller bodies are parsed in no time; larger ones would drive out all others. */
const BODY_BYTES = { least: 16_384, most: KEPT_BYTES_MAX / 8 } as const
/** One head takes at most this part of what all may take. */
const SIZE_SHARE_MAX = 0.25
const HEADS_MAX = 64
const MARKS_MAX = 64
const TAIL_BYTES = 32
const IN_PLACE = '{}'

/** Parses bodies, the heads of which it may know. The heads that were not met for longest are let go. */
export class KeptHeads {
  readonly #bytesMax: number
  /** The last one was met last. */
  readonly #heads: Head[] = []
  readonly #marks: Mark[] = []
  #bytes = 0
  #hits = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Parses a body, which must be UTF-8. `null` if it is not. @throws SyntaxError if it is not JSON */
  parse(body: Buffer): ReadBody | null {
    const head = isKeepable(body) ? this.#find(body) : null
    const read = head === null ? undefined : parseBehind(body, head)
    if (read !== undefined) return read
    const parsed = parseBody(body)
    return parsed && { ...parsed, head: null }
  }

  /** The whole of a body that was found to be sound. Keeps its head if it may come again. */
  whole(body: Buffer, { json, text, byteStrings, head }: ReadBody): WholeBody {
    if (!isRecord(json) || !isKeepable(body)) return { json, byteStrings, conversation: null }
    if (head === null) return { json, byteStrings, conversation: this.#meet(body, json, text, byteStrings) }
    this.#hits++
    const [, ...fresh] = readArray(json[head.key])
    const messages = fresh.length === 0 ? head.messages : [...head.messages, ...fresh]
    const grown = fresh.length === 0 ? null : grow(body, head, json, messages, byteStrings)
    this.#drop(head)
    this.#add(grown ?? head)
    keepReading(messages, head.read)
    return { json: { ...json, [head.key]: messages }, byteStrings, conversation: head.conversation }
  }

  /** For the metrics. */
  stats(): { readonly heads: number; readonly bytes: number; readonly hits: number } {
    return { heads: this.#heads.length, bytes: this.#bytes, hits: this.#hits }
  }

  /** The longest head that a body begins with. */
  #find(body: Buffer): Head | null {
    let found: Head | null = null
    for (const head of this.#heads) {
      const { bytes } = head
      const { length } = bytes
      if (length >= body.length || length <= (found?.bytes.length ?? 0)) continue
      if (body[length >> 1] === bytes[length >> 1] && body.compare(bytes, 0, length, 0, length) === 0) found = head
    }
    return found
  }

  /** A body whose head is not known: keeps it if it goes on from one that was met. */
  #meet(
    body: Buffer,
    json: Readonly<Record<string, unknown>>,
    text: string,
    byteStrings: boolean,
  ): Conversation | null {
    const span = conversationSpan(json, text.length === body.length ? text : body.toString('latin1'))
    if (span === null) return null
    const tailAt = (to: number): string => body.toString('latin1', to - TAIL_BYTES, to)
    const met = this.#marks.findIndex(({ to, tail }) => to <= span.to && tailAt(to) === tail)
    if (met === -1) {
      this.#marks.push({ to: span.to, tail: tailAt(span.to) })
      if (this.#marks.length > MARKS_MAX) this.#marks.shift()
      return null
    }
    this.#marks.splice(met, 1)
    const bytes = body.subarray(0, span.to)
    const hasEscapes = !byteStrings && bytes.includes('\\u')
    const conversation: Conversation = {}
    const reading = readingOf(isAscii(body), byteStrings)
    const messages = readArray(json[span.key])
    this.#add({
      ...span,
      bytes,
      size: sizeOf(bytes),
      isAscii: isAscii(bytes),
      hasEscapes,
      reading,
      messages,
      conversation,
      read: { last: null },
    })
    return conversation
  }

  #drop(head: Head): void {
    const at = this.#heads.indexOf(head)
    if (at === -1) return
    this.#heads.splice(at, 1)
    this.#bytes -= head.size
  }

  #add(head: Head): void {
    if (head.size > this.#bytesMax * SIZE_SHARE_MAX) return
    this.#heads.push(head)
    this.#bytes += head.size
    for (let [oldest] = this.#heads; oldest; [oldest] = this.#heads) {
      if (this.#bytes <= this.#bytesMax && this.#heads.length <= HEADS_MAX) return
      this.#drop(oldest)
    }
  }
}

const isKeepable = ({ length }: Buffer): boolean => length >= BODY_BYTES.least && length <= BODY_BYTES.most

/** Twice the bytes, and so much for each value that a bracket or a comma brings: a list of empty objects takes many times its text. */
function sizeOf(bytes: Buffer): number {
  let values = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === 0x22) at = endOfString(bytes, at + 1)
    else if (byte === 0x2c || byte === 0x5b || byte === 0x7b) values++
  }
  return 2 * bytes.length + VALUE_BYTES * values
}

/** Where a string's closing quote stands; behind everything if there is none. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0x22, from); at !== -1; at = bytes.indexOf(0x22, at + 1)) {
    let slashes = 0
    while (at - slashes > from && bytes[at - slashes - 1] === 0x5c) slashes++
    if (slashes % 2 === 0) return at
  }
  return bytes.length
}

const readingOf = (isAscii: boolean, byteStrings: boolean): Reading =>
  byteStrings ? 'bytes' : isAscii ? 'ascii' : 'text'

/** Parses what stands around a head's messages; `undefined` where they would be read differently in this body. */
function parseBehind(body: Buffer, head: Head): ReadBody | null | undefined {
  const rest = body.subarray(head.bytes.length)
  const isAsciiToo = head.isAscii && isAscii(rest)
  if (!isAsciiToo && !isUtf8(rest)) return null
  const byteStrings = !isAsciiToo && !head.hasEscapes && !rest.includes('\\u')
  const reading = readingOf(isAsciiToo, byteStrings)
  if (reading !== head.reading && !head.isAscii) return undefined
  const text = around(body, head, reading === 'text' ? 'utf8' : 'latin1')
  return { json: JSON.parse(text), text, byteStrings, head }
}

/** A body with one object in place of a head's messages: what follows is behind an object of the same list either way. */
const around = (body: Buffer, { bytes, from }: Head, coding: 'utf8' | 'latin1'): string =>
  body.toString(coding, 0, from) + IN_PLACE + body.toString(coding, bytes.length)

/** The head with the messages that came; `null` if their end is not found. */
function grow(
  body: Buffer,
  head: Head,
  json: Readonly<Record<string, unknown>>,
  messages: readonly unknown[],
  byteStrings: boolean,
): Head | null {
  const span = conversationSpan(json, around(body, head, 'latin1'))
  if (span?.key !== head.key || span.from !== head.from) return null
  const before = head.bytes.length
  const bytes = body.subarray(0, before + span.to - head.from - IN_PLACE.length)
  const added = bytes.subarray(before)
  const isStillAscii = head.isAscii && isAscii(added)
  return {
    ...head,
    bytes,
    size: head.size + sizeOf(added),
    isAscii: isStillAscii,
    hasEscapes: head.hasEscapes || (!byteStrings && added.includes('\\u')),
    reading: readingOf(head.isAscii && isAscii(body.subarray(before)), byteStrings),
    messages,
  }
}
