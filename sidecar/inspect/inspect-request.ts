import type { EventFinding, Segment } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { type Clock, usSince } from '../clock.ts'
import { type Asked, type Authorized, type Denial, denial, type Inspected, isDenial } from '../exchange.ts'
import { ruleIds, stoppingRules, stops } from './decide.ts'
import { toEventFindings } from './event-findings.ts'
import type { Inspection, InspectionOf } from './inspection.ts'
import { judgeTexts } from './judge.ts'
import { ScanPoolFullError, type SegmentScanner } from './scanner.ts'
import type { ScanResult } from './worker.ts'

/** Stage 4: findings, the action, perhaps a redacted body. Without a promise unless the pool is needed. */
export type InspectRequest = (authorized: Authorized) => Inspected | Denial | Promise<Inspected | Denial>

/** Counts for the metrics: requests that went unseen, by why. */
export interface InspectionStats {
  unseenOverload: number
  unseenTimeout: number
  unseenNoPolicy: number
}

/** Makes stage 4. */
export function createInspectRequest(
  scanner: SegmentScanner,
  inspectionOf: InspectionOf,
  stats: InspectionStats,
  clock: Pick<Clock, 'monotonicMs'>,
): InspectRequest {
  return (authorized) => {
    const { security } = authorized
    const { ask, raw } = authorized.identified
    const unseen: Inspected = { authorized, body: raw.body, findings: [], warnings: [] }
    const asked = ask.kind === 'metered' ? ask : ask.carried
    if (asked === null || security === null) {
      stats.unseenNoPolicy++
      return unseen
    }
    // What cannot be read is only refused where somebody wants it to be read.
    if (isDenial(asked)) return asked
    const segments = asked.adapter.segments(asked.request)
    const inspection = inspectionOf(security, authorized.identified.principal.agent, asked.adapter.operation)
    const begunMs = clock.monotonicMs()
    const judge = (scan: ScanResult): Inspected | Denial =>
      judgeRequest(authorized, inspection, asked, segments, scan, () => usSince(clock, begunMs))
    const scanned = scanner.scan(segments, inspection, 'request', asked.byteStrings)
    if (!(scanned instanceof Promise)) return judge(scanned)
    return scanned.then(judge, (error: unknown) => {
      const overload = error instanceof ScanPoolFullError
      if ((overload ? security.onOverload : security.onTimeout) === 'open') {
        stats[overload ? 'unseenOverload' : 'unseenTimeout']++
        return unseen
      }
      return denial(
        'acc_inspection_unavailable',
        `The request could not be inspected (${overload ? 'the queue is full' : 'it took too long'}) and the security policy "${security.name}" is closed in that case. Try again.`,
        { retryAfterS: 1 },
      )
    })
  }
}

function judgeRequest(
  authorized: Authorized,
  inspection: Inspection,
  { adapter, byteStrings }: Asked,
  segments: readonly Segment[],
  scan: ScanResult,
  inspectionUs: () => number,
): Inspected | Denial {
  const { body } = authorized.identified.raw
  const { security } = inspection
  const { decided, action, edits } = judgeTexts(segments, scan, inspection, 'request', byteStrings)
  if (decided.length === 0) return { authorized, body, findings: [], warnings: [] }
  const findings = toEventFindings(decided, 'request', inspection, inspectionUs())
  if (stops(action)) return blocked(security, stoppingRules(decided), findings)
  const warnings = ruleIds(decided, (each) => each === 'warn')
  if (edits.length === 0) return { authorized, body, findings, warnings }
  try {
    return { authorized, body: adapter.replaceSegments(body, edits), findings, warnings }
  } catch {
    // Redacting would break the JSON: what may not leave must not leave.
    return blocked(security, stoppingRules(decided), findings)
  }
}

/** The refusal of a blocked request or answer; names rules, never text. */
export function blocked(
  security: CompiledSecurity,
  rules: readonly string[],
  findings: readonly EventFinding[],
): Denial {
  return denial('acc_security_blocked', `Blocked by the security policy "${security.name}": ${rules.join(', ')}.`, {
    findings,
    details: { policy: security.name, rules: rules.join(', ') },
  })
}
