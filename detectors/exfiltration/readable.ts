/** What a word of letters and digits says once it is decoded, where it says anything. */

/** What decoded text reads like. */
export type Reading =
  /** Words, or names with values. */
  | 'words'
  /** Something that machines write for themselves, without blanks. */
  | 'token'
  | 'json'
  /** An address: whoever counts clicks writes the real one so. */
  | 'address'

/** Most characters of a value that are decoded: what these read like the rest does. */
const CHARS_MAX = 512
const BASE64_CHARS_MIN = 22
const HEX_CHARS_MIN = 24
const BASE32_CHARS_MIN = 26

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/
const HEX = /^(?:0x)?(?:[0-9a-f]{2})+$|^(?:0x)?(?:[0-9A-F]{2})+$/
const BASE32 = /^(?:[A-Z2-7]+|[a-z2-7]+)=*$/

/** Reads a value; `null` for what is no encoded text. */
export function readEncoded(value: string): Reading | null {
  if (value.length < BASE64_CHARS_MIN) return null
  const text = value.slice(0, CHARS_MAX)
  const isWhole = value.length <= CHARS_MAX
  if (text.length >= HEX_CHARS_MIN && HEX.test(isWhole ? text : text.slice(0, CHARS_MAX)))
    return readingOf(Buffer.from(text.replace(/^0x/, ''), 'hex'))
  if (text.length >= BASE32_CHARS_MIN && BASE32.test(text)) return readingOf(decodeBase32(text))
  // Text in base64 has letters of both cases, but by the rarest chance.
  if (!BASE64.test(text) || !/[A-Z]/.test(text) || !/[a-z]/.test(text)) return null
  return readingOf(Buffer.from(text, 'base64'))
}

/** An address that is written in base64 or hexadecimal. */
export const decodedAddress = (value: string): string =>
  Buffer.from(value.replace(/^0x/, ''), HEX.test(value) ? 'hex' : 'base64').toString()

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

/** RFC 4648, section 6, in either case. */
export function decodeBase32(text: string): Buffer {
  const bytes: number[] = []
  let [bits, count] = [0, 0]
  for (const char of text.toLowerCase()) {
    const value = ALPHABET.indexOf(char)
    if (value === -1) break
    bits = ((bits << 5) | value) & 0xfff
    count += 5
    if (count < 8) continue
    count -= 8
    bytes.push((bits >> count) & 0xff)
  }
  return Buffer.from(bytes)
}

const BYTES_MIN = 12
/** Share of what people write with that a text consists of. */
const PLAIN_SHARE = 0.75

/** What bytes read like, if they are text at all: twelve random ones are by one chance in a hundred thousand. */
export function readingOf(bytes: Buffer): Reading | null {
  if (bytes.length < BYTES_MIN || !isPrintable(bytes)) return null
  // The last character may have been cut in two.
  const text = bytes.toString('utf8').replace(/\ufffd{1,3}$/, '')
  if (text.includes('\ufffd')) return null
  const plain = text.match(/[\p{L}\p{N} ]/gu)?.length ?? 0
  if (plain < text.length * PLAIN_SHARE && !/^\s*[[{]/.test(text)) return null
  if (!/\p{L}/u.test(text)) return /^[\d .,:;-]+$/.test(text) && /\d[ -]\d/.test(text) ? 'words' : null
  if (/^[a-z][a-z0-9+.-]{1,12}:\/\/|^\/\w|^www\./i.test(text)) return 'address'
  if (/^\s*[[{]/.test(text)) return 'json'
  return wordsIn(text) >= 3 || PAIR.test(text) ? 'words' : 'token'
}

function isPrintable(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte === 127 || (byte < 32 && byte !== 10 && byte !== 13 && byte !== 9)) return false
  return true
}

const WORD = /\p{L}{2,}/gu
const CHARS_OF_A_WORD = 2
const IDEOGRAPH = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu

/** Words between blanks, about: scripts without blanks by their characters. */
export function wordsIn(text: string): number {
  const ideographs = text.match(IDEOGRAPH)?.length ?? 0
  if (!/\s/.test(text)) return Math.floor(ideographs / CHARS_OF_A_WORD)
  return Math.max(text.match(WORD)?.length ?? 0, Math.floor(ideographs / CHARS_OF_A_WORD))
}

/** Names of what nobody should send about, with a value. */
const PAIR =
  /(?:pass(?:word|wd|phrase)?|pwd|secret|token|key|user(?:name)?|login|account|card|pin|ssn|iban|balance)\w{0,12}["']?\s{0,3}[:=]\s{0,3}\S/i
