import type { Finding } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'
import t from 'tap'
import { type AnswerResult, unread } from '../answer/answer.ts'
import type { AnswerInspection } from '../answer/inspection.ts'
import { openPlainAnswer } from '../answer/plain.ts'
import type { Denial } from '../exchange.ts'
import { ScanFailedError } from '../inspect/scan-failure.ts'
import { bySource, SegmentScanner } from '../inspect/scanner.ts'
import { streamGenerateContent } from '../providers/gemini/content.ts'
import { openaiChat } from '../providers/openai/chat.ts'
import type { ProviderAdapter } from '../providers/provider.ts'
import { inspectionThat } from './support/detectors.ts'

const KEY = 'KEY123456'
const answer = (message: object): Buffer =>
  Buffer.from(JSON.stringify({ id: 'c', choices: [{ index: 0, message: { role: 'assistant', ...message } }] }))
const calling = (text: string): Buffer =>
  answer({ content: null, tool_calls: [{ id: 'x', type: 'function', function: { name: 'send', arguments: text } }] })

/** What the client got. */
interface Passed {
  /** `null` where the provider's head was not sent. */
  readonly head: 'as-is' | 'changed' | null
  readonly bytes: string
  readonly refusal: Denial | null
  readonly broken: boolean
  readonly aborted: boolean
  readonly result: AnswerResult
}

interface Way {
  readonly inspection: AnswerInspection
  readonly adapter?: ProviderAdapter
  /** The provider breaks off behind the body. */
  readonly breaks?: boolean
  /** Nothing more may be held. */
  readonly full?: boolean
}

/** Sends a body through the answer path in two pieces. */
async function pass(
  body: Buffer,
  { inspection, adapter = openaiChat, breaks = false, full = false }: Way,
): Promise<Passed> {
  const out: Buffer[] = []
  let head: Passed['head'] = null
  let refusal: Denial | null = null
  let broken = false
  let aborted = false
  const finished = Promise.withResolvers<AnswerResult>()
  const path = openPlainAnswer({
    reply: {
      headSent: false,
      head: () => {},
      write: (bytes) => out.push(bytes) > 0,
      onDrain: () => {},
      end: (bytes) => void (bytes && out.push(bytes)),
      destroy: () => {
        broken = true
      },
      hold: () => !full,
    },
    upstream: {
      pause: () => {},
      resume: () => {},
      abort: () => {
        aborted = true
      },
    },
    finish: finished.resolve,
    adapter,
    request: { model: 'm', stream: false, json: {} },
    inspection,
    coding: 'identity',
    status: 200,
    head: (sent) => {
      head = sent === 'as-is' ? 'as-is' : 'changed'
    },
    deny: (denied) => {
      refusal = denied
      return 503
    },
  })
  const half = body.length >> 1
  path.data(body.subarray(0, half))
  if (!aborted) path.data(body.subarray(half))
  if (!aborted) {
    if (breaks) path.fail('acc_upstream_cut')
    else path.end()
  }
  const result = await finished.promise
  return { head, bytes: Buffer.concat(out).toString(), refusal, broken, aborted, result }
}

/** An inspection whose detector is another one. */
function findingBy(inspection: AnswerInspection, detect: Detector['detect']): AnswerInspection {
  const [only] = inspection.set.detectors
  if (!only) return inspection
  const detectors = [{ ...only, detect }]
  const byId = new Map(detectors.map((detector) => [detector.id, detector]))
  return { ...inspection, set: { ...inspection.set, detectors, byId, bySource: bySource(detectors) } }
}

const keyIn = (text: string, from: number, to: number): readonly Finding[] => {
  const start = text.indexOf(KEY)
  const taxonomy = { owaspLlm: null, owaspAgentic: null, mitreAtlas: null }
  const shared = { detectorId: 'secrets', ruleId: 'key', category: 'secret', severity: 'critical', score: 1 } as const
  return start === -1 ? [] : [{ ...shared, taxonomy, start: start + from, end: start + KEY.length + to }]
}

t.test('what is taken out of an answer leaves JSON, and the rest of it', async (t) => {
  const inspection = inspectionThat('redact')
  const text = await pass(answer({ content: `it is ${KEY}.` }), { inspection })
  t.same([text.head, text.bytes], ['changed', answer({ content: 'it is [REDACTED:key].' }).toString()])
  t.match(text.result, { outcome: 'completed', findings: [{ action: 'redact', direction: 'response' }] })
  const call = await pass(calling(`{"note":"${KEY}"}`), { inspection })
  t.equal(call.bytes, calling('{"note":"[REDACTED:key]"}').toString())
})

