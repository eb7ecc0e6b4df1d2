/** One pass over a text that is not all ASCII: what is not seen in it, and what passes for something else. */
import type { Piece } from './decoded.ts'
import { decodeBits, decodeSelectors, decodeTags } from './hidden.ts'
import { fold, mixedWord } from './look-alikes.ts'

/** Something that is told for itself, whatever it says. */
export interface Oddity {
  readonly rule: 'hidden-text' | 'bidi-override' | 'mixed-script'
  readonly start: number
  readonly end: number
}

/** What a text holds of both. */
export interface Odd {
  readonly oddities: readonly Oddity[]
  /** Runs of what is not seen, decoded. */
  readonly hidden: readonly Piece[]
  /** Stretches with letters that pass for others, as they are read. */
  readonly folded: readonly Piece[]
}

/** Tags, selectors, and pairs of characters without width that spell three letters: no honest text has so many in a row. */
const RUN =
  /(?<tags>(?:\udb40[\udc00-\udc7f]){4,4096})|(?<selectors>(?:[\ufe00-\ufe0f]|\udb40[\udd00-\uddef]){4,4096})|(?<bits>[\u200b-\u200d\u2060-\u2064\ufeff\u180e\u00ad]{24,4096})/y
const DIVIDED = /[A-Za-z0-9][\u200b-\u200d\u2060\ufeff]{1,4}(?=[A-Za-z0-9])/y
const STYLED = /(?:[\uff21-\uff5a]|\ud835[\udc00-\udfff]){4}/y
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/
const NEARBY_CHARS = 40
/** A region's flag: up to six letters and the end of it, behind a black flag. */
const FLAG_UNITS_MAX = 14
const FLAG = '\ud83c\udff4'
/** How much around a word that is not what it looks like is read together with it. */
const FOLD_BEFORE_CHARS = 64
const FOLD_AFTER_CHARS = 256
const ODDITIES_MAX = 256

const NOTHING = 0
const OTHER_LETTER = 2
const STYLED_LETTER = 3
const OVERRIDE = 4
const TAG = 5
const SELECTOR = 6
const ZERO_WIDTH = 7
const KIND = new Uint8Array(65_536)
KIND.fill(OTHER_LETTER, 0x370, 0x530)
KIND.fill(STYLED_LETTER, 0xff21, 0xff5b)
KIND.fill(SELECTOR, 0xfe00, 0xfe10)
for (const code of [0xad, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xfeff])
  KIND[code] = ZERO_WIDTH
KIND[0xd835] = STYLED_LETTER
KIND[0x202e] = OVERRIDE
KIND[0xdb40] = TAG

/** Looks once at every character. @param units its code units @param onlyHidden for a text of which nothing but hidden runs is to be told */
export function oddIn(text: string, units: Uint16Array, onlyHidden: boolean): Odd {
  const oddities: Oddity[] = []
  const hidden: Piece[] = []
  const folds: { start: number; end: number }[] = []
  const tell = (oddity: Oddity): void => {
    if (oddities.length < ODDITIES_MAX) oddities.push(oddity)
  }
  const disguised = (start: number, end: number): void => {
    const last = folds.at(-1)
    const from = Math.max(0, start - FOLD_BEFORE_CHARS)
    if (last && from <= last.end) last.end = Math.min(text.length, end + FOLD_AFTER_CHARS)
    else folds.push({ start: from, end: Math.min(text.length, end + FOLD_AFTER_CHARS) })
  }
  let wordEnd = 0
  const mixed = (at: number): void => {
    if (onlyHidden || at < wordEnd) return
    const { start, end, isDisguised } = mixedWord(text, at)
    wordEnd = end
    if (!isDisguised) return
    tell({ rule: 'mixed-script', start, end })
    disguised(start, end)
  }
  const { length } = text
  let before = NOTHING
  for (let at = 0; at < length; at++) {
    const code = units[at] ?? 0
    if (code < 0x80) {
      if (before === OTHER_LETTER && isLatin(code)) mixed(at)
      before = NOTHING
      while (at + 1 < length && (units[at + 1] ?? 0) < 0x80) at++
      continue
    }
    const kind = KIND[code] ?? NOTHING
    if (kind === before && kind !== TAG) continue
    before = kind
    if (kind === NOTHING) continue
    if (kind >= TAG) {
      const run = hiddenAt(text, at)
      if (run) {
        if (run.piece) hidden.push(run.piece)
        at = run.end - 1
        before = NOTHING
      } else if (!onlyHidden && matches(DIVIDED, text, at - 1)) disguised(at, at + 1)
    } else if (kind === OTHER_LETTER) {
      if (isLatin(units[at - 1] ?? 0)) mixed(at)
    } else if (onlyHidden) continue
    else if (kind === OVERRIDE) {
      const around = text.slice(Math.max(0, at - NEARBY_CHARS), at + NEARBY_CHARS)
      if (!RIGHT_TO_LEFT.test(around)) tell({ rule: 'bidi-override', start: at, end: at + 1 })
    } else if (matches(STYLED, text, at)) disguised(at, at + 1)
  }
  const folded = folds.map(
    ({ start, end }): Piece => ({ way: 'look-alikes', start, end, decoded: fold(text, start, end) }),
  )
  return { oddities, hidden, folded }
}

const isLatin = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122

function matches(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = Math.max(0, at)
  return pattern.test(text)
}

/** The run of hidden characters that begins at an offset; without a piece if it is honest or says nothing. */
function hiddenAt(text: string, start: number): { readonly end: number; readonly piece: Piece | null } | null {
  RUN.lastIndex = start
  const match = RUN.exec(text)
  if (!match) return null
  const [run] = match
  const end = start + run.length
  const piece = (way: Piece['way'], decoded: Piece['decoded'] | null): Piece | null =>
    decoded && decoded.text.length > 2 ? { way, start, end, decoded } : null
  const { tags, selectors } = match.groups ?? {}
  if (tags !== undefined) {
    const isFlag = run.length <= FLAG_UNITS_MAX && run.endsWith('\udc7f') && text.slice(start - 2, start) === FLAG
    return { end, piece: isFlag ? null : piece('tag-characters', decodeTags(run, start)) }
  }
  if (selectors !== undefined) return { end, piece: piece('variation-selectors', decodeSelectors(run, start)) }
  return { end, piece: piece('zero-width', decodeBits(run, start)) }
}
