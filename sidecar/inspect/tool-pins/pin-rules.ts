import type { Finding, Segment, ToolPinDecision } from '@agentcostcontrol/contract'
import { TOOL_NOT_AS_PINNED } from '@agentcostcontrol/detectors'
import { decodeSegment } from '../../providers/byte-strings.ts'

/** Rules of the detector `tool-poisoning` that definitions are found by. */
export type PinRule = 'definition-changed' | 'definition-replaced' | 'definition-rejected'

/** The rule that a definition is found by; `null` for one that passes. */
export function ruleOf(
  decision: ToolPinDecision['decision'] | null,
  isChanged: boolean,
  isReplaced: boolean,
): PinRule | null {
  if (decision === 'rejected') return 'definition-rejected'
  if (decision === 'approved') return null
  if (isChanged) return 'definition-changed'
  return isReplaced ? 'definition-replaced' : null
}

/**
 * Most changes are upgrades, and standing alone nobody can approve one: the detector's grades take them as medium, just
 * below high. Of what was rejected somebody knows that it is bad.
 */
const GRADES = {
  'definition-changed': { severity: 'medium', score: 0.89 },
  'definition-replaced': { severity: 'medium', score: 0.89 },
  'definition-rejected': { severity: 'critical', score: 0.99 },
} as const

/** What is found in a segment of such a definition: all of it. */
export const findingOf = (ruleId: PinRule, segment: Segment, byteStrings: boolean): Finding => ({
  detectorId: 'tool-poisoning',
  ruleId,
  category: 'tool-pin',
  ...GRADES[ruleId],
  start: 0,
  end: (byteStrings ? decodeSegment(segment) : segment).text.length,
  taxonomy: TOOL_NOT_AS_PINNED,
})
