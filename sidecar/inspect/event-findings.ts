import { hash } from 'node:crypto'
import { type EventFinding, FINDING_PLACES_MAX, type FindingPlace } from '@agentcostcontrol/contract'
import type { Decided } from './decide.ts'
import type { Inspection } from './inspection.ts'

const HASH_DIGITS = 32

/**
 * What an event keeps of findings: one entry a kind and source, so that its size does not grow with their number. Of a
 * streamed text only a window is kept, so its places are not told.
 * @param inspectionUs how long the inspection took; `null` for a stream
 */
export function toEventFindings(
  decided: readonly Decided[],
  direction: 'request' | 'response',
  { set }: Inspection,
  inspectionUs: number | null,
): readonly EventFinding[] {
  const kinds = new Map<string, Decided[]>()
  for (const one of decided) {
    const { finding, text, action, enforced } = one
    const key = [finding.detectorId, finding.ruleId, finding.severity, text.source, text.tool, action, enforced].join(
      ' ',
    )
    const kind = kinds.get(key)
    if (kind) kind.push(one)
    else kinds.set(key, [one])
  }
  return [...kinds.values()].flatMap((kind) => {
    const [first] = kind
    if (!first) return []
    const { finding, text, action, enforced } = first
    const { detectorId, ruleId, severity, category, taxonomy } = finding
    return {
      detectorId,
      ruleId,
      severity,
      direction,
      action,
      mode: enforced ? ('enforce' as const) : ('audit' as const),
      count: kind.length,
      detail: {
        source: text.source,
        tool: text.tool ?? null,
        category,
        score: kind.reduce((highest, each) => Math.max(highest, each.finding.score), 0),
        detectorVersion: set.byId.get(detectorId)?.version ?? '',
        taxonomy,
        inspectionUs,
        places: kind
          .filter((each) => each.text.whole)
          .slice(0, FINDING_PLACES_MAX)
          .map(placeOf),
      },
    }
  })
}

const placeOf = ({ finding: { start, end }, text }: Decided): FindingPlace => ({
  textHash: hash('sha256', text.text).slice(0, HASH_DIGITS),
  start,
  end,
})
