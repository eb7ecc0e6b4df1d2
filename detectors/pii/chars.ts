/** Kinds of characters, by code unit. */
import { isAlnum, isDigit } from '../scan/ascii.ts'

const PUNCTUATION = new Set([...'._-/\\@#$%&+~^:()\'"`'].map((char) => char.charCodeAt(0)))
// Quotes end a value everywhere: what stands before one says nothing about what follows it.
for (const quote of '\'"`') PUNCTUATION.delete(quote.charCodeAt(0))

/** Letters of the Latin alphabets beyond ASCII. */
export const isLatin = (code: number): boolean => code >= 0xc0 && code <= 0x24f
/** Letters and digits. */
export const isWordChar = (code: number): boolean => isAlnum(code) || isLatin(code)
/** What a rule may look at before or behind its match; anything else makes an end of it. */
export const isGlue = (code: number): boolean => isWordChar(code) || PUNCTUATION.has(code)

/** Whether what stands before an offset lets a number begin there: not a decimal, a path, a version, a variable. */
export function mayBeginAt(text: string, start: number): boolean {
  if (start === 0) return true
  const before = text.charCodeAt(start - 1)
  if (isWordChar(before)) return isEscape(text, start - 1)
  switch (before) {
    case 45: // -
    case 46: // .
      return !isWordChar(start > 1 ? text.charCodeAt(start - 2) : 0)
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
export function isEscape(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return at > 0 && text.charCodeAt(at - 1) === 92 && (code === 110 || code === 114 || code === 116)
}

/** The offset behind the letters and digits from `start` on. */
export function wordEnd(text: string, start: number): number {
  let end = start
  while (end < text.length && isAlnum(text.charCodeAt(end))) end++
  return end
}

/** The digits of a piece of text. */
export function digitsOf(text: string): string {
  let digits = ''
  for (let index = 0; index < text.length; index++) if (isDigit(text.charCodeAt(index))) digits += text[index]
  return digits
}
