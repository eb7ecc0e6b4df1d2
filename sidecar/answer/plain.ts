import type { EventFinding } from '@agentcostcontrol/contract'
import { usSince } from '../clock.ts'
import type { Denial } from '../exchange.ts'
import { stoppingRules, stops } from '../inspect/decide.ts'
import { toEventFindings } from '../inspect/event-findings.ts'
import { blocked } from '../inspect/inspect-request.ts'
import { judgeTexts } from '../inspect/judge.ts'
import { restoreAnswer } from '../inspect/restore/restore-answer.ts'
import type { Unreadable } from '../inspect/scan-failure.ts'
import type { ScanResult } from '../inspect/worker.ts'
import type { AnswerFacts, MeteredRequest, ProviderAdapter } from '../providers/provider.ts'
import { isRecord } from '../providers/read.ts'
import { turnsEnd } from '../turn.ts'
import { type Answer, type Finish, type Reply, type Upstream, type UpstreamFault, unread } from './answer.ts'
import type { ContentCoding } from './coding.ts'
import { Pump } from './flow.ts'
import type { AnswerInspection } from './inspection.ts'
import { unseen } from './unseen.ts'

/** Largest JSON answer that is held whole, before and after decoding. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

/** What a plain answer needs. */
export interface PlainAnswerOptions {
  readonly reply: Reply
  readonly upstream: Upstream
  readonly finish: Finish
  readonly adapter: ProviderAdapter
  readonly request: MeteredRequest
  readonly inspection: AnswerInspection | null
  readonly coding: ContentCoding | 'identity'
  readonly status: number
  /** Sends the provider's head; the length is left out where the body was changed. */
  head(body: 'as-is' | Buffer): void
  /** Sends a refusal in the client's format. */
  deny(refusal: Denial): number
}

interface Judged {
  readonly body: Buffer | null
  readonly refusal: Denial | null
  readonly findings: readonly EventFinding[]
}

/** Holds a JSON answer until it is complete, reads its usage, inspects it, then sends it in one write. */
export function openPlainAnswer(options: PlainAnswerOptions): Answer {
  const { reply, upstream, finish, adapter, inspection, coding, status } = options
  const chunks: Buffer[] = []
  let bytes = 0
  let passing = false

  const out = new Pump(reply, upstream)

  /** Of an answer that was not inspected, for its event. */
  let told: readonly EventFinding[] = []

  /** @returns false where the policy would have seen it first, and it is refused */
  function mayPass(reason: Unreadable): boolean {
    const { refusal, findings } = unseen(inspection, reason)
    told = findings
    if (refusal === null) return true
    finish(unread('cut', refusal.code, options.deny(refusal), findings))
    return false
  }

  function letPass(reason: Unreadable): void {
    if (!mayPass(reason)) {
      upstream.abort()
      return
    }
    passing = true
    options.head('as-is')
    for (const chunk of chunks) out.push(chunk)
    chunks.length = 0
  }

  function passed(): void {
    reply.end()
    finish(unread('completed', null, status, told))
  }

  /** Not what it says it is, so nothing is known of its usage, and it cannot be inspected. */
  function notRead(body: Buffer, reason: Unreadable): void {
    if (!mayPass(reason)) return
    options.head('as-is')
    reply.end(body)
    finish(unread('completed', null, status, told))
  }

  async function complete(): Promise<void> {
    const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
    let plain: Buffer
    let json: unknown
    let decoded = false
    try {
      plain = coding === 'identity' ? body : await coding.decode(body, ANSWER_BYTES_MAX)
      decoded = true
      if (plain !== body && !reply.hold(plain.length)) {
        letPass('no-room')
        if (passing) passed()
        return
      }
      json = JSON.parse(plain.toString())
    } catch (error) {
      notRead(body, decoded ? 'not-json' : isTooLarge(error) ? 'too-large' : 'unreadable')
      return
    }
    // An answer is an object in every format; an array of them is a stream's.
    if (!isRecord(json)) {
      notRead(body, 'not-json')
      return
    }
    const facts = adapter.readAnswer(json, options.request)
    if (facts.responseId !== null) inspection?.turn?.identified(facts.responseId)
    const judging = inspection === null ? null : judge(adapter, inspection, plain, json)
    const judged = judging instanceof Promise ? await judging : judging
    if (judged?.refusal) {
      finish(read('cut', facts, judged, options.deny(judged.refusal)))
      return
    }
    const restored = withValues(judged?.body ?? plain, adapter, inspection)
    let sent = body
    if (restored !== plain) sent = coding === 'identity' ? restored : await coding.encode(restored)
    options.head(sent === body ? 'as-is' : sent)
    reply.end(sent)
    finish(read('completed', facts, judged, status))
  }

  return {
    data: (chunk) => {
      if (passing) {
        out.push(chunk)
        return
      }
      chunks.push(chunk)
      bytes += chunk.length
      const fits = reply.hold(chunk.length)
      if (bytes > ANSWER_BYTES_MAX) letPass('too-large')
      else if (!fits) letPass('no-room')
    },
    end: () => {
      if (!passing) {
        void turnsEnd()
          .then(complete)
          .catch(() => fail('acc_upstream_cut'))
        return
      }
      passed()
    },
    fail,
    abandon: () => finish(unread('aborted', null, null, told)),
  }

  /**
   * The client sees what it would have seen without us: the head, the bytes so far, a broken connection. Not the bytes where
   * a policy wants them judged first; where one would only tell of them, it is told that nobody saw them.
   */
  function fail(code: UpstreamFault): void {
    if (!passing) {
      options.head('as-is')
      const goesOn = inspection?.security.holdsResponses !== true && bytes > 0
      if (goesOn && mayPass('unreadable')) for (const chunk of chunks) reply.write(chunk)
    }
    reply.destroy()
    finish(unread('failed', code, status, told))
  }
}

