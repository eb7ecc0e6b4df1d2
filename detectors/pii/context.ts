/** Finds the word nearest before a place that says what a number there is. */
import { isDigit } from '../scan/ascii.ts'
import { isEscape, isGlue, isWordChar } from './chars.ts'
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
const ANY = new RegExp(
  `(?:${words.map(escaped).join('|')})(?=[ _-]?(?:numbers?|num|nr|no|code)?(?![${LETTER}0-9]))|${unspaced.join('|')}`,
  'iy',
)
/** The first words of those of several, at the end of a text: the next one may be on its way. */
const beginnings = words
  .filter((word) => /[ -]/.test(word))
  .flatMap((word) => [...word.matchAll(/[ -]/g)].map(({ index }) => word.slice(0, index)))
const BEGUN = new RegExp(
  `(?:(?<![${LETTER}])(?:${[...new Set(beginnings)].map(escaped).join('|')})[ _-][${LETTER}0-9.']*|${unspaced.flatMap((word) => [...word].map((_, index) => word.slice(0, index + 1))).join('|')})$`,
  'i',
)
const BEGUN_CHARS = Math.max(...all.map((word) => word.length)) + 1

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

/** The first two letters of words, and whether a keyword begins so; others are not compared. */
const PAIRS = new Uint8Array(1024)
const pairOf = (one: number, two: number): number => ((one & 31) << 5) | (two & 31)
for (const word of words) PAIRS[pairOf(word.charCodeAt(0), word.charCodeAt(1))] = 1

function lastIn(text: string, from: number, to: number): NearestKeyword | null {
  let last: NearestKeyword | null = null
  let before = from > 0 ? text.charCodeAt(from - 1) : 0
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    const isStart = code > 0x24f || (code > 64 && !isDigit(code) && !isLetter(before))
    before = code
    if (!isStart || (code < 0x24f && PAIRS[pairOf(code, text.charCodeAt(at + 1))] === 0)) continue
    ANY.lastIndex = at
    const match = ANY.exec(text)
    if (match) last = { start: at, groups: groupsOf.get(plain(match[0])) ?? NOTHING }
  }
  return last
}

const isLetter = (code: number): boolean => isWordChar(code) && !isDigit(code)

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
  at === 0 || !isWordChar(text.charCodeAt(at - 1)) || isEscape(text, at - 1)
