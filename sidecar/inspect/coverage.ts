import type { SegmentSource } from '@agentcostcontrol/contract'

/** Where a text was on its way: to the provider, back in one piece, or back in a stream. */
export type Way = 'request' | 'response' | 'response_stream'

/** How many texts were judged, by way and source. Added to directly, since every text is counted. */
export type Judged = Readonly<Record<Way, Record<SegmentSource, number>>>

/** One count, for the metrics. */
export interface CoverageCount {
  readonly detector: string
  readonly way: string
  readonly source: string
  readonly count: number
}

/** Says of each detector what it has judged: a guard that silently does nothing is seen by a count that stands still. */
export class Coverage {
  readonly #judged = new Map<string, { readonly ids: readonly string[]; readonly judged: Judged }>()
  /** Answers, and events of streams, that were passed on although a policy wanted them inspected: they could not be. */
  unseenAnswers = 0

  /** The counts of a set of detectors; policies with the same set share them. */
  of(ids: readonly string[]): Judged {
    const key = ids.join()
    let entry = this.#judged.get(key)
    if (!entry) {
      entry = { ids, judged: { request: none(), response: none(), response_stream: none() } }
      this.#judged.set(key, entry)
    }
    return entry.judged
  }

  /** Every count above zero. */
  counts(): readonly CoverageCount[] {
    const sums = new Map<string, CoverageCount>()
    for (const { ids, judged } of this.#judged.values()) {
      for (const [way, bySource] of Object.entries(judged)) {
        for (const [source, count] of Object.entries(bySource)) {
          if (count === 0) continue
          for (const detector of ids) {
            const key = `${detector} ${way} ${source}`
            sums.set(key, { detector, way, source, count: count + (sums.get(key)?.count ?? 0) })
          }
        }
      }
    }
    return [...sums.values()]
  }
}

const none = (): Record<SegmentSource, number> => ({
  system: 0,
  user: 0,
  assistant: 0,
  tool_definition: 0,
  tool_call: 0,
  tool_result: 0,
})
