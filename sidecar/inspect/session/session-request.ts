import type { Finding, Principal, Segment } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'

/** Segments that were judged together, and what names them; `null` for those too short to be remembered. */
export interface SeenUnit {
  readonly at: readonly number[]
  readonly key: string | null
}

/** A request with its verdicts. */
export interface SessionRequest {
  readonly principal: Principal
  readonly security: CompiledSecurity
  readonly segments: readonly Segment[]
  readonly verdicts: readonly (readonly Finding[])[]
  /** All segments, each in one unit. */
  readonly units: readonly SeenUnit[]
  /** The answer that it goes on with, where its format names one. */
  readonly previousResponseId: string | null
  /** Whether the provider keeps it and its answer, so that a later request may name the answer and go on with it. */
  readonly keepsAnswer: boolean
  /** The text of a segment, where it is not as it stands there. */
  decode(segment: Segment): Segment
}

/** A finding, and the segment that it stands in. */
export interface SegmentFinding {
  readonly at: number
  readonly finding: Finding
}
