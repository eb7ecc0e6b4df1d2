/** Characters that nobody sees and that spell something: codes that a model reads and a person does not. */
import { type Decoded, Rewriter } from './decoded.ts'

const TAG_LEAD = 0xdb40
const BITS = 8
/** What fills the preview of a mail repeats itself, and so would what it said; words have more letters. */
const LETTERS_MIN = 4

/** What tag characters (U+E0000 to U+E007F, as surrogate pairs) say in ASCII. @param from where the run begins in its text */
export function decodeTags(run: string, from: number): Decoded {
  const rewriter = new Rewriter()
  for (let at = 0; at + 1 < run.length; at += 2) {
    const code = run.charCodeAt(at + 1) - 0xdc00
    if (code >= 0x20 && code < 0x7f) rewriter.put(String.fromCharCode(code), from + at, from + at + 2)
  }
  return rewriter.done()
}

/** What variation selectors say, a byte each: VS1 to VS16 are 0 to 15, VS17 to VS256 the rest. */
export function decodeSelectors(run: string, from: number): Decoded {
  const rewriter = new Rewriter()
  for (let at = 0; at < run.length; ) {
    const code = run.charCodeAt(at)
    const units = code === TAG_LEAD ? 2 : 1
    const byte = units === 2 ? run.charCodeAt(at + 1) - 0xdd00 + 16 : code - 0xfe00
    if (isPlain(byte)) rewriter.put(String.fromCharCode(byte), from + at, from + at + units)
    at += units
  }
  return rewriter.done()
}

/** What two kinds of characters without width say as bits, eight a letter, whichever of them is the one; `null` for nothing. */
export function decodeBits(run: string, from: number): Decoded | null {
  const kinds = [...new Set(run)]
  if (kinds.length !== 2) return null
  for (const one of kinds) {
    const rewriter = new Rewriter()
    let plain = true
    for (let at = 0; at + BITS <= run.length && plain; at += BITS) {
      let byte = 0
      for (let bit = 0; bit < BITS; bit++) byte = byte * 2 + (run[at + bit] === one ? 1 : 0)
      plain = isPlain(byte)
      rewriter.put(String.fromCharCode(byte), from + at, from + at + BITS)
    }
    const decoded = rewriter.done()
    if (plain && new Set(decoded.text).size >= LETTERS_MIN) return decoded
  }
  return null
}

const isPlain = (byte: number): boolean => (byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13
