/** Kinds of characters, by code unit. */
import { isAlnum, isDigit } from '../scan/ascii.ts'

/** All of these stand below this. */
const KNOWN = 0x250
const WORD = 1
const LETTER = 2
const GLUE = 4

/** Letters of the Latin alphabets beyond ASCII. */
export const isLatin = (code: number): boolean => code >= 0xc0 && code < KNOWN

// Quotes are none of them: they end a value everywhere, and what stands before one says nothing about what follows it.
const PUNCTUATION = '._-/\\@#$%&+~^:()'
const KINDS = Uint8Array.from({ length: KNOWN }, (_, code) => {
  if (isDigit(code)) return WORD | GLUE
  if (isAlnum(code) || isLatin(code)) return WORD | LETTER | GLUE
  return PUNCTUATION.includes(String.fromCharCode(code)) ? GLUE : 0
})
const is = (kind: number, code: number): boolean => code < KNOWN && ((KINDS[code] ?? 0) & kind) !== 0

/** Letters and digits. */
export const isWordChar = (code: number): boolean => is(WORD, code)
/** Letters. */
export const isLetter = (code: number): boolean => is(LETTER, code)
/** What a rule may look at before or behind its match; anything else makes an end of it. */
export const isGlue = (code: number): boolean => is(GLUE, code)

/** Whether what stands before an offset lets a number begin there: not a decimal, a path, a version, a variable. */
export function mayBeginAt(codes: Uint16Array, start: number): boolean {
  if (start === 0) return true
  const before = codes[start - 1] ?? 0
  if (isWordChar(before)) return isEscape(codes, start - 1)
  switch (before) {
    case 45: // -
    case 46: // .
      return !isWordChar(start > 1 ? (codes[start - 2] ?? 0) : 0)
    case 36: // $
    case 37: // %
    case 38: // &
    case 43: // +
    case 47: // /
    case 64: // @
    case 92: // \
    case 94: // ^
    case 95: // _
    case 126: // ~
      return false
    default:
      return true
  }
}

/** A line break or tab as JSON writes it, "\n", ends at this offset. */
export function isEscape(codes: Uint16Array, at: number): boolean {
  const code = codes[at]
  return at > 0 && codes[at - 1] === 92 && (code === 110 || code === 114 || code === 116)
}

/** The offset behind the letters and digits from `start` on, in code units with a zero behind the last. */
export function wordEnd(codes: Uint16Array, start: number): number {
  let end = start
  while (isAlnum(codes[end] ?? 0)) end++
  return end
}

/** The digits of a piece of text. */
export function digitsOf(text: string): string {
  let digits = ''
  for (let index = 0; index < text.length; index++) if (isDigit(text.charCodeAt(index))) digits += text[index]
  return digits
}
