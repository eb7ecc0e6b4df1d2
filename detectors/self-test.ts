import { redactText } from './redact.ts'
import type { SelfTestedDetector } from './types.ts'

/**
 * Whether a detector is alive: it finds its canary, finds nothing once that is redacted, and in a stream holds the
 * canary back until it is whole. A sidecar runs it for each detector at its start and is not ready if one is dead.
 */
export function selfTest(detector: SelfTestedDetector): boolean {
  try {
    const canary = detector.canary()
    const context = { source: 'user' } as const
    const [finding, ...others] = detector.detect(canary, context)
    if (!finding || others.length > 0 || finding.end <= finding.start) return false
    if (detector.detect(redactText(canary, [finding]), context).length > 0) return false
    return detector.openFrom(canary.slice(0, finding.end - 1)) <= finding.start
  } catch {
    return false
  }
}
