/** Where a text is still open: what a stream must hold back. */
import { isAlnum, isSpace, isWord } from '../scan/ascii.ts'
import type { CompiledRule } from './compile.ts'
import { type Engine, HOLD_CHARS_MAX, mayBegin, type Place } from './engine.ts'
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
  for (const rule of engine.led) {
    const first = Math.max(0, text.length - rule.reachChars)
    for (let start = text.length - 1; start >= first && !isSpace(text.charCodeAt(start)); start--) {
      if (start < open && mayBegin(rule, text, start) && isBegun(rule, text, start)) open = start
    }
  }
  return open
}

function isBegun(rule: CompiledRule, text: string, start: number): boolean {
  if (start + rule.reachChars < text.length) return false
  rule.beginning.lastIndex = start
  return rule.beginning.test(text)
}

/** The first place in the last characters where a keyword has begun and not ended. */
function begunKeyword({ guarded, free, keywordCharsMax }: Engine, text: string): number {
  const end = text.length
  for (let start = Math.max(0, end - keywordCharsMax + 1); start < end; start++) {
    if (free.begins(text, start, end)) return start
    if ((start === 0 || !isAlnum(text.charCodeAt(start - 1))) && guarded.begins(text, start, end)) return start
  }
  return end
}

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
