import { NO_USAGE, nanoUsd, type TokenUsage } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { budgetYaml, providerYaml } from '../../test/support/sidecar.ts'
import type { AnswerResult } from '../answer/answer.ts'
import type { Reserved } from '../exchange.ts'
import { boundOf, type Json, NO_FACTS, Stages } from './support/stages.ts'

/** At most 1 000 tokens of output, at $4 a million. */
const REQUEST: Json = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hello' }], max_tokens: 1_000 }
const OUTPUT_NANO = 4_000n
const AMPLE = budgetYaml({ name: 'ample', limit: '1000.00' })

async function attempt(
  t: Test,
  request: Json = REQUEST,
): Promise<{ readonly stages: Stages; readonly reserved: Reserved }> {
  const stages = await Stages.open(t, AMPLE)
  return { stages, reserved: await stages.sent(request) }
}

const reporting = (usage: Partial<TokenUsage>, responseModel: string | null = null): Partial<AnswerResult> => ({
  facts: { ...NO_FACTS, responseModel, usage: { ...NO_USAGE, ...usage } },
})

/** The bound without its output: what the input may cost at most. */
const inputOf = (reserved: Reserved): bigint => boundOf(reserved) - 1_000n * OUTPUT_NANO

t.test('H5: what was not sent costs nothing', async (t) => {
  const { stages, reserved } = await attempt(t)
  for (const outcome of ['failed', 'aborted'] as const) {
    const metered = stages.meter(reserved, { status: null, sent: false, result: { outcome } })
    t.match(metered, { precision: 'none', charged: 0n, cost: { total: 0n } }, outcome)
  }
})

t.test('H5: what the provider refused costs nothing; behind a time-out the work may have been done', async (t) => {
  const { stages, reserved } = await attempt(t)
  const chargedAt = (status: number): bigint => stages.meter(reserved, { status }).charged
  for (const status of [300, 302, 400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 501, 502, 503, 529])
    t.equal(chargedAt(status), 0n, `${status}`)
  for (const status of [408, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528])
    t.equal(chargedAt(status), boundOf(reserved), `${status}`)
  t.equal(
    stages.meter(reserved, { status: null, result: { outcome: 'failed' } }).charged,
    boundOf(reserved),
    'no answer',
  )
})

t.test('H5: reported usage is exact, also above the bound, and however the answer ended', async (t) => {
  const { stages, reserved } = await attempt(t)
  const reported = reporting({ inputUncached: 10, outputVisible: 5_000 })
  for (const outcome of ['completed', 'aborted', 'cut', 'failed'] as const) {
    const metered = stages.meter(reserved, { result: { ...reported, outcome } })
    t.match(metered, { precision: 'exact', charged: 20_010_000n, cost: { total: 20_010_000n } }, outcome)
    t.ok(metered.charged > boundOf(reserved))
  }
})

t.test('the price is that of the model that was served; a name that no card knows is the one asked for', async (t) => {
  const { stages, reserved } = await attempt(t)
  const usage = { inputUncached: 10, outputVisible: 1 }
  const charged = (responseModel: string | null): bigint =>
    stages.meter(reserved, { result: reporting(usage, responseModel) }).charged
  t.same([null, 'gpt-4.1', 'gpt-4.1-mini', 'a name that no card knows'].map(charged), [
    14_000n,
    14_000n,
    140_000n,
    14_000n,
  ])
})

t.test('a report of more tokens than there are is no report', async (t) => {
  const { stages, reserved } = await attempt(t)
  const { ask } = reserved.planned.inspected.authorized.identified
  if (ask.kind !== 'metered') throw new Error('not metered')
  const facts = ask.adapter.readAnswer({ usage: { prompt_tokens: 10, completion_tokens: 9e15 } }, ask.request)
  t.equal(facts.usage, null)
  t.equal(stages.meter(reserved, { result: { facts } }).charged, boundOf(reserved))
})

