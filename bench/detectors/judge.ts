import type { EventFinding, FindingAction, Principal, Segment } from '@agentcostcontrol/contract'
import { EMPTY_ENVIRONMENT, ruleName } from '@agentcostcontrol/detectors'
import { type Authorized, isDenial } from '../../sidecar/exchange.ts'
import { Coverage } from '../../sidecar/inspect/coverage.ts'
import { type Decided, stops, strongest } from '../../sidecar/inspect/decide.ts'
import { createInspectRequest, type InspectRequest } from '../../sidecar/inspect/inspect-request.ts'
import { createInspections, type Inspection } from '../../sidecar/inspect/inspection.ts'
import { judgeTexts } from '../../sidecar/inspect/judge.ts'
import { MediaCounts } from '../../sidecar/inspect/media-counts.ts'
import { ScanFailures } from '../../sidecar/inspect/scan-failure.ts'
import { createDetectorSets, SegmentScanner } from '../../sidecar/inspect/scanner.ts'
import { SessionInspection } from '../../sidecar/inspect/session/session-inspection.ts'
import scan from '../../sidecar/inspect/worker.ts'
import { openaiChat } from '../../sidecar/providers/openai/chat.ts'
import { renderOpenAiError } from '../../sidecar/providers/openai/errors.ts'
import type { EvalPolicy } from './policy.ts'
import type { ExchangeRow } from './rows.ts'

/** One thing that was found, and what the policy says about it. */
export interface Found {
  readonly detectorId: string
  readonly ruleId: string
  readonly action: FindingAction
  /** Where it stands; `null` where only its kind is told, as of exchanges. */
  readonly span: { readonly start: number; readonly end: number } | null
}

/** What becomes of a text or an exchange. */
export interface Verdict {
  readonly found: readonly Found[]
  /** Something is recorded, or more. */
  readonly alerted: boolean
  readonly blocked: boolean
}

/** The inspection of a sidecar with one policy. */
export interface Judge {
  text(segment: Segment): Promise<Verdict>
  /** Request and answer, in a session of their own. */
  exchange(row: ExchangeRow, session: string): Promise<Verdict>
}

/** The detectors are timed, not the cache. */
const CACHE_ENTRIES = 1

/** Puts together what a sidecar puts together, less the threads. */
export function createJudge({ policy, security }: EvalPolicy): Judge {
  const scanner = new SegmentScanner({ run: async (task) => scan(task) }, CACHE_ENTRIES)
  const sessions = new SessionInspection()
  // Each exchange is of an agent of its own, whose tools nobody has seen before.
  const toolPins = { check: () => [] }
  const environment = { ...EMPTY_ENVIRONMENT, customRules: policy.customRules }
  const inspectionOf = createInspections(
    createDetectorSets(() => environment),
    new Coverage(),
    { covers: () => false },
    () => ruleName,
  )
  const stats = { unseenOverload: 0, unseenTimeout: 0, unseenNoPolicy: 0, media: new MediaCounts() }
  const clock = { monotonicMs: () => performance.now() }
  const failures = new ScanFailures({ error: (message) => process.stderr.write(`${message}\n`) }, clock)
  const inspectRequest = createInspectRequest(scanner, inspectionOf, sessions, toolPins, stats, failures, clock)
  const inspection = inspectionOf(security, 'evaluation', openaiChat.operation)

  return {
    text: async (segment) => {
      const direction = segment.source === 'assistant' ? 'response' : 'request'
      const { decided } = judgeTexts(
        [segment],
        await scanner.scan([segment], inspection, direction),
        inspection,
        direction,
      )
      return ofDecided(decided)
    },
    exchange: async (row, session) => {
      const authorized = authorize(row, session, { policy, security })
      const asked = await ask(inspectRequest, authorized)
      if (asked.verdict.blocked || row.response === null) return asked.verdict
      const answered = await answer(scanner, inspection, row.response, asked.turn)
      return {
        found: [...asked.verdict.found, ...answered.found],
        alerted: asked.verdict.alerted || answered.alerted,
        blocked: answered.blocked,
      }
    },
  }
}

async function ask(inspectRequest: InspectRequest, authorized: Authorized) {
  const inspected = await inspectRequest(authorized)
  const refused = isDenial(inspected)
  return {
    verdict: ofEvents(inspected.findings, refused),
    turn: refused ? null : inspected.turn,
  }
}

async function answer(
  scanner: SegmentScanner,
  inspection: Inspection,
  response: Readonly<Record<string, unknown>>,
  turn: Awaited<ReturnType<typeof ask>>['turn'],
): Promise<Verdict> {
  const body = Array.isArray(response.choices) ? response : { choices: [{ index: 0, message: response }] }
  const segments = openaiChat.answerSegments(body)
  const { verdicts, complete } = await scanner.scan(segments, inspection, 'response')
  const all = turn?.answer(segments, verdicts) ?? verdicts
  return ofDecided(judgeTexts(segments, { verdicts: all, complete }, inspection, 'response').decided)
}

function authorize(
  { where, messages, tools }: ExchangeRow,
  session: string,
  { policy, security }: EvalPolicy,
): Authorized {
  const body = { model: 'gpt-4.1-mini', messages, ...(tools === null ? {} : { tools }) }
  const request = openaiChat.parse(body, { model: null, stream: false })
  if (isDenial(request)) throw new Error(`${where}: no chat completion: ${request.message}`)
  const principal: Principal = { agent: 'evaluation', workflow: null, session, task: null, tags: {} }
  const startedMs = performance.now()
  return {
    identified: {
      raw: {
        id: session,
        receivedAtMs: Date.now(),
        startedMs,
        acceptedMs: startedMs,
        method: 'POST',
        target: '/openai/v1/chat/completions',
        headers: [],
        body: Buffer.from(JSON.stringify(body)),
        client: { gone: false, signal: new AbortController().signal, onGone: () => {} },
      },
      provider: 'openai',
      operation: openaiChat.operation,
      upstreamTarget: '/v1/chat/completions',
      principal,
      ask: { kind: 'metered', adapter: openaiChat, request, byteStrings: false },
      errors: { renderError: renderOpenAiError },
    },
    policy,
    provider: policy.provider('openai'),
    security,
  }
}

function ofDecided(decided: readonly Decided[]): Verdict {
  const found = decided.map(({ finding, action }) => ({
    detectorId: finding.detectorId,
    ruleId: finding.ruleId,
    action,
    span: { start: finding.start, end: finding.end },
  }))
  return { found, alerted: isAlerted(found), blocked: stops(strongest(decided)) }
}

function ofEvents(findings: readonly EventFinding[], blocked: boolean): Verdict {
  const found = findings.map(({ detectorId, ruleId, action }) => ({ detectorId, ruleId, action, span: null }))
  return { found, alerted: isAlerted(found), blocked }
}

const isAlerted = (found: readonly Found[]): boolean => found.some(({ action }) => action !== 'allow')
