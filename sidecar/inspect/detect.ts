import type { Finding, Segment } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'

/** What detectors are told of a segment. */
export type ScannedText = Pick<Segment, 'source' | 'tool' | 'text'>

/** What detectors that look at its source find in a text. */
export function detectAll(detectors: readonly Detector[], segment: ScannedText): readonly Finding[] {
  const [only] = detectors
  if (only && detectors.length === 1) return only.detect(segment.text, segment)
  return detectors.flatMap((detector) => detector.detect(segment.text, segment))
}