t.test('an answer out of which nothing can be taken without breaking it is refused, by the rule’s name', async (t) => {
  // Together with a quotation mark of the JSON around it.
  const inspection = findingBy(inspectionThat('redact'), (text) => keyIn(text, -1, 0))
  const unwritable: ProviderAdapter = {
    ...openaiChat,
    replaceSegments: () => {
      throw new Error('it stands nowhere')
    },
  }
  for (const got of [
    await pass(calling(`{"note":"${KEY}"}`), { inspection }),
    await pass(answer({ content: KEY }), { inspection: inspectionThat('redact'), adapter: unwritable }),
  ]) {
    t.same([got.head, got.bytes, got.broken], [null, '', false])
    t.match(got.refusal, { code: 'acc_security_blocked', message: /secrets\/key/ })
    t.notMatch(JSON.stringify(got.refusal), KEY)
    t.match(got.result, { outcome: 'cut', code: 'acc_security_blocked', clientStatus: 503 })
    t.match(got.result, { findings: [{ detectorId: 'secrets', action: 'redact', count: 1 }] })
    t.ok(got.result.facts, 'and it is charged for what was read')
  }
})

t.test(
  'of an answer that breaks off while it is held nothing is passed on where it was to be judged first',
  async (t) => {
    const body = answer({ content: `it is ${KEY}` })
    const held = await pass(body, { inspection: inspectionThat('block'), breaks: true })
    t.same([held.head, held.bytes, held.broken], ['as-is', '', true])
    t.match(held.result, unread('failed', 'acc_upstream_cut', 200))
    const watched = await pass(body, { inspection: inspectionThat('alert'), breaks: true })
    t.same([watched.head, watched.bytes, watched.broken], ['as-is', body.toString(), true], 'as without a sidecar')
    const unseen = { detectorId: 'inspection', ruleId: 'unreadable', action: 'alert', count: 1 }
    t.match(watched.result, { outcome: 'failed', findings: [unseen] }, 'and that nobody saw it is told')
    const empty = await pass(Buffer.alloc(0), { inspection: inspectionThat('alert'), breaks: true })
    t.same(empty.result.findings.length, 0, 'nothing is told where nothing came')
  },
)

t.test('JSON that is no object is no answer: it is refused where the policy is closed, and told of', async (t) => {
  const texts = [[KEY], KEY, [{ choices: [{ message: { content: KEY } }] }], null].map((json) => JSON.stringify(json))
  for (const text of texts) {
    for (const adapter of [openaiChat, streamGenerateContent]) {
      const closed = await pass(Buffer.from(text), { inspection: inspectionThat('block'), adapter })
      t.match(closed, { head: null, bytes: '', refusal: { code: 'acc_inspection_unavailable' } }, text)
      const open = await pass(Buffer.from(text), { inspection: inspectionThat('alert'), adapter })
      t.match(open, { head: 'as-is', bytes: text, refusal: null, result: { outcome: 'completed' } }, text)
      const told = { detectorId: 'inspection', ruleId: 'not-json', severity: 'high', direction: 'response' }
      t.match(closed.result, { outcome: 'cut', findings: [{ ...told, action: 'block' }] })
      t.match(open.result.findings, [{ ...told, action: 'alert' }])
    }
  }
})

t.test(
  'an answer for which there is no room is refused where the policy is closed, and passes where nobody would change it',
  async (t) => {
    const body = answer({ content: `it is ${KEY}` })
    const closed = await pass(body, { inspection: inspectionThat('block'), full: true })
    t.match(closed, { head: null, bytes: '', aborted: true, refusal: { code: 'acc_inspection_unavailable' } })
    const inspection = inspectionThat('alert')
    const open = await pass(body, { inspection, full: true })
    t.match(open, { head: 'as-is', bytes: body.toString(), refusal: null, result: { outcome: 'completed' } })
    t.equal(inspection.coverage.unseenAnswers, 1)
    const told = { detectorId: 'inspection', ruleId: 'no-room', severity: 'high', direction: 'response' }
    t.match(closed.result.findings, [{ ...told, action: 'block' }])
    t.match(open.result.findings, [{ ...told, action: 'alert' }])
  },
)

t.test(
  'an answer whose scan gives nothing is refused where the policy is closed, and told of either way',
  async (t) => {
    const body = answer({ content: 'The quick brown fox jumps over the lazy dog. '.repeat(400) })
    for (const reason of ['overloaded', 'timed-out', 'worker-crashed'] as const) {
      const scanner = new SegmentScanner({ run: () => Promise.reject(new ScanFailedError(reason)) }, 100)
      const closed = await pass(body, { inspection: { ...inspectionThat('block'), scanner } })
      t.match(closed, { head: null, bytes: '', refusal: { code: 'acc_inspection_unavailable' } }, reason)
      const told = { detectorId: 'inspection', ruleId: reason, severity: 'high', direction: 'response' }
      t.match(closed.result, { outcome: 'cut', findings: [{ ...told, action: 'block' }] })
      const open = await pass(body, { inspection: { ...inspectionThat('alert'), scanner } })
      t.match(open, { head: 'as-is', bytes: body.toString(), refusal: null }, reason)
      t.match(open.result, { outcome: 'completed', findings: [{ ...told, action: 'alert' }] })
    }
  },
)
