/**
 * A conversation that goes on sends again what it has sent before, byte by byte, with new messages at its end. What bodies
 * begin with is kept, as bytes and as what they were parsed to: of the next one only the rest is parsed.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { type ParsedBody, parseBody } from './byte-strings.ts'
import { conversationSpan } from './conversation-span.ts'
import { firstBytes, sizeOf } from './kept-size.ts'
import { isRecord, readArray } from './read.ts'
import { type Reading as Kept, keepReading } from './read-messages.ts'

/** How strings were read: `bytes` as byte-strings.ts tells, `text` where escapes stand beside characters beyond ASCII. */
type Reading = 'ascii' | 'bytes' | 'text'

/** What a body begins with: all up to the end of its last message. */
interface Head {
  readonly bytes: Buffer
  /** Bytes of memory that it takes about, parsed values among them. */
  readonly ownSize: number
  /** The same with what stood behind it in the last body, of which texts are kept by the conversation. */
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

/** A head that a body begins with, and how the body is read. */
interface KnownHead {
  readonly head: Head
  readonly reading: Reading
}

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

/** Bytes that heads take, with what is kept of the bodies behind them. */
export const KEPT_BYTES_MAX = 24 * 1_048_576
/** Smaller bodies are parsed in no time; larger ones would drive out all others. */
const BODY_BYTES = { least: 16_384, most: KEPT_BYTES_MAX / 12 } as const
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
    const known = isKeepable(body) ? this.#find(body) : null
    if (known !== null) return parseBehind(body, known)
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
    this.#add(withBehind(grown ?? head, body))
    keepReading(messages, head.read)
    return { json: { ...json, [head.key]: messages }, byteStrings, conversation: head.conversation }
  }

  /** For the metrics. */
  stats(): { readonly heads: number; readonly bytes: number; readonly hits: number } {
    return { heads: this.#heads.length, bytes: this.#bytes, hits: this.#hits }
  }

  /** The longest head that a body begins with, of those that would be read in it as they were. */
  #find(body: Buffer): KnownHead | null {
    let found: KnownHead | null = null
    for (const head of this.#heads) {
      const { bytes } = head
      const { length } = bytes
      if (length >= body.length || length <= (found?.head.bytes.length ?? 0)) continue
      if (body[length >> 1] !== bytes[length >> 1] || body.compare(bytes, 0, length, 0, length) !== 0) continue
      const reading = readingBehind(head, body.subarray(length))
      if (reading !== null) found = { head, reading }
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
    const bytes = firstBytes(body, span.to)
    const ownSize = sizeOf(bytes)
    const hasEscapes = !byteStrings && bytes.includes('\\u')
    const conversation: Conversation = {}
    const reading = readingOf(isAscii(body), byteStrings)
    const messages = readArray(json[span.key])
    const own = { ...span, bytes, ownSize, isAscii: isAscii(bytes), hasEscapes, reading }
    const head: Head = { ...own, size: ownSize, messages, conversation, read: { last: null } }
    this.#add(withBehind(head, body))
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

const readingOf = (isAscii: boolean, byteStrings: boolean): Reading =>
  byteStrings ? 'bytes' : isAscii ? 'ascii' : 'text'

/** How a body is read that begins with a head; `null` where the head's strings would be other ones in it. */
function readingBehind(head: Head, rest: Buffer): Reading | null {
  const isAsciiToo = head.isAscii && isAscii(rest)
  if (!isAsciiToo && !isUtf8(rest)) return null
  const reading = readingOf(isAsciiToo, !isAsciiToo && !head.hasEscapes && !rest.includes('\\u'))
  return reading === head.reading || head.isAscii ? reading : null
}

/** Parses what stands around a head's messages. */
function parseBehind(body: Buffer, { head, reading }: KnownHead): ReadBody {
  const text = around(body, head, reading === 'text' ? 'utf8' : 'latin1')
  return { json: JSON.parse(text), text, byteStrings: reading === 'bytes', head }
}

/** The head as it stands in a body: the rest of it is charged as well. */
const withBehind = (head: Head, body: Buffer): Head => ({
  ...head,
  size: head.ownSize + sizeOf(body.subarray(head.bytes.length)),
})

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
  const bytes = firstBytes(body, before + span.to - head.from - IN_PLACE.length)
  const added = bytes.subarray(before)
  const isStillAscii = head.isAscii && isAscii(added)
  return {
    ...head,
    bytes,
    ownSize: head.ownSize + sizeOf(added),
    isAscii: isStillAscii,
    hasEscapes: head.hasEscapes || (!byteStrings && added.includes('\\u')),
    reading: readingOf(head.isAscii && isAscii(body.subarray(before)), byteStrings),
    messages,
  }
}
