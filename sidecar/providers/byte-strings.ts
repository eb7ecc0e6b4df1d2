/**
 * A large body is parsed byte by byte, each byte a character: half of the memory and two thirds of the time of decoding
 * it first. Strings beyond ASCII then hold the bytes of their text, not its characters, until somebody reads them. Names
 * and settings are ASCII; only what is inspected is decoded, and of that only what is new.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import type { Segment } from '@agentcostcontrol/contract'

/** A parsed body. */
export interface ParsedBody {
  readonly json: unknown
  /** What it was parsed from. */
  readonly text: string
  /** True if its strings, and keys, hold bytes: {@link textOf} makes text of them. */
  readonly byteStrings: boolean
}

/** From here on it pays. */
const BODY_BYTES_MIN = 8_192

/** Parses a body, which must be UTF-8. `null` if it is not. @throws SyntaxError if it is not JSON */
export function parseBody(body: Buffer, bytesMin = BODY_BYTES_MIN): ParsedBody | null {
  if (body.length >= bytesMin) {
    if (isAscii(body)) return parsed(body.toString('latin1'), false)
    // An escape makes a character, and beside bytes nobody could tell the two apart.
    const plain = isUtf8(body) && !body.includes('\\u')
    if (plain) return parsed(body.toString('latin1'), true)
  }
  return isUtf8(body) ? parsed(body.toString(), false) : null
}

const parsed = (text: string, byteStrings: boolean): ParsedBody => ({ json: JSON.parse(text), text, byteStrings })

const BEYOND_ASCII = /[^\0-\x7f]/

/** Whether a string is the same as bytes and as text. */
export const isAsciiText = (text: string): boolean => !BEYOND_ASCII.test(text)

/** The text of a string that holds its bytes. */
export const textOf = (bytes: string): string => (isAsciiText(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString())

/** A segment of a body with byte strings, decoded. */
export const decodeSegment = (segment: Segment): Segment => ({
  ...segment,
  path: segment.path.map((step) => (typeof step === 'string' ? textOf(step) : step)),
  // What was decoded holds characters already.
  text: segment.decoded ? segment.text : textOf(segment.text),
})
