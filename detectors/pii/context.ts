/** Finds the word nearest before a place that says what a number there is. */
import { codesOf } from '../scan/units.ts'
import { isEscape, isGlue, isLetter, isWordChar } from './chars.ts'
import { KEYWORDS } from './keywords.ts'

/** How far a word speaks for what follows it, from its first character on. */
export const CONTEXT_CHARS = 40

const groupsOf = new Map<string, ReadonlySet<string>>()
for (const [group, words] of Object.entries(KEYWORDS)) {
  for (const word of words) groupsOf.set(plain(word), new Set([...(groupsOf.get(plain(word)) ?? []), group]))
}

const NOTHING: ReadonlySet<string> = new Set()
const escaped = (word: string): string => word.replace(/[.]/g, '\\.').replace(/[ -]/g, '[ _-]')
const all = [...new Set(Object.values(KEYWORDS).flat())].toSorted((a, b) => b.length - a.length)
const words = all.filter((word) => !isUnspaced(word))
/** Words of scripts that put no blanks between words. */
const unspaced = all.filter(isUnspaced)
const LETTER = 'A-Za-z\\u00c0-\\u024f'
/** What may stand behind a keyword; then it ends. */
const END = `(?=[ _-]?(?:numbers?|num|nr|no|code)?(?![${LETTER}0-9]))`
const UNSPACED = new RegExp(unspaced.join('|'), 'iy')
const UNSPACED_FIRST: ReadonlySet<number> = new Set(unspaced.map((word) => word.charCodeAt(0)))
/** The first words of those of several, at the end of a text: the next one may be on its way. */
const beginnings = words
  .filter((word) => /[ -]/.test(word))
  .flatMap((word) => [...word.matchAll(/[ -]/g)].map(({ index }) => word.slice(0, index)))
const BEGUN = new RegExp(
  `(?:(?<=^|[^${LETTER}]|\\\\[nrt])(?:${[...new Set(beginnings)].map(escaped).join('|')})[ _-][${LETTER}0-9.']*|${unspaced.flatMap((word) => [...word].map((_, index) => word.slice(0, index + 1))).join('|')})$`,
  'i',
)
/** With what stands before it: a character, or a line break as JSON writes it. */
const BEGUN_CHARS = Math.max(...all.map((word) => word.length)) + 2

function isUnspaced(word: string): boolean {
  return word.charCodeAt(0) > 0x24f
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[ _-]+/g, ' ')
}

/** Where the nearest word stands, and what it speaks for. */
export interface NearestKeyword {
  readonly start: number
  readonly groups: ReadonlySet<string>
}

/**
 * Looks words up in one text. Asked for places in ascending order it reads no character twice; it keeps no text.
 */
export class ContextReader {
  readonly #text: string
  #readTo = 0
  #last: NearestKeyword = { start: Number.NEGATIVE_INFINITY, groups: NOTHING }

  constructor(text: string) {
    this.#text = text
  }

  /** What the nearest word before `start` speaks for; nothing if it is too far away. */
  groupsAt(start: number): ReadonlySet<string> {
    const nearest = this.nearest(start)
    return start - nearest.start <= CONTEXT_CHARS ? nearest.groups : NOTHING
  }

  /** The nearest word before `start`, at any place that was asked about. */
  nearest(start: number): NearestKeyword {
    const from = Math.max(this.#readTo, start - CONTEXT_CHARS)
    if (start > from) {
      this.#last = lastIn(this.#text, from, start) ?? this.#last
      this.#readTo = start
    }
    return this.#last
  }
}

/** Letters are told apart by their last five bits, in which both cases are the same. */
const bitsOf = (code: number): number => code & 31
const pairOf = (one: number, two: number): number => (bitsOf(one) << 5) | bitsOf(two)
/** A bit for each three letters that a keyword begins with: nothing is compared at others. */
const TRIPLES = new Int32Array(1024)
/** The keywords by their first two letters, the longest first. */
const byPair = new Map<number, string[]>()
for (const word of words) {
  const pair = pairOf(word.charCodeAt(0), word.charCodeAt(1))
  byPair.set(pair, [...(byPair.get(pair) ?? []), escaped(word)])
  TRIPLES[pair] = (TRIPLES[pair] ?? 0) | thirdBits(word[2] ?? '')
}
const PATTERNS: ReadonlyMap<number, RegExp> = new Map(
  [...byPair].map(([pair, all]) => [pair, new RegExp(`(?:${all.join('|')})${END}`, 'iy')]),
)

/** What may stand at the third place; anything behind a word of two letters, and for what is not ASCII. */
function thirdBits(third: string): number {
  if (third === '' || third > '\x7f') return -1
  const chars = /[ -]/.test(third) ? ' _-' : third
  return [...chars].reduce((bits, char) => bits | (1 << bitsOf(char.charCodeAt(0))), 0)
}

function lastIn(text: string, from: number, to: number): NearestKeyword | null {
  const codes = codesOf(text)
  let last: NearestKeyword | null = null
  let isInWord = from > 0 && isLetter(codes[from - 1] ?? 0) && !isEscape(codes, from - 1)
  for (let at = from; at < to; at++) {
    const code = codes[at] ?? 0
    if (code > 0x24f) {
      if (UNSPACED_FIRST.has(code)) last = keywordAt(UNSPACED, text, at) ?? last
    } else if (!isInWord && code > 64) {
      const pair = pairOf(code, codes[at + 1] ?? 0)
      if ((TRIPLES[pair] ?? 0) & (1 << bitsOf(codes[at + 2] ?? 0)))
        last = keywordAt(PATTERNS.get(pair), text, at) ?? last
    }
    isInWord = isLetter(code) && !isEscape(codes, at)
  }
  return last
}

function keywordAt(pattern: RegExp | undefined, text: string, at: number): NearestKeyword | null {
  if (pattern === undefined) return null
  pattern.lastIndex = at
  const match = pattern.exec(text)
  return match && { start: at, groups: groupsOf.get(match[0]) ?? groupsOf.get(plain(match[0])) ?? NOTHING }
}

/** Where a keyword of several words has begun at the end of a text; its length if none has. */
export function begunKeyword(text: string): number {
  const floor = Math.max(0, text.length - BEGUN_CHARS)
  const match = BEGUN.exec(text.slice(floor))
  return match ? floor + match.index : text.length
}

/** The first offset of the characters that belong together at the end of `text` before `end`. */
export function glueStart(text: string, end: number): number {
  let start = end
  while (start > 0 && isGlue(text.charCodeAt(start - 1))) start--
  return start
}

/** Whether a word may begin at an offset. */
export const startsWord = (text: string, at: number): boolean =>
  at === 0 || !isWordChar(text.charCodeAt(at - 1)) || isEscape(codesOf(text), at - 1)
