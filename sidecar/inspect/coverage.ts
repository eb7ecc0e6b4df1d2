import { SEGMENT_SOURCES, type Segment, type SegmentSource } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'

/** Where a text was on its way: to the provider, back in one piece, or back in a stream. */
export type Way = 'request' | 'response' | 'response_stream'

/** How many texts were judged, by way and source. Added to directly, since every text is counted. */
export type Judged = Readonly<Record<Way, Record<SegmentSource, number>>>

/** One count, for the metrics. */
export interface CoverageCount {
  readonly detector: string
  readonly format: string
  readonly way: string
  readonly source: string
  readonly count: number
}

interface Entry {
  readonly detectors: readonly Detector[]
  readonly format: string
  readonly judged: Judged
}

/** Says of each detector what it has judged: a guard that silently does nothing is seen by a count that stands still. */
export class Coverage {
  readonly #bySet = new Map<string, Map<string, Entry>>()
  /** The same by the list of detectors itself, which every request of a policy has. */
  readonly #byList = new WeakMap<readonly Detector[], Map<string, Entry>>()
  /** Answers, and events of streams, that were passed on although a policy wanted them inspected: they could not be. */
  unseenAnswers = 0

  /** The counts of a set of detectors in a wire format; policies with the same set share them. */
  of(detectors: readonly Detector[], format: string): Judged {
    let byFormat = this.#byList.get(detectors)
    if (!byFormat) {
      const key = detectors.map(({ id }) => id).join()
      byFormat = this.#bySet.get(key) ?? new Map()
      this.#bySet.set(key, byFormat)
      this.#byList.set(detectors, byFormat)
    }
    let entry = byFormat.get(format)
    if (!entry) {
      entry = { detectors, format, judged: { request: none(), response: none(), response_stream: none() } }
      byFormat.set(format, entry)
    }
    return entry.judged
  }

  /** Every count above zero; a detector counts the sources that it looks at. */
  counts(): readonly CoverageCount[] {
    const sums = new Map<string, CoverageCount>()
    for (const byFormat of this.#bySet.values()) for (const entry of byFormat.values()) addTo(sums, entry)
    return [...sums.values()]
  }
}

function addTo(sums: Map<string, CoverageCount>, { detectors, format, judged }: Entry): void {
  for (const [way, bySource] of Object.entries(judged)) {
    for (const source of SEGMENT_SOURCES) {
      const count = bySource[source]
      if (count === 0) continue
      for (const { id, sources } of detectors) {
        if (!sources.includes(source)) continue
        const key = `${id} ${format} ${way} ${source}`
        sums.set(key, { detector: id, format, way, source, count: count + (sums.get(key)?.count ?? 0) })
      }
    }
  }
}

/** Counts the texts of a request or an answer. */
export function countTexts(segments: readonly Segment[], judged: Judged[Way]): void {
  for (const { source } of segments) judged[source]++
}

const none = (): Record<SegmentSource, number> => ({
  system: 0,
  user: 0,
  assistant: 0,
  tool_definition: 0,
  tool_call: 0,
  tool_result: 0,
})
