import { isDigit } from '../scan/ascii.ts'
import { digitsOf, isWordChar, mayBeginAt } from './chars.ts'
import { isNorthAmerican, judgeInternational } from './phone-plan.ts'

/** Where a phone number stands. */
export interface PhoneMatch {
  readonly start: number
  readonly end: number
  readonly score: number
}

const EXTENSION = '(?: ?(?:x|ext[.]?) ?\\d{1,5})?'
const END = '(?![A-Za-z0-9_]|[-./@][A-Za-z0-9])'
/** Ten digits as North America groups them: with brackets, dashes or dots. */
const NORTH_AMERICAN = new RegExp(
  `(?:1[-. ])?(?:\\(\\d{3}\\) ?\\d{3}[-.]\\d{4}|\\d{3}-\\d{3}-\\d{4}|\\d{3}[.]\\d{3}[.]\\d{4})${EXTENSION}${END}`,
  'y',
)
const TAIL = new RegExp(`${EXTENSION}${END}`, 'y')

/** What is a date and no number, also behind a word like "call". */
const DATE = /(?:(?:19|20)\d\d[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./](?:19|20)\d\d)(?!\d)/y

const DIGITS_MIN = 7
const DIGITS_MAX = 15
/** A national number has a leading zero more than an international one has not. */
const NATIONAL_DIGITS_MAX = 12
/** More groups than a number has; a row of figures has more. */
const GROUPS_MAX = 6

/** The most characters of a number, with brackets and an extension. */
export const PHONE_CHARS_MAX = 40
/** At the end of a text: what a number may begin with, and has not ended. */
export const PHONE_BEGUN = /(?:\+|\+?\(|\+?\(?\d[\d ()./-]{0,32}(?: ?(?:x|e|ex|ext[.]?) ?\d{0,5})?)$/y

/** Cheap: whether the row of digits from `digit` to `end` can begin a phone number at all. */
export function mayBePhone(codes: Uint16Array, digit: number, end: number): boolean {
  const before = digit > 0 ? codes[digit - 1] : 0
  if (before === 43) return true
  if (before !== 40 && !mayBeginAt(codes, digit)) return false
  if (end - digit >= DIGITS_MIN) return end - digit <= NATIONAL_DIGITS_MAX
  if (!isSeparator(codes[end] ?? 0)) return false
  const after = codes[end + 1] ?? 0
  return isDigit(after) || isSeparator(after)
}

/**
 * A phone number whose first digit stands at `digit`. `said` tells, when asked, whether a word nearby speaks of a phone;
 * without one only numbers with "+" that a country's plan has and those of North America in their usual look count.
 */
export function phoneAt(text: string, digit: number, said: () => boolean): PhoneMatch | null {
  const bracket = digit > 0 && text.charCodeAt(digit - 1) === 40
  const first = bracket ? digit - 1 : digit
  if (first > 0 && text.charCodeAt(first - 1) === 43) return international(text, first - 1, said)
  if (bracket || isDashed(text, digit)) {
    NORTH_AMERICAN.lastIndex = first
    const match = NORTH_AMERICAN.exec(text)?.[0]
    if (match !== undefined && isNorthAmerican(digitsOf(match).replace(/^1/, '').slice(0, 10))) {
      return { start: first, end: first + match.length, score: said() ? 0.95 : 0.7 }
    }
  }
  return said() ? national(text, first) : null
}

/** Three digits, a dash or dot, and the same four places on; or "1" and a separator. */
function isDashed(text: string, digit: number): boolean {
  if (text.charCodeAt(digit) === 49 && !isDigit(text.charCodeAt(digit + 1))) {
    const next = text.charCodeAt(digit + 1)
    return next === 45 || next === 46 || next === 32
  }
  const next = text.charCodeAt(digit + 3)
  return (next === 45 || next === 46) && text.charCodeAt(digit + 7) === next
}

function international(text: string, start: number, said: () => boolean): PhoneMatch | null {
  if (start > 0 && isWordChar(text.charCodeAt(start - 1))) return null
  for (const end of endsFrom(text, start + 1)) {
    const digits = digitsOf(text.slice(start, end).replace('(0)', ''))
    if (digits.length < DIGITS_MIN || digits.length > DIGITS_MAX) continue
    const verdict = judgeInternational(digits)
    if (verdict === 'valid') return { start, end: withTail(text, end), score: said() ? 0.95 : 0.85 }
    if (verdict === 'possible' && said()) return { start, end: withTail(text, end), score: 0.8 }
  }
  return null
}

function national(text: string, start: number): PhoneMatch | null {
  DATE.lastIndex = start
  if (DATE.test(text)) return null
  for (const end of endsFrom(text, start)) {
    const digits = digitsOf(text.slice(start, end))
    if (digits.length < DIGITS_MIN || digits.length > (digits.startsWith('00') ? DIGITS_MAX : NATIONAL_DIGITS_MAX))
      continue
    return { start, end: withTail(text, end), score: 0.7 }
  }
  return null
}

function withTail(text: string, end: number): number {
  TAIL.lastIndex = end
  return TAIL.test(text) ? TAIL.lastIndex : end
}

/** Where a number that begins at `start` may end, the longest first: behind each group of digits. */
function endsFrom(text: string, start: number): readonly number[] {
  const ends: number[] = []
  let [at, digits, separators, groups] = [start, 0, 0, 0]
  const limit = Math.min(text.length, start + PHONE_CHARS_MAX)
  for (; at < limit; at++) {
    const code = text.charCodeAt(at)
    if (isDigit(code)) {
      if (separators > 0 || digits === 0) groups++
      digits++
      separators = 0
      if (digits > DIGITS_MAX + 1) return []
      if (at + 1 === text.length || !isDigit(text.charCodeAt(at + 1))) ends.push(at + 1)
      continue
    }
    // ") " and " (" are two; a dash with blanks around is none.
    separators++
    if (!isSeparator(code) || separators > 2) break
  }
  if (groups > GROUPS_MAX) return []
  return ends.reverse().filter((end) => mayEnd(text, end))
}

const isSeparator = (code: number): boolean =>
  code === 32 || code === 45 || code === 46 || code === 47 || code === 40 || code === 41

/** Not in the middle of a word, and no extension cut off from it. */
function mayEnd(text: string, end: number): boolean {
  if (end === text.length) return true
  const code = text.charCodeAt(end)
  if (code === 120 || code === 101) return withTail(text, end) > end
  if (isWordChar(code) || code === 95) return false
  return !((code === 45 || code === 46 || code === 47 || code === 64) && isWordChar(text.charCodeAt(end + 1)))
}
