import { hash } from 'node:crypto'
import { type EventFinding, FINDING_ACTIONS, FINDING_PLACES_MAX, type FindingPlace } from '@agentcostcontrol/contract'
import type { Decided } from './decide.ts'
import type { Inspection } from './inspection.ts'

const HASH_DIGITS = 32
/** Most entries that tell the tool; of more, tools are summed. */
const BY_TOOL_MAX = 128
/** Most entries of a direction: an event holds 1 024 of both, and more would have it refused, with what it cost. */
const ENTRIES_MAX = 480

/** Findings of one kind: the first one without its text, and what is told of all. */
interface Kind {
  readonly first: Decided
  count: number
  score: number
  readonly places: FindingPlace[]
}

/**
 * What an event keeps of findings: one entry a kind and source, so that neither its size nor what is kept until then grows
 * with their number. Of a streamed text only a window is kept, so its places are not told.
 */
export class EventFindings {
  readonly #set: Inspection['set']
  #kinds = new Map<string, Kind>()
  #tellsTools = true

  constructor({ set }: Pick<Inspection, 'set'>) {
    this.#set = set
  }

  /** Takes findings in. */
  add(decided: readonly Decided[]): void {
    for (const one of decided) {
      const { finding, text } = one
      const key = keyOf(one, this.#tellsTools)
      let kind = this.#kinds.get(key)
      if (!kind) {
        kind = { first: { ...one, text: { ...text, text: '' } }, count: 0, score: 0, places: [] }
        this.#kinds.set(key, kind)
      }
      kind.count++
      kind.score = Math.max(kind.score, finding.score)
      if (text.whole && kind.places.length < FINDING_PLACES_MAX) kind.places.push(placeOf(one))
      if (this.#tellsTools && this.#kinds.size > BY_TOOL_MAX) this.#sumTools()
    }
  }

  /** The entries, strongest first. @param inspectionUs how long the inspection took; `null` for a stream */
  entries(direction: 'request' | 'response', inspectionUs: number | null): readonly EventFinding[] {
    return [...this.#kinds.values()]
      .toSorted(strongestFirst)
      .slice(0, ENTRIES_MAX)
      .map(({ first: { finding, text, action, enforced }, count, score, places }) => {
        const { detectorId, ruleId, severity, category, taxonomy } = finding
        return {
          detectorId,
          ruleId,
          severity,
          direction,
          action,
          mode: enforced ? ('enforce' as const) : ('audit' as const),
          count,
          detail: {
            source: text.source,
            tool: (this.#tellsTools ? text.tool : undefined) ?? null,
            category,
            score,
            detectorVersion: this.#set.byId.get(detectorId)?.version ?? '',
            taxonomy,
            inspectionUs,
            places,
          },
        }
      })
  }

  /** There are too many kinds to tell each tool. */
  #sumTools(): void {
    this.#tellsTools = false
    const kinds = new Map<string, Kind>()
    for (const each of this.#kinds.values()) {
      const key = keyOf(each.first, false)
      const kind = kinds.get(key)
      if (!kind) {
        kinds.set(key, each)
        continue
      }
      kind.count += each.count
      kind.score = Math.max(kind.score, each.score)
      kind.places.push(...each.places.slice(0, FINDING_PLACES_MAX - kind.places.length))
    }
    this.#kinds = kinds
  }
}

/** What an event keeps of the findings of a request or a plain answer. @param inspectionUs how long the inspection took */
export function toEventFindings(
  decided: readonly Decided[],
  direction: 'request' | 'response',
  inspection: Inspection,
  inspectionUs: number,
): readonly EventFinding[] {
  const findings = new EventFindings(inspection)
  findings.add(decided)
  return findings.entries(direction, inspectionUs)
}

function keyOf({ finding, text, action, enforced }: Decided, tellsTools: boolean): string {
  const { detectorId, ruleId, severity } = finding
  return [detectorId, ruleId, severity, text.source, action, enforced, tellsTools ? text.tool : undefined].join(' ')
}

const rankOf = ({ first }: Kind): number =>
  FINDING_ACTIONS.indexOf(first.action) + (first.enforced ? FINDING_ACTIONS.length : 0)

const strongestFirst = (a: Kind, b: Kind): number => rankOf(b) - rankOf(a)

const placeOf = ({ finding: { start, end }, text }: Decided): FindingPlace => ({
  textHash: hash('sha256', text.text).slice(0, HASH_DIGITS),
  start,
  end,
})
