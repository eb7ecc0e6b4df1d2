import { hash } from 'node:crypto'
import { SEGMENT_SOURCES } from '@agentcostcontrol/contract'
import { createCanaryDetector, type Detector } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'

/** Changes whenever sessions could find something else. */
const VERSION = '1'

/** What `flow` is in the counts: its texts are judged by session, and by nothing alone. */
const flowDetector: Detector = Object.freeze<Detector>({
  id: 'flow',
  sources: SEGMENT_SOURCES,
  grades: null,
  rulesOff: [],
  version: VERSION,
  holdCharsMax: 0,
  detect: () => [],
  openFrom: (text) => text.length,
})

/** The detectors of a policy that need the conversation or the policy's own texts. */
export function sessionDetectors({ byDetector, canaries }: CompiledSecurity): readonly Detector[] {
  const detectors: Detector[] = []
  if (byDetector.has('flow')) detectors.push(flowDetector)
  if (byDetector.has('prompt-leak')) {
    const ofCanaries = canaries.length === 0 ? '' : `-${hash('sha256', JSON.stringify(canaries)).slice(0, 16)}`
    detectors.push({ ...createCanaryDetector(canaries), version: `${VERSION}${ofCanaries}` })
  }
  return detectors
}
