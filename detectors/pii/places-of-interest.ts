/**
 * Finds the few characters that a text is looked at closely for, at about a nanosecond each for all others: the text is
 * read as bytes in 16-bit pairs, as the keyword scanner does it.
 */
import { isDigit } from '../scan/ascii.ts'
import { bytesOf, codesOf } from '../scan/units.ts'

/** A longer text is read in pieces, whose copies stay near the processor. */
const CHUNK_CHARS = 32_768

/** What may follow the capitals that titles and greetings of names begin with. */
const SECOND_LETTERS: Readonly<Record<string, string>> = { M: 'rsi', D: 're', P: 'r', R: 'e', S: 'i', C: 'h' }

const DIGIT = 1
const AT = 2
const COLON = 3
const CAPITAL = 4
const KIND = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code)
  return isDigit(code) ? DIGIT : char === '@' ? AT : char === ':' ? COLON : char in SECOND_LETTERS ? CAPITAL : 0
})

/** By pair: 1 if one of its two characters may matter. */
const PAIR_MATTERS = pairsThatMatter()

function pairsThatMatter(): Uint8Array {
  const table = new Uint8Array(65_536)
  const two = new Uint8Array(2)
  const one = new Uint16Array(two.buffer)
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      two[0] = first
      two[1] = second
      table[one[0] ?? 0] = firstMatters(first, second) || secondMatters(first, second) ? 1 : 0
    }
  }
  return table
}

function firstMatters(first: number, second: number): boolean {
  const kind = KIND[first] ?? 0
  // A URL, or a name: whichever of the two it is, what stands before a colon is seen only where it is second.
  if (kind === COLON) return second === 47 || second === 32 || (second >= 65 && second <= 90) || second >= 0xc0
  return kind === CAPITAL
    ? (SECOND_LETTERS[String.fromCharCode(first)] ?? '').includes(String.fromCharCode(second))
    : kind > 0
}

function secondMatters(first: number, second: number): boolean {
  const kind = KIND[second] ?? 0
  if (kind === COLON) return 'esp'.includes(String.fromCharCode(first))
  // What a byte before a capital is of, a letter or an escape or a character of which it is the lower half, is seen later.
  return kind > 0
}

/** What is called for each; `number` returns where to go on. */
export interface Visitor {
  number(digit: number): number
  at(at: number): void
  colon(colon: number): void
  capital(at: number): void
}

/** Calls the visitor in ascending order. */
export function visit(text: string, visitor: Visitor): void {
  const { length } = text
  const codes = codesOf(text)
  let next = 0
  for (let base = 0; base < length; base += CHUNK_CHARS) {
    const { pairs } = bytesOf(length <= CHUNK_CHARS ? text : text.slice(base, base + CHUNK_CHARS))
    const words = (Math.min(length - base, CHUNK_CHARS) + 1) >> 1
    for (let word = 0; word < words; word++) {
      if (PAIR_MATTERS[pairs[word] ?? 0] === 0) continue
      const at = base + 2 * word
      if (at >= next) next = visitOne(codes[at] ?? 0, at, visitor)
      if (at + 1 >= next && at + 1 < length) next = visitOne(codes[at + 1] ?? 0, at + 1, visitor)
    }
  }
}

/** Returns where to go on. */
function visitOne(code: number, at: number, visitor: Visitor): number {
  const kind = code < 128 ? KIND[code] : 0
  if (kind === DIGIT) return visitor.number(at)
  if (kind === AT) visitor.at(at)
  else if (kind === COLON) visitor.colon(at)
  else if (kind === CAPITAL) visitor.capital(at)
  return at + 1
}
