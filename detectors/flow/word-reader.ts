/** Cuts a text into words by one pass over its characters. */

/**
 * Told of each word: the span of a text where it stands (of its own lower case where not all of it is ASCII), the hash of
 * its lower case by {@link hashWith}, and whether it begins with a capital.
 */
export type WordReader = (text: string, start: number, end: number, hash: number, isCapital: boolean) => void

const lowerOf = (code: number): number => (code >= 65 && code <= 90 ? code | 32 : code)
const isLower = (code: number): boolean => code >= 97 && code <= 122

/** By ASCII code: the lower case of a letter; 0 for what is none. */
const LETTERS = Uint8Array.from({ length: 128 }, (_, code) => (isLower(lowerOf(code)) ? lowerOf(code) : 0))
/** The same, and digits and the apostrophe, which stand inside words. */
const INSIDE = LETTERS.map((lower, code) => ((code >= 48 && code <= 57) || code === 39 ? code : lower))

const HASH_START = 0x811c9dc5

/** The hash of a word with one character more. */
const hashWith = (hash: number, lower: number): number => Math.imul(hash ^ lower, 0x01000193)

/** The hash of a span in lower case, which is ASCII where it counts. */
export function wordHash(text: string, start: number, end: number): number {
  let hash = HASH_START
  for (let at = start; at < end; at++) hash = hashWith(hash, lowerOf(text.charCodeAt(at)))
  return hash
}

/** Tells of the words of a span: rows of letters, with digits and apostrophes behind the first where `withDigits`. */
export function readWords(text: string, from: number, until: number, withDigits: boolean, told: WordReader): void {
  const inside = withDigits ? INSIDE : LETTERS
  for (let at = from; at < until; ) {
    const first = text.charCodeAt(at)
    const chars = first < 128 ? (LETTERS[first] === 0 ? 0 : 1) : letterChars(text, at, until)
    if (chars === 0) {
      at++
      continue
    }
    const start = at
    let hash = HASH_START
    let isAscii = true
    while (at < until) {
      const code = text.charCodeAt(at)
      if (code < 128) {
        const lower = inside[code] ?? 0
        if (lower === 0) break
        hash = hashWith(hash, lower)
        at++
        continue
      }
      const more = letterChars(text, at, until)
      if (more === 0) break
      isAscii = false
      at += more
    }
    if (isAscii) told(text, start, at, hash, first !== LETTERS[first])
    else tellLower(text.slice(start, at), told)
  }
}

function tellLower(word: string, told: WordReader): void {
  const lower = word.toLowerCase()
  told(lower, 0, lower.length, wordHash(lower, 0, lower.length), lower.charCodeAt(0) !== word.charCodeAt(0))
}

const LETTER = /^\p{L}$/u
/** What was asked of each character before: 0 for nothing, 1 for a letter, 2 for any other. */
const known = new Uint8Array(0x10000)

/** How many code units the letter takes that stands there; 0 if none does. */
function letterChars(text: string, at: number, until: number): number {
  const code = text.charCodeAt(at)
  if (code >= 0xd800 && code < 0xdc00 && at + 1 < until)
    return LETTER.test(String.fromCodePoint(text.codePointAt(at) ?? 0)) ? 2 : 0
  let kind = known[code]
  if (kind === 0) {
    kind = LETTER.test(String.fromCharCode(code)) ? 1 : 2
    known[code] = kind
  }
  return kind === 1 ? 1 : 0
}
