import type { EventFinding, SegmentSource } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import { type Logger, unexpectedFields } from '../log.ts'

/** Why a scan gave nothing: no room for it, no end in time, or its worker ended, threw or ran out of memory. */
export const SCAN_FAILURES = ['overloaded', 'timed-out', 'worker-crashed'] as const
/** One of {@link SCAN_FAILURES}. */
export type ScanFailure = (typeof SCAN_FAILURES)[number]

/** A scan gave nothing. */
export class ScanFailedError extends Error {
  override readonly name = 'ScanFailedError'
  readonly reason: ScanFailure
  constructor(reason: ScanFailure, options?: ErrorOptions) {
    super(`a scan gave nothing: ${reason}`, options)
    this.reason = reason
  }
}

/** What a scan that gave nothing was for. */
export interface Unscanned {
  readonly error: unknown
  readonly direction: 'request' | 'response'
  readonly security: CompiledSecurity
  /** Whose the newest text is. */
  readonly source: SegmentSource
  readonly inspectionUs: number
}

/** What follows. */
export interface AfterFailure {
  readonly reason: ScanFailure
  /** True if it goes on uninspected. */
  readonly passes: boolean
  /** For the event: so people see that nothing was seen, and what was done. */
  readonly finding: EventFinding
}

/** The log tells of failures at most once in this time, with how many there were. */
const LOG_EVERY_MS = 10_000

/** Follows the policy's choice where a scan gave nothing, and tells of it: in the event, and in the log now and then. */
export class ScanFailures {
  readonly #log: Pick<Logger, 'error'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #loggedMs = Number.NEGATIVE_INFINITY
  #unlogged = 0

  constructor(log: Pick<Logger, 'error'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#log = log
    this.#clock = clock
  }

  /** What is done now. An answer that nobody would have changed passes, whatever the policy chose. */
  after({ error, direction, security, source, inspectionUs }: Unscanned): AfterFailure {
    const reason = error instanceof ScanFailedError ? error.reason : 'worker-crashed'
    const choice = reason === 'overloaded' ? security.onOverload : security.onTimeout
    const passes = choice === 'open' || (direction === 'response' && !security.holdsResponses)
    this.#tell(reason, direction, passes, error)
    return { reason, passes, finding: findingOf(reason, direction, passes, source, inspectionUs) }
  }

  #tell(reason: ScanFailure, direction: Unscanned['direction'], passes: boolean, error: unknown): void {
    this.#unlogged++
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#loggedMs < LOG_EVERY_MS) return
    this.#log.error('a text could not be inspected', {
      reason,
      direction,
      done: passes ? 'passed uninspected' : 'refused',
      sinceLastLine: this.#unlogged,
      ...unexpectedFields(error instanceof Error ? (error.cause ?? error) : error),
    })
    this.#loggedMs = nowMs
    this.#unlogged = 0
  }
}

const NO_TAXONOMY = { owaspLlm: null, owaspAgentic: null, mitreAtlas: null }

const findingOf = (
  ruleId: ScanFailure,
  direction: Unscanned['direction'],
  passes: boolean,
  source: SegmentSource,
  inspectionUs: number,
): EventFinding => ({
  detectorId: 'inspection',
  ruleId,
  severity: 'high',
  direction,
  action: passes ? 'alert' : 'block',
  mode: 'enforce',
  count: 1,
  detail: {
    source,
    tool: null,
    category: 'uninspected',
    score: 1,
    detectorVersion: '1',
    taxonomy: NO_TAXONOMY,
    inspectionUs,
    places: [],
  },
})
