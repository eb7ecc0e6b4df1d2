import { redactText } from './redact.ts'
import type { SelfTestedDetector } from './types.ts'

/**
 * Whether a detector is alive: it finds its canary in a text of the first of its sources, finds nothing once that is
 * redacted, and in a stream holds the canary back until it is whole, where it judges answers. A sidecar runs it for each
 * detector at its start and is not ready if one is dead.
 */
export function selfTest(detector: SelfTestedDetector): boolean {
  try {
    const canary = detector.canary()
    const [source] = detector.sources
    if (source === undefined) return false
    const context = { source }
    const [finding, ...others] = detector.detect(canary, context)
    if (!finding || others.length > 0 || finding.end <= finding.start) return false
    if (detector.detect(redactText(canary, [finding]), context).length > 0) return false
    // What judges no text of an answer holds nothing back.
    if (!detector.sources.includes('assistant')) return true
    return detector.openFrom(canary.slice(0, finding.end - 1)) <= finding.start
  } catch {
    return false
  }
}
