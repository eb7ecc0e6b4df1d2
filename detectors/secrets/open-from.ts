/** Where a text is still open: what a stream must hold back. */
import { isAlnum, isSpace, isWord } from '../scan/ascii.ts'
import type { CompiledRule } from './compile.ts'
import { type Engine, HOLD_CHARS_MAX, mayBegin, type Place } from './engine.ts'
import { endKey } from './keyword-ends.ts'
import { matchesAt } from './match.ts'

/** {@link Detector.openFrom} of the secrets. */
export function openFrom(engine: Engine, text: string): number {
  const floor = Math.max(0, text.length - HOLD_CHARS_MAX)
  const tail = floor === 0 ? text : text.slice(floor)
  const places = engine.placesIn(tail)
  const begun = Math.min(begunRule(engine, places, tail), begunKeyword(engine, tail))
  let open = beforeMatches(engine, places, tail, begun)
  // Half of a surrogate pair stays with its other half.
  if (open === tail.length && open > 0 && (tail.charCodeAt(open - 1) & 0xfc00) === 0xd800) open--
  return floor + open
}

/** The first place where a rule has begun and not ended. */
function begunRule(engine: Engine, places: readonly Place[], text: string): number {
  let open = text.length
  for (const { rule, start } of places) if (start < open && isBegun(rule, text, start)) open = start
  return Math.min(open, begunLed(engine, text))
}

/** The same of rules whose keyword is still to come: in the last word. */
function begunLed({ led, ledCharsMax, ledLooksBack }: Engine, text: string): number {
  const first = Math.max(0, text.length - ledCharsMax)
  let open = text.length
  for (let start = text.length - 1; start >= first && !isSpace(text.charCodeAt(start)); start--) {
    if (ledLooksBack && start > 0 && isAlnum(text.charCodeAt(start - 1))) continue
    if (led.some((rule) => mayBegin(rule, text, start) && isBegun(rule, text, start))) open = start
  }
  return open
}

function isBegun(rule: CompiledRule, text: string, start: number): boolean {
  if (start + rule.reachChars < text.length) return false
  rule.beginning.lastIndex = start
  return rule.beginning.test(text)
}

/** The first place in the last characters where a keyword has begun and not ended. */
function begunKeyword(engine: Engine, text: string): number {
  const end = text.length
  const [first, second] = [text.charCodeAt(end - 2), text.charCodeAt(end - 1)]
  const lengths = (first < 128 && second < 128 ? engine.lengthsByEnd[endKey(first, second)] : undefined) ?? NONE
  for (const length of lengths) if (length <= end && beginsKeyword(engine, text, end - length)) return end - length
  return end > 0 && beginsKeyword(engine, text, end - 1) ? end - 1 : end
}

const NONE: readonly number[] = []

const beginsKeyword = ({ guarded, free }: Engine, text: string, start: number): boolean =>
  free.begins(text, start, text.length) ||
  ((start === 0 || !isAlnum(text.charCodeAt(start - 1))) && guarded.begins(text, start, text.length))

/** Steps back before every match that a cut would divide, with the text that led to it and what must precede that. */
function beforeMatches(engine: Engine, places: readonly Place[], text: string, begun: number): number {
  const matches = matchesAt(places, text)
  let open = begun
  for (let cut = -1; cut !== open; ) {
    cut = open
    for (const { from, finding } of matches) if (from < open && finding.end > open) open = from
    open = keepingWhatPrecedes(engine, text, open)
  }
  return open
}

/**
 * Steps back over letters, digits and dashes as long as something would seem to begin at the cut that, with them in
 * front, does not: whoever drops the released text must come to the same findings.
 */
function keepingWhatPrecedes(engine: Engine, text: string, open: number): number {
  let kept = open
  while (kept > 0 && isWord(text.charCodeAt(kept - 1)) && mightBegin(engine, text, kept)) kept--
  return kept
}

function mightBegin({ guarded, led }: Engine, text: string, start: number): boolean {
  if (guarded.begins(text, start, Math.min(text.length, start + 3))) return true
  return led.some((rule) => isBegun(rule, text, start))
}