/** Whether there is more in a compressed answer than is held. */
const isTooLarge = (error: unknown): boolean =>
  error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'

const read = (outcome: 'cut' | 'completed', facts: AnswerFacts, judged: Judged | null, clientStatus: number) => ({
  outcome,
  code: judged?.refusal?.code ?? null,
  clientStatus,
  facts,
  outputBytes: null,
  readingWasPaused: false,
  endSeen: true,
  findings: judged?.findings ?? [],
})

/** Behind the inspection: what is put back is the client's own, and judged no more. */
const withValues = (body: Buffer, adapter: ProviderAdapter, inspection: AnswerInspection | null): Buffer =>
  inspection?.redacted ? restoreAnswer(body, adapter, inspection.redacted) : body

function judge(
  adapter: ProviderAdapter,
  inspection: AnswerInspection,
  body: Buffer,
  json: unknown,
): Judged | null | Promise<Judged | null> {
  const { security, scanner, failures, coverage, clock } = inspection
  const begunMs = clock.monotonicMs()
  const segments = adapter.answerSegments(json)
  const scanned = scanner.scan(segments, inspection, 'response')
  const decideAll = (scan: ScanResult): Judged | null => {
    const { complete } = scan
    const verdicts = inspection.turn?.answer(segments, scan.verdicts) ?? scan.verdicts
    const { decided, action, edits } = judgeTexts(segments, { verdicts, complete }, inspection, 'response')
    if (decided.length === 0) return null
    const findings = toEventFindings(decided, 'response', inspection, usSince(clock, begunMs))
    if (stops(action)) return { body: null, refusal: blocked(security, stoppingRules(decided), []), findings }
    if (edits.length === 0) return { body: null, refusal: null, findings }
    try {
      return { body: adapter.replaceSegments(body, edits), refusal: null, findings }
    } catch {
      // Redacting would break the JSON: what may not pass must not pass.
      return { body: null, refusal: blocked(security, stoppingRules(decided), []), findings }
    }
  }
  if (!(scanned instanceof Promise)) return decideAll(scanned)
  return scanned.then(decideAll, (error: unknown) => {
    const source = segments.at(-1)?.source ?? 'assistant'
    const failed = { error, direction: 'response', security, source, inspectionUs: usSince(clock, begunMs) } as const
    const { refusal, finding } = failures.after(failed)
    if (refusal === null) coverage.unseenAnswers++
    return { body: null, refusal, findings: [finding] }
  })
}
