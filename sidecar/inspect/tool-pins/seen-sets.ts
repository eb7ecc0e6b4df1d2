import type { SegmentFinding } from '../session/session-request.ts'

/** What was found in all the definitions of a request, `at` among the segments of definitions. */
export interface SeenSet {
  readonly findings: readonly SegmentFinding[]
  /** Of the agent's pins, and of what people decided: with others it may be different. */
  readonly epoch: number
  readonly decisions: number
  /** When it is looked at again all the same, on the monotonic clock. */
  readonly untilMs: number
}

/** What an entry weighs beside its findings. */
const ENTRY_WEIGHT = 4
/** Some 6 MB. */
const WEIGHT_MAX = 40_000

/** Sets of definitions that were judged, those not asked for longest going first. */
export class SeenSets {
  readonly #sets = new Map<string, SeenSet>()
  #weight = 0

  get(key: string): SeenSet | undefined {
    const known = this.#sets.get(key)
    if (!known) return undefined
    this.#sets.delete(key)
    this.#sets.set(key, known)
    return known
  }

  set(key: string, set: SeenSet): void {
    const before = this.#sets.get(key)
    if (before) this.#drop(key, before)
    const weight = weightOf(set)
    if (weight > WEIGHT_MAX / 8) return
    this.#sets.set(key, set)
    this.#weight += weight
    for (const [oldest, its] of this.#sets) {
      if (this.#weight <= WEIGHT_MAX) break
      this.#drop(oldest, its)
    }
  }

  #drop(key: string, set: SeenSet): void {
    this.#sets.delete(key)
    this.#weight -= weightOf(set)
  }
}

const weightOf = ({ findings }: SeenSet): number => ENTRY_WEIGHT + findings.length
