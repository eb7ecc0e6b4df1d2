import type { EventFinding, Segment } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { type Clock, usSince } from '../clock.ts'
import { type Asked, type Authorized, type Denial, denial, type Inspected, isDenial } from '../exchange.ts'
import { decodeSegment } from '../providers/byte-strings.ts'
import { ruleIds, stoppingRules, stops } from './decide.ts'
import { toEventFindings } from './event-findings.ts'
import type { Inspection, InspectionOf } from './inspection.ts'
import { judgeTexts } from './judge.ts'
import type { MediaCounts } from './media-counts.ts'
import { RedactedValues } from './restore/redacted-values.ts'
import { withRepeats } from './restore/repeats.ts'
import type { ScanFailures } from './scan-failure.ts'
import type { Scanned, SegmentScanner } from './scanner.ts'
import type { AnswerFlow } from './session/answer-flow.ts'
import type { SessionInspection } from './session/session-inspection.ts'
import type { SegmentFinding } from './session/session-request.ts'
import type { ToolPins } from './tool-pins/tool-pins.ts'
import type { ScanResult } from './worker.ts'

/** Stage 4: findings, the action, perhaps a redacted body. Without a promise unless the pool is needed. */
export type InspectRequest = (authorized: Authorized) => Inspected | Denial | Promise<Inspected | Denial>

/** Counts for the metrics: requests that went unseen, by why. */
export interface InspectionStats {
  unseenOverload: number
  unseenTimeout: number
  unseenNoPolicy: number
  /** Files inside requests that were passed over. */
  readonly media: MediaCounts
}

/** Makes stage 4. */
export function createInspectRequest(
  scanner: SegmentScanner,
  inspectionOf: InspectionOf,
  sessions: SessionInspection,
  toolPins: Pick<ToolPins, 'check'>,
  stats: InspectionStats,
  failures: ScanFailures,
  clock: Pick<Clock, 'monotonicMs'>,
): InspectRequest {
  return (authorized) => {
    const { security } = authorized
    const { ask, raw } = authorized.identified
    const unseen: Inspected = { authorized, body: raw.body, findings: [], warnings: [], turn: null }
    const asked = ask.kind === 'metered' ? ask : ask.carried
    if (asked === null || security === null) {
      stats.unseenNoPolicy++
      return unseen
    }
    // What cannot be read is only refused where somebody wants it to be read.
    if (isDenial(asked)) return asked
    const { operation } = asked.adapter
    const segments = asked.adapter.segments(asked.request, (media) => stats.media.add(operation, media))
    const inspection = inspectionOf(security, authorized.identified.principal.agent, operation)
    const begunMs = clock.monotonicMs()
    const judge = (scanned: Scanned): Inspected | Denial | Promise<Inspected | Denial> => {
      const { verdicts, turn } = withSession(sessions, authorized, security, asked, segments, scanned)
      const conclude = (pins: readonly SegmentFinding[]): Inspected | Denial => {
        const scan = { verdicts: withFindings(verdicts, pins), complete: scanned.complete }
        return judgeRequest(authorized, inspection, asked, segments, scan, turn, () => usSince(clock, begunMs))
      }
      if (!security.byDetector.has('tool-poisoning')) return conclude(NONE)
      const { agent } = authorized.identified.principal
      const pins = toolPins.check({ agent, segments, units: scanned.units, byteStrings: asked.byteStrings })
      return pins instanceof Promise ? pins.then(conclude) : conclude(pins)
    }
    const scanned = scanner.scan(segments, inspection, 'request', asked.byteStrings, asked.conversation)
    if (!(scanned instanceof Promise)) return judge(scanned)
    return scanned.then(judge, (error: unknown) => {
      const source = segments.at(-1)?.source ?? 'user'
      const failed = { error, direction: 'request', security, source, inspectionUs: usSince(clock, begunMs) } as const
      const { reason, refusal, finding } = failures.after(failed)
      if (refusal) return refusal
      stats[reason === 'overloaded' ? 'unseenOverload' : 'unseenTimeout']++
      return { ...unseen, findings: [finding] }
    })
  }
}

function judgeRequest(
  authorized: Authorized,
  inspection: Inspection,
  { adapter, byteStrings }: Asked,
  segments: readonly Segment[],
  scan: ScanResult,
  turn: AnswerFlow | null,
  inspectionUs: () => number,
): Inspected | Denial {
  const { body } = authorized.identified.raw
  const { security } = inspection
  const values = security.restoresRedacted ? new RedactedValues(security) : null
  const judging = values ? { ...inspection, placeholderOf: values.noting(inspection.placeholderOf) } : inspection
  const judgement = judgeTexts(segments, scan, judging, 'request', byteStrings)
  const { decided, action } = judgement
  if (decided.length === 0) return { authorized, body, findings: [], warnings: [], turn }
  const findings = toEventFindings(decided, 'request', inspection, inspectionUs())
  if (stops(action)) return blocked(security, stoppingRules(decided), findings)
  const warnings = ruleIds(decided, (each) => each === 'warn')
  if (judgement.edits.length === 0) return { authorized, body, findings, warnings, turn }
  try {
    const edits = values ? withRepeats(segments, judgement.edits, values, byteStrings) : judgement.edits
    const inspected = { authorized, body: adapter.replaceSegments(body, edits), findings, warnings, turn }
    if (values === null || values.longest === 0) return inspected
    turn?.putsBack(values)
    return { ...inspected, redacted: values }
  } catch {
    // Redacting would break the JSON: what may not leave must not leave.
    return blocked(security, stoppingRules(decided), findings)
  }
}

/** The verdicts together with what the session finds in the request's calls. */
function withSession(
  sessions: SessionInspection,
  { identified: { principal } }: Authorized,
  security: CompiledSecurity,
  { adapter, request, byteStrings }: Asked,
  segments: readonly Segment[],
  { verdicts, units }: Scanned,
): { readonly verdicts: ScanResult['verdicts']; readonly turn: AnswerFlow | null } {
  if (!security.byDetector.has('flow') && !security.byDetector.has('prompt-leak')) return { verdicts, turn: null }
  const { previous_response_id: previous, store } = request.json
  const { findings, answer } = sessions.request({
    principal,
    security,
    segments,
    verdicts,
    units,
    previousResponseId: typeof previous === 'string' ? previous : null,
    keepsAnswer: adapter.operation === 'responses' && store !== false,
    decode: byteStrings ? decodeSegment : (segment) => segment,
  })
  return { verdicts: withFindings(verdicts, findings), turn: answer }
}

const NONE: readonly SegmentFinding[] = []

/** Verdicts, and what was found beside them. */
function withFindings(verdicts: ScanResult['verdicts'], findings: readonly SegmentFinding[]): ScanResult['verdicts'] {
  if (findings.length === 0) return verdicts
  const all = [...verdicts]
  for (const { at, finding } of findings) all[at] = [...(all[at] ?? []), finding]
  return all
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
