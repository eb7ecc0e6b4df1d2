/** Letters that pass for others: of other alphabets, or styled, and words that characters without width divide. */
import { type Decoded, Rewriter } from './decoded.ts'

/**
 * Letters of Cyrillic and Greek that look like Latin ones, chosen by eye for those that matter in words. The two strings
 * of a pair stand letter by letter for each other.
 */
const PAIRS: readonly (readonly [from: string, to: string])[] = [
  ['асеорхуіѕјһԁԛԝёїӏ', 'aceopxyisjhdqweil'],
  ['АВСЕНІЈКМОРЅТХУҮԚԜ', 'ABCEHIJKMOPSTXYYQW'],
  ['οανικρτυχ', 'oavikptux'],
  ['ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ', 'ABEZHIKMNOPTYX'],
]
const LATIN_OF: ReadonlyMap<string, string> = new Map(
  PAIRS.flatMap(([from, to]) => [...from].map((letter, at): [string, string] => [letter, to[at] ?? letter])),
)
const WORD_CHARS_MAX = 64
const WORD_LETTERS_MIN = 4
const LETTER = /[A-Za-z\u0370-\u052f]/
const UNSEEN = /\u034f|[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]|[\ufe00-\ufe0f]/
const STYLED = /[\uff10-\uff5a\u24b6-\u24e9\u2100-\u214f\ud835]/

/** A word in letters of two alphabets. */
interface Word {
  readonly start: number
  readonly end: number
  /** Whether letters of the other one pass for Latin ones in it. */
  readonly isDisguised: boolean
}

/** The word around a place where two alphabets meet, or as much as is near. */
export function mixedWord(text: string, at: number): Word {
  let [start, end] = [at, at]
  while (start > Math.max(0, at - WORD_CHARS_MAX) && LETTER.test(text[start - 1] ?? '')) start--
  while (end < at + WORD_CHARS_MAX && LETTER.test(text[end] ?? '')) end++
  const word = text.slice(start, end)
  const others = word.match(/[\u0370-\u052f]/g) ?? []
  const latin = word.length - others.length
  // "TNFα", "μm" and "αβ-test" are honest: a Greek letter counts between Latin ones only.
  const pass = others.every((letter) => LATIN_OF.has(letter))
  const isGreek = others.every((letter) => letter < '\u0400')
  const isBetween = !isGreek || /[A-Za-z][\u0370-\u03ff]+[A-Za-z]/.test(word)
  const isLatin = word.length >= WORD_LETTERS_MIN && latin >= 2 && latin >= others.length
  return { start, end, isDisguised: pass && isBetween && isLatin }
}

/** A stretch as it is read: look-alikes and styled letters as the plain ones, and nothing that is not seen. */
export function fold(text: string, from: number, to: number): Decoded {
  const rewriter = new Rewriter()
  let copied = from
  for (let at = from; at < to; ) {
    if (text.charCodeAt(at) < 0x80) {
      at++
      continue
    }
    const char = String.fromCodePoint(text.codePointAt(at) ?? 0)
    const reads = readsAs(char)
    if (reads !== char) {
      rewriter.copy(text.slice(copied, at), copied)
      rewriter.put(reads, at, at + char.length)
      copied = at + char.length
    }
    at += char.length
  }
  rewriter.copy(text.slice(copied, to), copied)
  return rewriter.done()
}

function readsAs(char: string): string {
  if (UNSEEN.test(char) || (char >= '\u{e0000}' && char.length === 2 && char.charCodeAt(0) === 0xdb40)) return ''
  return LATIN_OF.get(char) ?? (STYLED.test(char) ? char.normalize('NFKC') : char)
}
