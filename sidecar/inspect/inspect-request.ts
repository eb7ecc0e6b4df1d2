import type { EventFinding, Segment } from '@agentcostcontrol/contract'
import { redactText } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { type Asked, type Authorized, type Denial, denial, type Inspected, isDenial } from '../exchange.ts'
import { decodeSegment } from '../providers/byte-strings.ts'
import type { SegmentEdit } from '../providers/provider.ts'
import { type Decided, decide, ruleIds, strongest, toEventFindings } from './decide.ts'
import { type DetectorSet, ScanPoolFullError, type SegmentScanner } from './scanner.ts'
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
  detectorSet: (security: CompiledSecurity) => DetectorSet,
  stats: InspectionStats,
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
    const judge = (scan: ScanResult): Inspected | Denial => judgeRequest(authorized, security, asked, segments, scan)
    const scanned = scanner.scan(segments, detectorSet(security), 'request', security.timeoutMs, asked.byteStrings)
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
  security: CompiledSecurity,
  { adapter, byteStrings }: Asked,
  segments: readonly Segment[],
  { verdicts, complete }: ScanResult,
): Inspected | Denial {
  const { body } = authorized.identified.raw
  const all: Decided[] = []
  const edits: SegmentEdit[] = []
  for (let at = 0; at < segments.length; at++) {
    const segment = segments[at]
    const verdict = verdicts[at]
    if (!segment || !verdict || verdict.length === 0) continue
    const decided = decide(verdict, security, 'request', segment.sealed)
    all.push(...decided)
    const redacted = decided.filter(({ action, enforced }) => enforced && action === 'redact')
    if (redacted.length > 0) {
      const read = byteStrings ? decodeSegment(segment) : segment
      const findings = redacted.map(({ finding }) => finding)
      edits.push({ segment: read, text: redactText(read.text, findings) })
    }
  }
  if (all.length === 0) return { authorized, body, findings: [], warnings: [] }
  const findings = toEventFindings(all, 'request')
  if (strongest(all) === 'block') return blocked(security, ruleIds(all, 'block'), findings)
  // More than can be told one by one cannot be taken out one by one.
  if (edits.length > 0 && !complete) return blocked(security, ruleIds(all, 'redact'), findings)
  if (edits.length === 0) return { authorized, body, findings, warnings: ruleIds(all, 'warn') }
  try {
    return { authorized, body: adapter.replaceSegments(body, edits), findings, warnings: ruleIds(all, 'warn') }
  } catch {
    // Redacting would break the JSON: what may not leave must not leave.
    return blocked(security, ruleIds(all, 'redact'), findings)
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
