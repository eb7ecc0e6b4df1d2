import type { Finding, Segment } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'

/** What detectors are told of a segment. */
export type ScannedText = Pick<Segment, 'source' | 'tool' | 'text'>

/** What detectors that look at its source find in a text. */
export function detectAll(detectors: readonly Detector[], segment: ScannedText): readonly Finding[] {
  let found = NOTHING
  for (const detector of detectors) {
    const own = detector.detect(segment.text, segment)
    if (own.length > 0) found = found.length === 0 ? own : [...found, ...own]
  }
  return found
}

const NOTHING: readonly Finding[] = []
