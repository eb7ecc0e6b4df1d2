import type { Finding } from '@agentcostcontrol/contract'

/**
 * Writes what stands in a text in place of a finding.
 * @param matched the text that was found
 * @param start where it was found
 */
export type PlaceholderOf = (finding: Pick<Finding, 'detectorId' | 'ruleId'>, matched: string, start?: number) => string

/** A placeholder that depends on the rule alone. */
export const ruleName: PlaceholderOf = ({ ruleId }) => `[REDACTED:${ruleId}]`

/**
 * Replaces every finding's span by its placeholder. Spans that overlap become one, named by the first of them that is
 * the most severe; offsets outside the text are cut to it. The findings may come in any order.
 */
export function redactText(
  text: string,
  findings: readonly Finding[],
  placeholderOf: PlaceholderOf = ruleName,
): string {
  let redacted = ''
  let at = 0
  for (const { start, end, detectorId, ruleId } of mergeFindings(findings)) {
    if (end <= at || start >= text.length) continue
    const from = Math.max(at, start)
    redacted += text.slice(at, from) + placeholderOf({ detectorId, ruleId }, text.slice(from, end), from)
    at = end
  }
  return at === 0 ? text : redacted + text.slice(at)
}

const RANK = { low: 0, medium: 1, high: 2, critical: 3 } as const

/** Ascending by start, overlapping ones united under the most severe (then the most certain, then the first). */
export function mergeFindings<F extends Finding>(findings: readonly F[]): readonly F[] {
  if (findings.length < 2) return findings
  const merged: F[] = []
  for (const finding of findings.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = merged.at(-1)
    if (!last || finding.start >= last.end) {
      merged.push(finding)
      continue
    }
    const byRank = RANK[finding.severity] - RANK[last.severity] || finding.score - last.score
    merged[merged.length - 1] = {
      ...(byRank > 0 ? finding : last),
      start: last.start,
      end: Math.max(last.end, finding.end),
    }
  }
  return merged
}
