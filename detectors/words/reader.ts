import { codesOf } from '../scan/units.ts'
import { BACKSLASH, END, NOTHING, READS, SEPARATOR, SINGLE } from './characters.ts'
import { classBit, lexicon } from './lexicon.ts'
import { meanings } from './meanings.ts'

/** The sentence ended between this word and the one before. */
export const BREAK = 1
/** The word is the name of a tag: one of the class `tag`, behind `<` or `</`. */
export const TAG = 2

const NO_CODES = new Uint16Array(1)
const TAG_NAMES = classBit('tag')
const KEYS = 2_048

/** Words that are read at once. */
const BATCH = 256
/** Words of those before that stay in front of them: no window and no rule looks further back. */
export const KEPT_WORDS = 64
/** Words that a column has room for. */
export const COLUMN_WORDS = KEPT_WORDS + BATCH

/**
 * Reads a text word by word, without making strings of them: letters in lower case, digits all alike, marks inside a word
 * and characters without width passed over, a Chinese or Japanese character a word by itself, JSON's escapes as blanks.
 * What it says of words stands in columns, those read last from {@link KEPT_WORDS} on; before the first word of a text
 * all of it is 0.
 */
export class WordReader {
  /** Hash of each word, 32 bits. */
  readonly hashes = new Int32Array(COLUMN_WORDS)
  /** Bits of its classes; see {@link lexicon}. */
  readonly classes = new Int32Array(COLUMN_WORDS)
  /** The number of its meaning; see {@link meanings}. 0 if it has none that counts. */
  readonly meanings = new Uint8Array(COLUMN_WORDS)
  /** {@link BREAK} and {@link TAG}. */
  readonly marks = new Uint8Array(COLUMN_WORDS)
  readonly starts = new Int32Array(COLUMN_WORDS)
  readonly ends = new Int32Array(COLUMN_WORDS)
  /** Where the words stop that were read last. */
  end = KEPT_WORDS
  /** Where the first word of the text stands, or the first that is kept. */
  first = KEPT_WORDS
  #codes: Uint16Array = NO_CODES
  #length = 0
  #at = 0

  /** Starts at the beginning of a text. */
  open(text: string): void {
    this.#codes = codesOf(text)
    this.#length = text.length
    this.#at = 0
    this.end = KEPT_WORDS
    this.first = KEPT_WORDS
  }

  /** Lets go of the text. */
  close(): void {
    this.#codes = NO_CODES
  }

  /** Reads on; false if there were no more words. No other text may be read meanwhile. */
  next(): boolean {
    if (this.#at >= this.#length) return false
    this.#keep()
    const { hashes, classes, meanings, marks, starts, ends } = this
    const codes = this.#codes
    const length = this.#length
    let at = this.#at
    let word = KEPT_WORDS
    while (word < COLUMN_WORDS) {
      let mark = 0
      let reads = SEPARATOR
      for (; at < length; at++) {
        reads = READS[codes[at] ?? 0] ?? 0
        if (reads === SEPARATOR) continue
        if (reads >= SINGLE) break
        if (reads === END) mark |= isNamePart(codes[at + 1] ?? 0) ? 0 : BREAK
        else if (reads === BACKSLASH) at += escapeChars(codes[at + 1] ?? 0)
      }
      if (at >= length) break
      const start = at
      let hash = SEED
      if (reads === SINGLE) {
        hash = Math.imul(hash ^ (codes[at++] ?? 0), PRIME)
      } else {
        // The zero behind the text ends the last word.
        do {
          while (reads > SINGLE) {
            hash = Math.imul(hash ^ reads, PRIME)
            reads = READS[codes[++at] ?? 0] ?? 0
          }
          if (reads !== NOTHING) break
          reads = READS[codes[++at] ?? 0] ?? 0
        } while (reads >= NOTHING && reads !== SINGLE)
      }
      hash ^= hash >>> 15
      hashes[word] = hash
      starts[word] = start
      ends[word] = at
      const entry = entryOf(hash)
      const bits = entry < 0 ? 0 : (entryBits[entry] ?? 0)
      classes[word] = bits
      meanings[word] = entry < 0 ? 0 : (entryMeanings[entry] ?? 0)
      marks[word] = bits & TAG_NAMES && opensTag(codes, start) ? mark | TAG : mark
      word++
    }
    this.#at = at
    this.end = word
    return word > KEPT_WORDS
  }

  /** Puts the last words in front of those to come. */
  #keep(): void {
    const { end, first } = this
    if (end === KEPT_WORDS) return
    for (const column of [this.hashes, this.classes, this.meanings, this.marks, this.starts, this.ends]) {
      column.copyWithin(0, end - KEPT_WORDS, end)
    }
    this.first = Math.max(0, first - (end - KEPT_WORDS))
  }
}

const SEED = 0x811c9dc5 | 0
const PRIME = 0x01000193

/** Letters, digits, "/", "~", "_" and "-": behind a full stop they make it one of a file, a host or a version. */
const isNamePart = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 45 && code <= 57) || code === 95 || code === 126

/** How many characters behind a backslash belong to the escape, by the first of them. */
function escapeChars(code: number): number {
  if (code === 110 || code === 114 || code === 116) return 1
  return code === 117 ? 5 : 0
}

/** Whether `<` or `</` stands before it. */
function opensTag(codes: Uint16Array, at: number): boolean {
  if (at === 0) return false
  const before = codes[at - 1]
  return before === 60 || (before === 47 && at > 1 && codes[at - 2] === 60)
}

const keys = new Int32Array(KEYS)
const entryBits = new Int32Array(KEYS)
const entryMeanings = new Uint8Array(KEYS)

/** Where a word stands in the tables; -1 if it does not. */
function entryOf(hash: number): number {
  for (let at = hash & (KEYS - 1); keys[at] !== 0; at = (at + 1) & (KEYS - 1)) if (keys[at] === hash) return at
  return -1
}

function learn(): void {
  const reader = new WordReader()
  const classes = lexicon()
  const known = meanings()
  for (const word of new Set([...classes.keys(), ...known.keys()])) {
    reader.open(word)
    reader.next()
    const hash = reader.hashes[KEPT_WORDS] ?? 0
    let at = hash & (KEYS - 1)
    while (keys[at] !== 0 && keys[at] !== hash) at = (at + 1) & (KEYS - 1)
    keys[at] = hash
    entryBits[at] = (entryBits[at] ?? 0) | (classes.get(word) ?? 0)
    entryMeanings[at] = entryMeanings[at] || (known.get(word) ?? 0)
  }
}
learn()
