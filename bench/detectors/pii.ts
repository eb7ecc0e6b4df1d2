import { PII_TYPES } from '@agentcostcontrol/detectors'
import type { PiiRow } from './rows.ts'

/** How well one type of personal data is found. */
export interface PiiFigures {
  readonly type: string
  /** Of what was found as this type, the share that is; `null` if nothing was. */
  readonly precision: number | null
  /** Of what is of this type, the share that was found; `null` if there is none. */
  readonly recall: number | null
  readonly spans: number
}

/** The type that a rule finds: Presidio's where there is one for it, else the rule's own name. */
const typeOfRule = (ruleId: string): string => PII_TYPES[ruleId] ?? ruleId.toUpperCase().replaceAll('-', '_')

/** Something that was found in a row. */
export interface PiiFound {
  readonly ruleId: string
  readonly start: number
  readonly end: number
}

interface Count {
  spans: number
  recalled: number
  found: number
  right: number
}

/** Precision and recall by type: what overlaps counts as found. */
export function piiFigures(
  rows: readonly { readonly row: PiiRow; readonly found: readonly PiiFound[] }[],
): readonly PiiFigures[] {
  const counts = new Map<string, Count>()
  const of = (type: string): Count => {
    const count = counts.get(type) ?? { spans: 0, recalled: 0, found: 0, right: 0 }
    counts.set(type, count)
    return count
  }
  for (const { row, found } of rows) {
    const typed = found.map((one) => ({ ...one, type: typeOfRule(one.ruleId) }))
    for (const span of row.spans) {
      const count = of(span.type)
      count.spans++
      if (typed.some((one) => one.type === span.type && overlap(one, span))) count.recalled++
    }
    for (const one of typed) {
      const count = of(one.type)
      count.found++
      if (row.spans.some((span) => span.type === one.type && overlap(one, span))) count.right++
    }
  }
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([type, { spans, recalled, found, right }]) => ({
      type,
      precision: found === 0 ? null : right / found,
      recall: spans === 0 ? null : recalled / spans,
      spans,
    }))
}

interface Span {
  readonly start: number
  readonly end: number
}

const overlap = (a: Span, b: Span): boolean => a.start < b.end && b.start < a.end