t.test('completed without a report: what was seen, at most the bound', async (t) => {
  const { stages, reserved } = await attempt(t)
  const metered = stages.meter(reserved, { result: { outputBytes: 50 } })
  t.match(metered, { precision: 'estimated', charged: inputOf(reserved) + 50n * OUTPUT_NANO })
  t.equal(stages.meter(reserved, { result: { outputBytes: 5_000 } }).charged, boundOf(reserved))
  const { charged } = stages.meter(reserved, { result: { outputBytes: 50, endSeen: false } })
  t.equal(charged, inputOf(reserved) + 450n * OUTPUT_NANO, 'without its end mark: and a tail')
})

t.test('aborted or cut where that stops the billing: what was seen and a tail, at most the bound', async (t) => {
  const { stages, reserved } = await attempt(t)
  for (const outcome of ['aborted', 'cut'] as const) {
    const charged = (outputBytes: number): bigint =>
      stages.meter(reserved, { result: { outcome, outputBytes, endSeen: false } }).charged
    t.equal(charged(0), inputOf(reserved) + 400n * OUTPUT_NANO, outcome)
    t.equal(charged(50), inputOf(reserved) + 450n * OUTPUT_NANO, outcome)
    t.equal(charged(700), boundOf(reserved), outcome)
  }
})

t.test('a cut does not cap the bill where the provider was ahead of what was read, or thinks in hiding', async (t) => {
  const { stages, reserved } = await attempt(t)
  const aborted = { outcome: 'aborted' as const, outputBytes: 50, endSeen: false }
  t.equal(stages.meter(reserved, { result: { ...aborted, readingWasPaused: true } }).charged, boundOf(reserved))
  t.equal(stages.meter(reserved, { result: { ...aborted, outputBytes: null } }).charged, boundOf(reserved), 'not read')
  t.equal(
    stages.meter(reserved, { result: { ...aborted, outcome: 'failed' } }).charged,
    boundOf(reserved),
    'broken off',
  )
  t.equal(stages.meter(reserved, { status: 201, result: aborted }).charged, boundOf(reserved), 'not a 200')
  const hiding = await attempt(t, { ...REQUEST, model: 'o3' })
  t.equal(hiding.stages.meter(hiding.reserved, { result: aborted }).charged, boundOf(hiding.reserved))
  t.equal(hiding.stages.meter(hiding.reserved, { result: { outputBytes: 50 } }).charged, boundOf(hiding.reserved))
})

t.test('an endpoint without a price costs what nobody knows, and charges nothing', async (t) => {
  const { stages, reserved } = await attempt(t)
  const uncovered: Reserved = { ...reserved, cover: { kind: 'uncovered' } }
  t.match(stages.meter(uncovered, {}), { precision: 'none', cost: null, charged: 0n })
})

t.test('an unbounded request that was let through is charged its report, else what the model can hold', async (t) => {
  const picture = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
  const unbounded = { ...REQUEST, messages: [{ role: 'user', content: [picture] }] }
  const stages = await Stages.open(t, AMPLE, providerYaml({ onUnbounded: 'allowCounted' }))
  const reserved = await stages.sent(unbounded)
  t.equal(boundOf(reserved), 0n)
  const reported = stages.meter(reserved, { result: reporting({ inputUncached: 900, outputVisible: 100 }) })
  t.match(reported, { precision: 'exact', charged: 1_300_000n })
  const aborted = stages.meter(reserved, { result: { outcome: 'aborted', outputBytes: 100, endSeen: false } })
  t.match(aborted, { precision: 'estimated', charged: 100_000n * 1_000n + 500n * OUTPUT_NANO }, 'never nothing')
  const vast = await stages.sent({ ...unbounded, model: 'gpt-4.1-vast' })
  const unknown = stages.meter(vast, { result: { outcome: 'aborted', outputBytes: 100 } })
  t.match(unknown, { precision: 'estimated', cost: null, charged: 100n * OUTPUT_NANO }, 'what was seen')
  stages.settle(reserved, nanoUsd(aborted.charged))
  const [account] = stages.world.core.accounts.values()
  t.match(account, { charged: aborted.charged, uncharged: 0n })
})
