import { hash } from 'node:crypto'
import { type EventFinding, FINDING_ACTIONS, FINDING_PLACES_MAX, type FindingPlace } from '@agentcostcontrol/contract'
import type { Decided } from './decide.ts'
import type { Inspection } from './inspection.ts'

const HASH_DIGITS = 32
/** Most entries that tell the tool; of more, tools are summed. */
const BY_TOOL_MAX = 128
/** Most entries of a direction: an event holds 1 024 of both, and more would have it refused, with what it cost. */
const ENTRIES_MAX = 480

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
  const byTool = kindsOf(decided, ({ text }) => text.tool)
  const isFew = byTool.length <= BY_TOOL_MAX
  const kinds = isFew ? byTool : kindsOf(decided, () => undefined)
  return kinds
    .toSorted(strongestFirst)
    .slice(0, ENTRIES_MAX)
    .flatMap((kind) => {
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
          tool: (isFew ? text.tool : undefined) ?? null,
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

/** Findings of one kind together. */
function kindsOf(
  decided: readonly Decided[],
  toolOf: (one: Decided) => string | undefined,
): readonly (readonly Decided[])[] {
  const kinds = new Map<string, Decided[]>()
  for (const one of decided) {
    const { finding, text, action, enforced } = one
    const { detectorId, ruleId, severity } = finding
    const key = [detectorId, ruleId, severity, text.source, action, enforced, toolOf(one)].join(' ')
    const kind = kinds.get(key)
    if (kind) kind.push(one)
    else kinds.set(key, [one])
  }
  return [...kinds.values()]
}

const rankOf = ([first]: readonly Decided[]): number =>
  first === undefined ? -1 : FINDING_ACTIONS.indexOf(first.action) + (first.enforced ? FINDING_ACTIONS.length : 0)

const strongestFirst = (a: readonly Decided[], b: readonly Decided[]): number => rankOf(b) - rankOf(a)

const placeOf = ({ finding: { start, end }, text }: Decided): FindingPlace => ({
  textHash: hash('sha256', text.text).slice(0, HASH_DIGITS),
  start,
  end,
})
