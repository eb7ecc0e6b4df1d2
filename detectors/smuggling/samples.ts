/**
 * Finds where a text may be in one of the ciphers, by looking at every sixth place: each of the words looked for has eight
 * letters at least, so three of them in a row stand at one of these places.
 */
import { replaced, reversed, rot13, turnedRound, unleet, unmorse, unspaced } from './ciphers.ts'
import type { Decoded, Piece, Way } from './decoded.ts'

const WORDS =
  'previous instruction disregard override password everything restriction guideline assistant developer credential confidential jailbreak'.split(
    ' ',
  )
const STEP = 6
const ROT13 = 1
const REVERSED = 2
const LEET = 4
/** A letter, a sign, a letter; or a sign, a letter, a sign. */
const SINGLE = 8
/** Samples in a row that are so. */
const SINGLES_MIN = 3
const BEFORE_CHARS = 192
const AFTER_CHARS = 512
const WORD_CHARS_MAX = 12
/** Letters of Morse that begin before the first dash with a dot behind it. */
const MORSE_BEFORE_CHARS = 48

/** What a character reads as: 1 to 26 for letters and what stands for one, 0 for the rest. */
const READS = new Uint8Array(256)
const SIGNS = new Uint8Array(256)
for (let letter = 0; letter < 26; letter++) READS[65 + letter] = READS[97 + letter] = letter + 1
for (const pair of ['0o', '1i', '3e', '4a', '5s', '7t', '@a', '$s', '!i', '|l']) {
  READS[pair.charCodeAt(0)] = pair.charCodeAt(1) - 96
  SIGNS[pair.charCodeAt(0)] = 1
}

/** Bits of the ciphers in which three characters in a row are part of a word. */
const TRIPLES = new Uint8Array(1 << 15)
const addTriple = (one: number, two: number, three: number, bit: number): void => {
  const triple = (one << 10) | (two << 5) | three
  TRIPLES[triple] = (TRIPLES[triple] ?? 0) | bit
}
/**
 * A bit for each four characters in a row that are part of a word, by a hash of them: where three are by accident, a look
 * at the one before and the one behind them costs less than a look for words.
 */
const FOURS = new Uint8Array(1 << 13)
const fourOf = (one: number, triple: number): number => Math.imul((one << 15) | triple, 0x9e3779b1) >>> 16
const addWord = (word: string, bit: number): void => {
  const letters = [...word].map((char) => char.charCodeAt(0) - 96)
  for (let at = 0; at + 3 <= letters.length; at++) {
    const [one = 0, two = 0, three = 0, four = 0] = letters.slice(at)
    addTriple(one, two, three, bit)
    if (four === 0) continue
    const hash = fourOf(one, (two << 10) | (three << 5) | four)
    FOURS[hash >> 3] = (FOURS[hash >> 3] ?? 0) | (1 << (hash & 7))
  }
}
const isFour = (one: number, triple: number): boolean => {
  const hash = fourOf(one, triple)
  return (((FOURS[hash >> 3] ?? 0) >> (hash & 7)) & 1) === 1
}

/** Whether what is before three characters, or what is behind them, makes four of a word of them. */
function isPartOfWord(ascii: Uint8Array, at: number, triple: number): boolean {
  const before = at === 0 ? 0 : (READS[ascii[at - 1] ?? 0] ?? 0)
  const behind = READS[ascii[at + 3] ?? 0] ?? 0
  return isFour(before, triple) || isFour(triple >> 10, ((triple << 5) & 0x7fff) | behind)
}
for (const word of WORDS) {
  addWord(rot13(word), ROT13)
  addWord(reversed(word), REVERSED)
  addWord(word, LEET)
  addWord(word.replaceAll('l', 'i'), LEET)
}
for (let one = 1; one <= 26; one++) {
  addTriple(0, one, 0, SINGLE)
  for (let other = 1; other <= 26; other++) addTriple(one, 0, other, SINGLE)
}

const anyOf = (words: readonly string[]): RegExp => new RegExp(words.join('|'), 'i')
const ROT13_WORD = anyOf(WORDS.map(rot13))
const REVERSED_WORD = anyOf(WORDS.map(reversed))
const PLAIN_WORD = anyOf(WORDS)
const SPACED = /(?:[A-Za-z0-9][ .\-_*·]){7}[A-Za-z0-9](?![A-Za-z0-9])/
const MORSE = /(?:[.-]{1,6}(?: ?\/ ?| {1,3})){12,512}[.-]{1,6}/y

