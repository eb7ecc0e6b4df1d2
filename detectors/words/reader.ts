import { classBit, lexicon } from './lexicon.ts'
import { meanings } from './meanings.ts'

/** The sentence ended between this word and the one before. */
export const BREAK = 1
/** The word is the name of a tag: one of the class `tag`, behind `<` or `</`. */
export const TAG = 2

const TAG_NAMES = classBit('tag')
const KEYS = 2_048
const CHARS = 65_536
/** What a character is: a separator, the end of a sentence, JSON's escape, nothing at all, a word of its own; */
const SEPARATOR = 0
const END = 1
const BACKSLASH = 2
const NOTHING = 3
const SINGLE = 4
// or else what it reads as: above 4, since the letters and 0 are.

/**
 * Reads a text word by word, without making strings of them: letters in lower case, digits all alike, marks inside a word
 * and characters without width passed over, a Chinese or Japanese character a word by itself, JSON's escapes as blanks.
 */
export class WordReader {
  /** Hash of the word, 32 bits. */
  hash = 0
  /** Bits of its classes; see {@link lexicon}. */
  classes = 0
  /** The number of its meaning; see {@link meanings}. 0 if it has none that counts. */
  meaning = 0
  /** {@link BREAK} and {@link TAG}. */
  marks = 0
  start = 0
  end = 0
  #text = ''
  #at = 0

  /** Starts at the beginning of a text. */
  open(text: string): void {
    this.#text = text
    this.#at = 0
    this.end = 0
  }

  /** Lets go of the text. */
  close(): void {
    this.#text = ''
  }

  /** Goes to the next word; false behind the last one. */
  next(): boolean {
    const text = this.#text
    const length = text.length
    let at = this.#at
    let marks = 0
    let reads = SEPARATOR
    for (; at < length; at++) {
      reads = READS[text.charCodeAt(at)] ?? 0
      if (reads === SEPARATOR) continue
      if (reads >= SINGLE) break
      if (reads === END) marks |= endsSentence(text, at) ? BREAK : 0
      else if (reads === BACKSLASH) at += escapeChars(text, at)
    }
    if (at >= length) {
      this.#at = length
      return false
    }
    this.start = at
    let hash = SEED
    if (reads === SINGLE) {
      hash = Math.imul(hash ^ text.charCodeAt(at++), PRIME)
    } else {
      for (;;) {
        while (reads > SINGLE) {
          hash = Math.imul(hash ^ reads, PRIME)
          at++
          if (at >= length) break
          reads = READS[text.charCodeAt(at)] ?? 0
        }
        if (reads !== NOTHING || ++at >= length) break
        reads = READS[text.charCodeAt(at)] ?? 0
        if (reads < NOTHING || reads === SINGLE) break
      }
    }
    hash ^= hash >>> 15
    this.#at = at
    this.end = at
    this.hash = hash
    const entry = entryOf(hash)
    const classes = entry < 0 ? 0 : (bits[entry] ?? 0)
    this.meaning = entry < 0 ? 0 : (numbers[entry] ?? 0)
    if (classes & TAG_NAMES && opensTag(text, this.start)) marks |= TAG
    this.marks = marks
    this.classes = classes
    return true
  }
}

const SEED = 0x811c9dc5 | 0
const PRIME = 0x01000193

/** Whether a full stop is one: in names of files, hosts and versions there is no blank behind it. */
function endsSentence(text: string, at: number): boolean {
  const next = text.charCodeAt(at + 1)
  return !isNamePart(next)
}

/** Letters, digits, "/", "~", "_" and "-". */
const isNamePart = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 45 && code <= 57) || code === 95 || code === 126

/** Letters behind a backslash that belong to the escape. */
function escapeChars(text: string, at: number): number {
  const code = text.charCodeAt(at + 1)
  if (code === 110 || code === 114 || code === 116) return 1
  return code === 117 ? 5 : 0
}

/** Whether `<` or `</` stands before it. */
function opensTag(text: string, at: number): boolean {
  if (at === 0) return false
  const before = text.charCodeAt(at - 1)
  return before === 60 || (before === 47 && at > 1 && text.charCodeAt(at - 2) === 60)
}

const WORD = /[\p{L}\p{N}\p{M}]/u
/** Up to here each character is looked up; those behind are told by their blocks, which takes no time at a start. */
const LOOKED_UP = 0x600
/** Blocks of Unicode, ascending: from where on, and what the characters read as; a letter each where it is `null`. */
const BLOCKS: readonly (readonly [number, number | null])[] = [
  [0x600, null],
  [0x0e00, SINGLE], // Thai
  [0x0e80, null],
  [0x2000, SEPARATOR], // punctuation, symbols, arrows, boxes
  [0x2c00, null],
  [0x2e00, SEPARATOR],
  [0x2e80, SINGLE], // Chinese and Japanese
  [0x3000, SEPARATOR],
  [0x3040, SINGLE],
  [0xa000, null],
  [0xd800, SEPARATOR], // halves of surrogate pairs, private use
  [0xf900, SINGLE],
  [0xfb00, null],
  [0xff00, SEPARATOR],
]

const READS = new Uint16Array(CHARS)

function fillReads(): void {
  for (let code = 0; code < LOOKED_UP; code++) {
    const char = String.fromCharCode(code)
    if (/\p{N}/u.test(char)) READS[code] = 48
    else if (WORD.test(char)) READS[code] = char.toLowerCase().charCodeAt(0)
  }
  BLOCKS.forEach(([from, reads], index) => {
    const end = BLOCKS[index + 1]?.[0] ?? CHARS
    for (let code = from; code < end; code++) READS[code] = reads ?? code
  })
  for (const char of '.!?;\u3002\uff01\uff1f') READS[char.charCodeAt(0)] = END
  for (const char of "'\u2019\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff") READS[char.charCodeAt(0)] = NOTHING
  READS[92] = BACKSLASH
}
fillReads()

const keys = new Int32Array(KEYS)
const bits = new Int32Array(KEYS)
const numbers = new Uint8Array(KEYS)

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
    let at = reader.hash & (KEYS - 1)
    while (keys[at] !== 0 && keys[at] !== reader.hash) at = (at + 1) & (KEYS - 1)
    keys[at] = reader.hash
    bits[at] = (bits[at] ?? 0) | (classes.get(word) ?? 0)
    numbers[at] = numbers[at] || (known.get(word) ?? 0)
  }
}
learn()
