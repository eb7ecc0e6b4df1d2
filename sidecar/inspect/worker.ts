import type { Finding, SegmentSource } from '@agentcostcontrol/contract'
import { DETECTORS } from '@agentcostcontrol/detectors'

/** All new segments of one request, scanned together: one hop a request. */
export interface ScanTask {
  readonly detectorIds: readonly string[]
  readonly segments: readonly { readonly source: SegmentSource; readonly text: string }[]
}

/** Runs in a piscina worker: the findings of each segment, in order. */
export default function scan(task: ScanTask): readonly (readonly Finding[])[] {
  const detectors = DETECTORS.filter(({ id }) => task.detectorIds.includes(id))
  return task.segments.map(({ source, text }) => detectors.flatMap((detector) => detector.detect(text, { source })))
}