/**
 * Stretches in a cipher, decoded, until `charsMax` came out.
 * @param ascii the text's code units, or 0 for what is not ASCII
 */
export function ciphersIn(text: string, ascii: Uint8Array, charsMax: number): readonly Piece[] {
  const found = new Found(text, charsMax)
  const last = text.length - 2
  for (let at = 0; at < last; at += STEP) {
    const one = ascii[at] ?? 0
    const two = ascii[at + 1] ?? 0
    const three = ascii[at + 2] ?? 0
    const triple = ((READS[one] ?? 0) << 10) | ((READS[two] ?? 0) << 5) | (READS[three] ?? 0)
    const bits = TRIPLES[triple] ?? 0
    if (bits === 0) continue
    if (bits === SINGLE) found.single(at)
    else if (!isPartOfWord(ascii, at, triple)) continue
    else if (((SIGNS[one] ?? 0) | (SIGNS[two] ?? 0) | (SIGNS[three] ?? 0)) === 0) found.letters(at, bits)
    else if (bits & LEET) found.leet(at)
  }
  return [...found.pieces, ...morseIn(text, found.left)]
}

/** Looks closer at places, and takes what stands around them. */
class Found {
  readonly pieces: Piece[] = []
  left: number
  readonly #text: string
  readonly #ends = new Map<Way, number>()
  #singles = 0
  #singleAt = 0

  constructor(text: string, charsMax: number) {
    this.#text = text
    this.left = charsMax
  }

  single(at: number): void {
    this.#singles = at - this.#singleAt === STEP ? this.#singles + 1 : 1
    this.#singleAt = at
    if (this.#singles < SINGLES_MIN || !this.#isNew('spaced-letters', at)) return
    const text = this.#text
    if (SPACED.test(this.#near(at - STEP * 2))) this.#take('spaced-letters', at, (from, to) => unspaced(text, from, to))
  }

  letters(at: number, bits: number): void {
    const text = this.#text
    if (bits & ROT13 && this.#isNew('rot13', at) && ROT13_WORD.test(this.#near(at)))
      this.#take('rot13', at, (from, to) => replaced(text, from, to, rot13))
    if (bits & REVERSED && this.#isNew('reversed', at) && REVERSED_WORD.test(this.#near(at)))
      this.#take('reversed', at, (from, to) => turnedRound(text, from, to))
  }

  leet(at: number): void {
    const text = this.#text
    if (!this.#isNew('leetspeak', at)) return
    const around = this.#near(at)
    // A word in which something stands for a letter, and that is not there without.
    if (!PLAIN_WORD.test(around) && PLAIN_WORD.test(unleet(around)))
      this.#take('leetspeak', at, (from, to) => replaced(text, from, to, unleet))
  }

  #isNew(way: Way, at: number): boolean {
    return this.left > 0 && at >= (this.#ends.get(way) ?? 0)
  }

  /** The word at a place, with what stands around it. */
  #near(at: number): string {
    return this.#text.slice(Math.max(0, at - WORD_CHARS_MAX), at + WORD_CHARS_MAX + 3)
  }

  #take(way: Way, at: number, decode: (from: number, to: number) => Decoded): void {
    const start = Math.max(this.#ends.get(way) ?? 0, at - BEFORE_CHARS)
    const end = Math.min(this.#text.length, at + AFTER_CHARS)
    this.#ends.set(way, end)
    this.left -= end - start
    this.pieces.push({ way, start, end, decoded: decode(start, end) })
  }
}

function morseIn(text: string, charsMax: number): readonly Piece[] {
  const pieces: Piece[] = []
  let left = charsMax
  for (let at = text.indexOf('-.'); at !== -1 && left > 0; ) {
    let start = at
    while (start > 0 && start > at - MORSE_BEFORE_CHARS && /[.\-/ ]/.test(text[start - 1] ?? '')) start--
    while (/[/ ]/.test(text[start] ?? '')) start++
    MORSE.lastIndex = start
    const end = start + (MORSE.exec(text)?.[0].length ?? 0)
    if (end > start) {
      const decoded = unmorse(text, start, end)
      left -= decoded.text.length
      pieces.push({ way: 'morse', start, end, decoded })
    }
    let next = Math.max(at, end)
    while (next < text.length && /[.-]/.test(text[next] ?? '')) next++
    at = text.indexOf('-.', next)
  }
  return pieces
}
