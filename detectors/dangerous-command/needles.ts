import type { CommandRuleId } from './rules.ts'

/** A literal, and what must stand around it. */
export interface Needle {
  readonly rule: CommandRuleId
  /** In lower case. */
  readonly needle: string
  /** Matched against the text around each occurrence; anything if left out. */
  readonly near?: RegExp
}

/** Characters in front of a needle and behind its start that are looked at. */
const BEFORE_CHARS = 120
const AFTER_CHARS = 400
const OCCURRENCES_MAX = 64

/** The first occurrence of each needle that has around it what it must; at most 64 of each are looked at. */
export function* needlesIn(
  text: string,
  lower: string,
  needles: readonly Needle[],
): Generator<{ readonly rule: CommandRuleId; readonly start: number; readonly end: number }> {
  for (const { rule, needle, near } of needles) {
    let at = lower.indexOf(needle)
    for (let count = 0; at !== -1 && count < OCCURRENCES_MAX; count++) {
      if (!near || near.test(text.slice(Math.max(0, at - BEFORE_CHARS), at + AFTER_CHARS))) {
        yield { rule, start: at, end: at + needle.length }
        break
      }
      at = lower.indexOf(needle, at + needle.length)
    }
  }
}
