import { type NanoUsd, NO_USAGE, nanoUsd } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { budgetYaml, providerYaml } from '../../test/support/sidecar.ts'
import { isAbandoned, isDenial, type Reserved } from '../exchange.ts'
import { inScope } from './support/in-scope.ts'
import { boundOf, type Json, NO_FACTS, Stages } from './support/stages.ts'

const hello = (fields: Json = {}): Json => ({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'hello' }],
  max_tokens: 100,
  ...fields,
})

const limitOf = (reserved: Reserved): number => {
  const json: Json = JSON.parse(reserved.body.toString())
  return Number(json.max_completion_tokens ?? json.max_tokens)
}

/** What the most that this limit lets through costs. */
function costAt(stages: Stages, { cover }: Reserved, outputTokensMax: number): NanoUsd {
  if (cover.kind !== 'covered' || cover.bound === null) throw new Error('not bounded')
  return stages.prices.bound(cover.priced, { ...cover.bound, outputTokensMax }, stages.world.time.nowMs())
}

const nothingIsReserved = ({ world }: Stages): boolean =>
  [...world.core.accounts.values()].every(({ uncharged }) => uncharged === 0n)

t.test('parallel turns of an agent do not all pass its budget', async (t) => {
  const stages = await Stages.open(t, budgetYaml({ name: 'each', limit: '0.0025', agent: '*' }))
  const one = boundOf(await stages.sent(hello(), 'somebody else'))
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => stages.reserve(hello())))
  const refused = outcomes.filter(isDenial)
  t.equal(BigInt(20 - refused.length), 2_500_000n / one)
  t.ok(refused.every(({ code }) => code === 'acc_budget_busy'))
})

t.test('context tiers are in the reservation: requests of a tier are admitted by what they cost', async (t) => {
  // Some 2 100 bytes of input at $2 and 100 tokens at $8 per million: half a cent each.
  const request = hello({ model: 'gpt-4.1-long', messages: [{ role: 'user', content: 'x'.repeat(2_000) }] })
  const stages = await Stages.open(t, budgetYaml({ name: 'cap', limit: '0.018' }))
  const facts = { ...NO_FACTS, usage: { ...NO_USAGE, inputUncached: 2_050, outputVisible: 100 } }
  let spent = 0n
  let admitted = 0
  for (let sent = 0; sent < 5; sent++) {
    const reserved = await stages.reserve(request)
    if (isDenial(reserved) || isAbandoned(reserved) || reserved.clampedOutputTokens !== null) break
    const { charged } = stages.meter(reserved, { result: { facts } })
    t.ok(charged <= boundOf(reserved), `${charged} of ${boundOf(reserved)}`)
    spent += charged
    admitted++
  }
  t.equal(admitted, 3)
  t.ok(spent <= 18_000_000n)
})

