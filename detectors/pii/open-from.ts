/** Where a text is still open: what a stream must hold back. */
import { isDigit } from '../scan/ascii.ts'
import { Beginnings } from './beginnings.ts'
import { isGlue } from './chars.ts'
import { beginningsOf, FORMS_BEGUN } from './compile.ts'
import { begunKeyword, CONTEXT_CHARS, ContextReader, glueStart, startsWord } from './context.ts'
import { NAME_PATTERNS } from './names.ts'
import { PHONE_BEGUN, PHONE_CHARS_MAX } from './phone.ts'
import { spansIn } from './scan.ts'

/** Characters that belong together (a path, a row of figures) are held as a whole up to this many. */
export const HOLD_CHARS_MAX = 1_024
/** The most characters of a form: a street with its unit. */
const REACH_CHARS = 128

const BEGUN = new Beginnings([...FORMS_BEGUN, ...beginningsOf(NAME_PATTERNS)])

/** {@link Detector.openFrom} of personal data. */
export function openFrom(text: string): number {
  const floor = Math.max(0, text.length - HOLD_CHARS_MAX)
  const tail = floor === 0 ? text : text.slice(floor)
  const spans = spansIn(tail)
  let open = Math.min(begunForm(tail), begunKeyword(tail))
  for (let cut = -1; cut !== open; ) {
    cut = open
    open = rowStart(tail, glueStart(tail, open))
    for (const { start, end } of spans) if (start < open && end > open) open = start
    open = keywordBefore(tail, open)
  }
  // Half of a surrogate pair stays with its other half.
  if (open === tail.length && open > 0 && (tail.charCodeAt(open - 1) & 0xfc00) === 0xd800) open--
  return floor + open
}

/** The first place near the end where something has begun and not ended. */
function begunForm(text: string): number {
  const first = Math.max(0, text.length - REACH_CHARS)
  const firstPhone = Math.max(0, text.length - PHONE_CHARS_MAX)
  for (let at = first; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (at >= firstPhone && (isDigit(code) || code === 43 || code === 40) && isAt(PHONE_BEGUN, text, at)) return at
    if (startsWord(text, at) && isGlue(code) && BEGUN.isAt(text, at)) return at
  }
  return text.length
}

function isAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}

/** Steps back over figures with single blanks between them: what stands before a number may make it another. */
function rowStart(text: string, from: number): number {
  let start = from
  while (start > 1 && text.charCodeAt(start - 1) === 32 && isDigit(text.charCodeAt(start - 2))) {
    start = glueStart(text, start - 1)
  }
  return start
}

/** Steps back to the word that speaks for what follows. */
function keywordBefore(text: string, open: number): number {
  const { start } = new ContextReader(text).nearest(open)
  return open - start <= CONTEXT_CHARS ? start : open
}
