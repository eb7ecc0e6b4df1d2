import type { EventFinding } from '@agentcostcontrol/contract'
import type { Denial } from '../exchange.ts'
import type { Unreadable } from '../inspect/scan-failure.ts'
import type { AnswerInspection } from './inspection.ts'

/** What becomes of an answer, or of a part of it, that could not be inspected. */
export interface Unseen {
  /** `null` where it passes. */
  readonly refusal: Denial | null
  /** For the event; none where no detector would have looked at it. */
  readonly findings: readonly EventFinding[]
}

const UNWATCHED: Unseen = { refusal: null, findings: [] }

/** Follows the policy's choice about what cannot be inspected, counts what passes, and tells of it. */
export function unseen(inspection: AnswerInspection | null, reason: Unreadable): Unseen {
  if (inspection === null || inspection.set.detectors.length === 0) return UNWATCHED
  const { refusal, finding } = inspection.failures.unread(reason, inspection.security)
  if (refusal === null) inspection.coverage.unseenAnswers++
  return { refusal, findings: [finding] }
}