t.test(
  'a request larger than what is left is told a lower limit, or refused: its reservation is not just shrunk',
  async (t) => {
    const anyCase = fc.record({
      nano: fc.integer({ min: 1, max: 2_000_000 }),
      tokens: fc.integer({ min: 1, max: 4_000 }),
      n: fc.integer({ min: 1, max: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(anyCase, ({ nano, tokens, n }) =>
        inScope(async (scope) => {
          const stages = await Stages.open(scope, budgetYaml({ name: 'small', limit: (nano / 1e9).toFixed(9) }))
          const reserved = await stages.reserve(hello({ max_tokens: tokens, n }))
          if (isAbandoned(reserved)) throw new Error('abandoned')
          if (isDenial(reserved)) {
            if (reserved.code !== 'acc_budget_exceeded') throw new Error(reserved.code)
            return
          }
          const told = limitOf(reserved)
          if (told > tokens) throw new Error('the limit was raised')
          if (reserved.clampedOutputTokens !== null && told < 16) throw new Error('below the minimum of the policy')
          if (costAt(stages, reserved, told * n) > boundOf(reserved))
            throw new Error('more may be billed than is reserved')
          if (boundOf(reserved) > BigInt(nano)) throw new Error('more is reserved than there is')
        }),
      ),
      { numRuns: 40 },
    )
    t.pass()
  },
)

t.test(
  'the limit is lowered only when the budget is exhausted, not while a running request holds the money',
  async (t) => {
    const stages = await Stages.open(t, budgetYaml({ name: 'org', limit: '0.0007' }))
    const first = await stages.sent(hello())
    t.equal(first.clampedOutputTokens, null)
    t.match(await stages.reserve(hello()), { kind: 'denial', code: 'acc_budget_busy', retryAfterS: 1 })
    stages.settle(first, nanoUsd(400_000n))
    const second = await stages.sent(hello())
    t.ok(second.clampedOutputTokens !== null && second.clampedOutputTokens < 100)
    t.equal(limitOf(second), second.clampedOutputTokens)
  },
)

t.test('with two budgets short the limit is lowered to what both afford', async (t) => {
  for (const limits of [
    ['0.00050', '0.00040'],
    ['0.00040', '0.00050'],
  ]) {
    const stages = await Stages.open(t, ...limits.map((limit, at) => budgetYaml({ name: `budget-${at}`, limit })))
    const reserved = await stages.sent(hello({ max_tokens: 1_000 }))
    t.ok(boundOf(reserved) <= 400_000n)
    t.ok(boundOf(reserved) > 390_000n, 'and no further')
  }
})

t.test('one request after the other takes a budget down to less than the smallest answer costs', async (t) => {
  const stages = await Stages.open(t, budgetYaml({ name: 'org', limit: '0.003' }))
  let spent = 0n
  for (let sent = 0; sent < 100; sent++) {
    const reserved = await stages.reserve(hello())
    if (isAbandoned(reserved)) throw new Error('abandoned')
    if (isDenial(reserved)) {
      const details = { budget: 'org', subject: '*', limit_usd: '0.003' }
      t.match(reserved, { code: 'acc_budget_exceeded', retryAfterS: null, details })
      break
    }
    spent += boundOf(reserved)
    stages.settle(reserved, boundOf(reserved))
  }
  t.ok(spent <= 3_000_000n && spent > 2_700_000n, `${spent}`)
})

t.test('an error between the reservation and the first byte leaves nothing reserved', async (t) => {
  const stages = await Stages.open(t, budgetYaml({ name: 'org', limit: '0.0007' }))
  const planned = stages.plan(hello({ stream: true }))
  const { authorized } = planned.inspected
  const { identified } = authorized
  if (identified.ask.kind !== 'metered') throw new Error('not metered')
  const askForUsage = (): never => {
    throw new RangeError('nobody foresaw this')
  }
  const ask = { ...identified.ask, adapter: { ...identified.ask.adapter, askForUsage } }
  const inspected = { ...planned.inspected, authorized: { ...authorized, identified: { ...identified, ask } } }
  await t.rejects(stages.world.during(stages.stage({ ...planned, inspected })), RangeError)
  t.ok(nothingIsReserved(stages))
  t.equal(stages.world.intents().size, 0)
  t.equal((await stages.sent(hello())).clampedOutputTokens, null)
})

t.test('an intent that cannot be written down leaves nothing reserved, and says why', async (t) => {
  const stages = await Stages.open(t, budgetYaml({ name: 'org', limit: '0.01' }))
  stages.settle(await stages.sent(hello()), nanoUsd(0n))
  await stages.world.settleDown()
  stages.world.faults.disk = true
  t.match(await stages.reserve(hello()), { kind: 'denial', code: 'acc_outbox_unavailable', retryAfterS: 5 })
  t.ok(nothingIsReserved(stages))
  stages.world.faults.disk = false
  await stages.world.pass(1_000)
  t.equal((await stages.sent(hello())).clampedOutputTokens, null)
})

t.test('a limit of any size neither passes a budget nor stops the outbox', async (t) => {
  const huge = hello({ max_tokens: Number.MAX_SAFE_INTEGER, n: 128 })
  const watched = await Stages.open(t, budgetYaml({ name: 'org', limit: '1.00', mode: 'audit' }))
  const [reserved, other] = await Promise.all([watched.sent(huge), watched.sent(hello())])
  t.equal(boundOf(reserved), 10n ** 15n)
  t.ok(boundOf(other) < 1_000_000n)
  t.equal(watched.world.core.outbox.writable, true)
  await watched.world.crash()
  t.equal(watched.world.core.stats().unresolvedAtStart, 2)
  const enforced = await Stages.open(t, budgetYaml({ name: 'org', limit: '1.00' }))
  t.ok((await enforced.sent(huge)).clampedOutputTokens !== null)
})

t.test('what no budget can bound goes by onUnbounded', async (t) => {
  const picture = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
  const unbounded = hello({ messages: [{ role: 'user', content: [picture] }] })
  const stagesWith = (onUnbounded: string): Promise<Stages> =>
    Stages.open(t, budgetYaml({ name: 'org', limit: '1.00' }), providerYaml({ onUnbounded }))
  t.match(await (await stagesWith('deny')).reserve(unbounded), { code: 'acc_request_unbounded' })
  const whole = await (await stagesWith('contextWindow')).sent(unbounded)
  t.equal(boundOf(whole), 100_000n * 1_000n + 100n * 4_000n)
  const counted = await (await stagesWith('allowCounted')).sent(unbounded)
  t.match(counted.cover, { kind: 'covered', bound: { inputTokensMax: 100_000 } })
  t.equal(boundOf(counted), 0n)
})

t.test('a budget that is spent tells what is left, what was asked and when it resets', async (t) => {
  const stages = await Stages.open(t, budgetYaml({ name: 'daily', limit: '0.0001', period: 'daily' }))
  t.match(await stages.reserve(hello()), {
    code: 'acc_budget_exceeded',
    retryAfterS: 12 * 3_600,
    details: {
      budget: 'daily',
      subject: '*',
      limit_usd: '0.0001',
      remaining_usd: '0.0001',
      resets_at: '2026-11-24T00:00:00.000Z',
    },
  })
})
