import type { Kind } from './rules.ts'

/** What the model's finds are called. */
export const MODEL_RULE = 'model'

/** A stretch of text with all that was seen in it. */
export interface Region {
  start: number
  end: number
  /** The best score of each rule, the model as one of them. */
  readonly scores: Map<string, number>
  /** Kind and rule of the best of them. */
  kind: Kind
  ruleId: string
  best: number
}

/** What is less far apart belongs together. */
const NEAR_CHARS = 120
/** Most regions that are kept of one text; then the weakest gives way, so that no flood of weak ones hides a strong one. */
const REGIONS_MAX = 100

/** Gathers what is seen, in order, into regions. */
export class Regions {
  readonly #all: Region[] = []
  #last: Region | null = null

  /** Something was seen; `start` may lie before the end of what was seen before. */
  add(kind: Kind, ruleId: string, score: number, start: number, end: number): void {
    const last = this.#last
    if (last === null || start > last.end + NEAR_CHARS) {
      this.#push({ start, end, scores: new Map([[ruleId, score]]), kind, ruleId, best: score })
      return
    }
    last.start = Math.min(last.start, start)
    last.end = Math.max(last.end, end)
    this.#note(last, kind, ruleId, score)
    this.#unite(last)
  }

  #note(last: Region, kind: Kind, ruleId: string, score: number): void {
    if (score <= (last.scores.get(ruleId) ?? 0)) return
    last.scores.set(ruleId, score)
    if (score <= last.best) return
    last.best = score
    last.kind = kind
    last.ruleId = ruleId
  }

  /** What reaches back over those before it is one with them. */
  #unite(last: Region): void {
    for (;;) {
      const before = this.#all.at(-2)
      if (before === undefined || before.end <= last.start) return
      last.start = Math.min(before.start, last.start)
      for (const [ruleId, score] of before.scores) {
        this.#note(last, ruleId === before.ruleId ? before.kind : last.kind, ruleId, score)
      }
      this.#all.splice(-2, 1)
    }
  }

  #push(region: Region): void {
    const weakest = this.#all.length < REGIONS_MAX ? -1 : indexOfWeakest(this.#all)
    if (weakest >= 0) this.#all.splice(weakest, 1)
    this.#all.push(region)
    this.#last = region
  }

  /** All regions, ascending; none reaches into another. */
  all(): readonly Region[] {
    return this.#all
  }
}

function indexOfWeakest(regions: readonly Region[]): number {
  let weakest = 0
  regions.forEach(({ best }, index) => {
    if (best < (regions[weakest]?.best ?? 0)) weakest = index
  })
  return weakest
}

/** Pieces of evidence taken together: each makes the doubt that the others leave smaller. */
export const together = (scores: Iterable<number>): number => {
  let doubt = 1
  for (const score of scores) doubt *= 1 - score
  return 1 - doubt
}
