import type { DetectorId, Finding, SegmentSource, Severity, Taxonomy } from '@agentcostcontrol/contract'
import { SEVERITIES } from '@agentcostcontrol/contract'
import type { Grades } from '../types.ts'
import { MODEL_RULE, type Region, together } from './regions.ts'

/** What the findings of a detector of orders have in common. */
export interface OrderDetector {
  readonly id: DetectorId
  readonly grades: Readonly<Partial<Record<SegmentSource, Grades>>>
  readonly taxonomy: Taxonomy
}

/** The highest severity whose least score is reached; the lowest if none is. */
function severityOf(score: number, grades: Grades = {}): Severity {
  let severity: Severity = 'low'
  for (const each of SEVERITIES) if (score >= (grades[each] ?? Number.POSITIVE_INFINITY)) severity = each
  return severity
}

/** The finding of a region. */
export function toFinding(
  { id, grades, taxonomy }: OrderDetector,
  { scores, ruleId, start, end }: Region,
  source: SegmentSource,
): Finding {
  const score = Math.round(together(scores.values()) * 1_000) / 1_000
  // A rule says more to people than the model does.
  const named = ruleId === MODEL_RULE ? ([...scores.keys()].find((rule) => rule !== MODEL_RULE) ?? MODEL_RULE) : ruleId
  return {
    detectorId: id,
    ruleId: named,
    category: id,
    severity: severityOf(score, grades[source]),
    score,
    start,
    end,
    taxonomy,
  }
}
