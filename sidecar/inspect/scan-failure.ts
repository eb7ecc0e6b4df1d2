import type { EventFinding, SegmentSource } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import { type Denial, denial } from '../exchange.ts'
import { type Logger, unexpectedFields } from '../log.ts'

/** Why a scan gave nothing: no room for it, no end in time, or its worker ended, threw or ran out of memory. */
export const SCAN_FAILURES = ['overloaded', 'timed-out', 'worker-crashed'] as const
/** One of {@link SCAN_FAILURES}. */
export type ScanFailure = (typeof SCAN_FAILURES)[number]

/**
 * Why an answer was not scanned at all: it, or a call in it, is larger than is held; too much is held of all; its content
 * type or coding is not read, or not what it says; it, or an event of it, is no JSON.
 */
export type Unreadable = 'too-large' | 'no-room' | 'unreadable' | 'not-json'

/** Why nothing is known of a text. */
export type Uninspected = ScanFailure | Unreadable

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
  readonly reason: Uninspected
  /** For the client, with the finding in it; `null` where it goes on uninspected. */
  readonly refusal: Denial | null
  /** For the event: so people see that nothing was seen, and what was done. */
  readonly finding: EventFinding
}

/** The log tells of each kind of failure at most once in this time, with how many there were. */
const LOG_EVERY_MS = 10_000

/** For the client. */
const WHY: Readonly<Record<Uninspected, string>> = {
  overloaded: 'the queue is full',
  'timed-out': 'it took too long',
  'worker-crashed': 'its worker died',
  'too-large': 'it, or what a tool is called with in it, is larger than can be held',
  'no-room': 'too much is held at once, see ACC_BUFFERED_BYTES_MAX',
  unreadable: 'its content type or coding is one that is not read, or not what it says',
  'not-json': 'it, or an event of it, is not the JSON that it should be',
}

/** What is decided by `onOverload`: there is too much of something. */
const OVERLOADS: ReadonlySet<Uninspected> = new Set(['overloaded', 'too-large', 'no-room'])
/** What will be the same when it is tried again. */
const LASTING: ReadonlySet<Uninspected> = new Set(['too-large', 'unreadable', 'not-json'])

/** Follows the policy's choice where nothing is known of a text, and tells of it: in the event, and in the log now and then. */
export class ScanFailures {
  readonly #log: Pick<Logger, 'error'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #told = new Map<Uninspected, { loggedMs: number; unlogged: number }>()

  constructor(log: Pick<Logger, 'error'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#log = log
    this.#clock = clock
  }

  /** What is done now that a scan gave nothing. */
  after({ error, direction, security, source, inspectionUs }: Unscanned): AfterFailure {
    const reason = error instanceof ScanFailedError ? error.reason : 'worker-crashed'
    const fields = unexpectedFields(error instanceof Error ? (error.cause ?? error) : error)
    return this.#follow({ reason, direction, security, source, inspectionUs }, fields)
  }

  /** What is done about an answer that was not scanned. */
  unread(reason: Unreadable, security: CompiledSecurity): AfterFailure {
    return this.#follow({ reason, direction: 'response', security, source: 'assistant', inspectionUs: null }, {})
  }

  /** An answer that nobody would have changed passes, whatever the policy chose. */
  #follow(unseen: Unseen, fields: object): AfterFailure {
    const { reason, direction, security } = unseen
    const choice = OVERLOADS.has(reason) ? security.onOverload : security.onTimeout
    const passes = choice === 'open' || (direction === 'response' && !security.holdsResponses)
    this.#tell(reason, direction, passes, fields)
    const finding = findingOf(unseen, passes)
    return { reason, finding, refusal: passes ? null : refusalOf(unseen, finding) }
  }

  #tell(reason: Uninspected, direction: Unscanned['direction'], passes: boolean, fields: object): void {
    const told = this.#told.get(reason) ?? { loggedMs: Number.NEGATIVE_INFINITY, unlogged: 0 }
    this.#told.set(reason, told)
    told.unlogged++
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - told.loggedMs < LOG_EVERY_MS) return
    this.#log.error('a text could not be inspected', {
      reason,
      direction,
      done: passes ? 'passed uninspected' : 'refused',
      sinceLastLine: told.unlogged,
      ...fields,
    })
    told.loggedMs = nowMs
    told.unlogged = 0
  }
}

/** A text of which nothing is known. */
interface Unseen extends Pick<Unscanned, 'direction' | 'security' | 'source'> {
  readonly reason: Uninspected
  /** `null` where it did not begin. */
  readonly inspectionUs: number | null
}

function refusalOf({ reason, direction, security }: Unseen, finding: EventFinding): Denial {
  const what = direction === 'request' ? 'request' : 'answer'
  const lasts = LASTING.has(reason)
  return denial(
    'acc_inspection_unavailable',
    `The ${what} could not be inspected (${WHY[reason]}) and the security policy "${security.name}" is closed in that case.${lasts ? '' : ' Try again.'}`,
    { retryAfterS: lasts ? null : 1, findings: [finding] },
  )
}

const NO_TAXONOMY = { owaspLlm: null, owaspAgentic: null, mitreAtlas: null }

const findingOf = ({ reason, direction, source, inspectionUs }: Unseen, passes: boolean): EventFinding => ({
  detectorId: 'inspection',
  ruleId: reason,
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
