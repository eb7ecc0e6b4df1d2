import { type BudgetAction, formatUsd, NO_USAGE } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { providerYaml } from '../../test/support/sidecar.ts'
import { type Denial, isAbandoned, isDenial, type Reserved } from '../exchange.ts'
import { boundOf, type Json, NO_FACTS, Stages } from './support/stages.ts'

const ASK: Json = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hello' }], max_tokens: 1_000 }

const budget = (spec: object, limit = '0.01'): string =>
  JSON.stringify({
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'Budget',
    metadata: { name: 'team' },
    spec: { scope: 'global', limit, period: 'daily', ...spec },
  })

const opened = (t: Test, spec: object, limit?: string): Promise<Stages> => Stages.open(t, budget(spec, limit))

/** Spends that much of the budget, in one request and with the ledger told of it. */
async function spend(stages: Stages, nano: number): Promise<void> {
  const reserved = await stages.sent(ASK)
  stages.settle(reserved, BigInt(nano) as never)
  await stages.world.during(stages.world.core.gate.returnIdle(true))
}

const refused = (outcome: Awaited<ReturnType<Stages['reserve']>>): Denial => {
  if (!isDenial(outcome)) throw new Error('it was not refused')
  return outcome
}

const modelOf = ({ body }: Reserved): unknown => JSON.parse(body.toString()).model

t.test('a budget that blocks from 90 % on lets pass before, and refuses from there', async (t) => {
  const stages = await opened(t, { steps: [{ at: 90, action: 'block' }] })
  await spend(stages, 8_000_000)
  t.notOk(isDenial(await stages.reserve({ ...ASK, max_tokens: 100 })))
  await spend(await opened(t, {}), 0)
  const late = await opened(t, { steps: [{ at: 50, action: 'block' }] })
  const small = { ...ASK, max_tokens: 16 }
  const asked = boundOf(await late.sent(small))
  await spend(late, 5_000_000)
  t.match(refused(await late.reserve(small)), {
    code: 'acc_budget_exceeded',
    details: { budget: 'team', remaining_usd: '0.005', requested_usd: formatUsd(asked) },
    message: /spent to 50 %, where it blocks/,
  })
})

t.test('a refusal says nothing of what a request costs that nothing bounds', async (t) => {
  const early = budget({ steps: [{ at: 50, action: 'block' }] })
  const stages = await Stages.open(t, early, providerYaml({ onUnbounded: 'allowCounted' }))
  await spend(stages, 5_000_000)
  const picture = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
  const unbounded = { ...ASK, messages: [{ role: 'user', content: [picture] }] }
  const details = { budget: 'team', remaining_usd: '0.005', requested_usd: null }
  t.match(refused(await stages.reserve(unbounded)), { code: 'acc_budget_exceeded', details })
  t.match(refused(await stages.reserve({ ...ASK, max_tokens: 16 })), { details: { requested_usd: String } })
})

t.test('a budget that is overrun refuses what nothing bounds, as that', async (t) => {
  const stages = await Stages.open(t, budget({}), providerYaml({ onUnbounded: 'allowCounted' }))
  await spend(stages, 20_000_000)
  const picture = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
  t.match(refused(await stages.reserve({ ...ASK, messages: [{ role: 'user', content: [picture] }] })), {
    code: 'acc_budget_exceeded',
    details: { requested_usd: null, remaining_usd: '0' },
    message: /is bounded by nothing/,
  })
})

t.test('near its limit a budget warns, and says what is left', async (t) => {
  const stages = await opened(t, { warning: 50 })
  t.same((await stages.sent(ASK)).notices, { warnings: [], remainingUsd: null })
  await spend(stages, 5_000_000)
  t.same((await stages.sent({ ...ASK, max_tokens: 16 })).notices, {
    warnings: ['budget team is spent to 50 %'],
    remainingUsd: '0.005',
  })
})

t.test('a throttling budget lets its requests a minute pass and says when the next one may', async (t) => {
  const stages = await opened(t, { steps: [{ at: 50, action: 'throttle' }], throttle: { requestsPerMinute: 6 } })
  const small = { ...ASK, max_tokens: 16 }
  const first = await stages.sent(small)
  await spend(stages, 5_000_000)
  t.notOk(isDenial(await stages.reserve(small)))
  t.match(refused(await stages.reserve(small)), {
    code: 'acc_budget_throttled',
    retryAfterS: 10,
    details: { requested_usd: formatUsd(boundOf(first)) },
  })
  stages.world.time.pass(10_000)
  t.notOk(isDenial(await stages.reserve(small)))
})

t.test('once it is spent, a budget does what its action says', async (t) => {
  const expected: Readonly<Record<BudgetAction, string>> = {
    block: 'acc_budget_exceeded',
    alert_only: 'passes',
    throttle: 'passes',
    downgrade_model: 'acc_budget_exceeded',
  }
  for (const [action, outcome] of Object.entries(expected)) {
    const more = {
      ...(action === 'throttle' ? { throttle: { requestsPerMinute: 60 } } : {}),
      ...(action === 'downgrade_model' ? { downgrade: ['gpt-4.1-nano'] } : {}),
    }
    const stages = await opened(t, { action, ...more }, '0.005')
    await spend(stages, 5_000_000)
    const reserved = await stages.reserve(ASK)
    t.equal(isDenial(reserved) ? reserved.code : 'passes', outcome, action)
    if (isDenial(reserved) || isAbandoned(reserved)) continue
    stages.settle(reserved, boundOf(reserved))
    t.match(stages.world.core.gate.stats(), { reserved: 2 }, action)
  }
})

t.test('an audit budget does none of it', async (t) => {
  const stages = await opened(t, { mode: 'audit', steps: [{ at: 10, action: 'block' }] })
  await spend(stages, 9_000_000)
  t.notOk(isDenial(await stages.reserve(ASK)))
})

t.test('from its step on a request goes to the cheaper model, within that model’s own limits', async (t) => {
  const stages = await opened(
    t,
    {
      steps: [{ at: 50, action: 'downgrade_model' }],
      downgrade: ['gpt-4.1-mini', 'gpt-4.1-unknown', 'gpt-4.1-nano'],
    },
    '1',
  )
  t.equal(modelOf(await stages.sent(ASK)), 'gpt-4.1')
  await spend(stages, 500_000_000)
  const reserved = await stages.sent(ASK)
  t.equal(modelOf(reserved), 'gpt-4.1-nano', 'a dearer one and one without a price are passed over')
  t.match(reserved.target, { model: 'gpt-4.1-nano', insteadOf: 'gpt-4.1' })
  t.match(JSON.parse(reserved.body.toString()), { max_tokens: 500 })
  t.equal(reserved.clampedOutputTokens, 500)
})

t.test('what the prompt cache saves is part of the comparison', async (t) => {
  const stages = await opened(t, { steps: [{ at: 10, action: 'downgrade_model' }], downgrade: ['gpt-4.1-nano'] }, '1')
  await spend(stages, 200_000_000)
  const long = { ...ASK, messages: [{ role: 'user', content: 'x'.repeat(40_000) }], max_tokens: 16 }
  const first = await stages.sent(long)
  t.equal(modelOf(first), 'gpt-4.1-nano')
  stages.settle(first, boundOf(first))
  // The target reads for nothing what it has in its cache: the cheaper model would read all of it.
  const cached = (tokens: number) =>
    stages.cache.note({
      principal: stages.plan(long).inspected.authorized.identified.principal,
      attempts: [{ requestedModel: 'gpt-4.1', usage: { ...NO_USAGE, cacheRead: tokens } }],
    } as never)
  cached(10_000)
  t.equal(modelOf(await stages.sent(long)), 'gpt-4.1')
  stages.world.time.pass(5 * 60_000)
  t.equal(modelOf(await stages.sent(long)), 'gpt-4.1-nano', 'and not once the cache has gone')
})

t.test(
  'a request that a budget cannot afford is planned again with the chain, and refused as the one that was asked',
  async (t) => {
    const stages = await opened(t, { action: 'downgrade_model', downgrade: ['gpt-4.1-nano'] }, '0.0003')
    const ask = { ...ASK, max_tokens: 100 }
    const first = await stages.sent({ ...ask, max_tokens: 200, model: 'gpt-4.1-nano' })
    t.ok(boundOf(first) > 0n)
    const outcome = await stages.reserve({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'x'.repeat(4_000) }] })
    t.match(refused(outcome), { code: /acc_budget_(exceeded|busy)/, message: /"gpt-4.1"/ })
  },
)

t.test('the event of a request tells which budget did what with it, and most events nothing', async (t) => {
  const eventOf = ({ cover }: Reserved) => (cover.kind === 'covered' ? cover.intent.event : null)
  const small = { ...ASK, max_tokens: 16 }
  const plain = eventOf(await (await opened(t, {})).sent(small))
  t.notOk(plain && 'budgetDecision' in plain)
  const lowered = await (await opened(t, {}, '0.0005')).sent(ASK)
  t.match(eventOf(lowered), {
    clampedOutputTokens: lowered.clampedOutputTokens ?? -1,
    budgetDecision: { action: 'clamp', budget: 'team', subject: '*', limit_usd: '0.0005', remaining_usd: '0.0005' },
  })
  const due = await opened(t, { steps: [{ at: 50, action: 'downgrade_model' }], downgrade: ['gpt-4.1-nano'] }, '1')
  await spend(due, 500_000_000)
  t.match(eventOf(await due.sent(ASK)), {
    budgetDecision: { action: 'downgrade_model', budget: 'team', remaining_usd: '0.5', asked_model: 'gpt-4.1' },
  })
  const spent = await opened(t, { action: 'downgrade_model', downgrade: ['gpt-4.1-nano'] }, '0.00035')
  const instead = await spent.sent({ ...ASK, max_tokens: 300, messages: [{ role: 'user', content: 'x'.repeat(400) }] })
  t.equal(modelOf(instead), 'gpt-4.1-nano')
  t.match(eventOf(instead), { budgetDecision: { action: 'downgrade_model', asked_model: 'gpt-4.1' } })
  const early = await opened(t, { steps: [{ at: 50, action: 'block' }] })
  await spend(early, 5_000_000)
  const refusal = refused(await early.reserve(small))
  t.match(refusal.budgetDecision, { action: 'block', budget: 'team', remaining_usd: '0.005' })
  t.same(refusal.details, refusal.budgetDecision, 'as its client is told')
})

t.test('what ages out of a rolling window opens a budget that blocks early, without a restart', async (t) => {
  const stages = await opened(t, { period: 'rolling', window: '1h', steps: [{ at: 50, action: 'block' }] })
  await spend(stages, 6_000_000)
  const small = { ...ASK, max_tokens: 16 }
  t.equal(refused(await stages.reserve(small)).code, 'acc_budget_exceeded')
  stages.world.time.pass(2 * 3_600_000)
  // It refuses once more, and asks.
  await stages.reserve(small)
  await stages.world.during(stages.world.core.gate.returnIdle(false))
  t.notOk(isDenial(await stages.reserve(small)))
})

t.test('a cheaper model whose own budget blocks is passed over', async (t) => {
  const own = JSON.stringify({
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'Budget',
    metadata: { name: 'nano' },
    spec: {
      scope: 'per_model',
      selector: { model: 'gpt-4.1-nano' },
      limit: '0.001',
      period: 'daily',
      steps: [{ at: 10, action: 'block' }],
    },
  })
  const spec = { steps: [{ at: 50, action: 'downgrade_model' }], downgrade: ['gpt-4.1-nano'] }
  const stages = await Stages.open(t, budget(spec), own)
  await spend(stages, 5_000_000)
  const first = await stages.sent({ ...ASK, max_tokens: 16 })
  t.equal(modelOf(first), 'gpt-4.1-nano')
  stages.settle(first, 500_000n as never)
  await stages.world.during(stages.world.core.gate.returnIdle(true))
  t.equal(modelOf(await stages.sent({ ...ASK, max_tokens: 16 })), 'gpt-4.1')
})

t.test('while the control plane is away a budget spends its lease, refuses, or lets pass, as it says', async (t) => {
  for (const onDisconnect of ['spend-lease', 'deny', 'allow']) {
    const stages = await opened(t, { onDisconnect }, '0.01')
    const first = await stages.sent(ASK)
    stages.world.isConnected = false
    const outcomes = []
    for (let sent = 0; sent < 4; sent++) outcomes.push(await stages.reserve(ASK))
    const codes = outcomes.map((outcome) => (isDenial(outcome) ? outcome.code : 'passes'))
    const spent = outcomes.reduce<bigint>(
      (sum, outcome) => (isDenial(outcome) || isAbandoned(outcome) ? sum : sum + boundOf(outcome)),
      BigInt(boundOf(first)),
    )
    if (onDisconnect === 'deny') t.same(new Set(codes), new Set(['acc_budget_disconnected']))
    else if (onDisconnect === 'allow') t.same(new Set(codes), new Set(['passes']))
    else t.ok(spent <= 10_000_000n, `${spent} nano-USD of a lease`)
    stages.world.isConnected = true
    if (onDisconnect === 'deny')
      t.notOk(isDenial(await stages.reserve({ ...ASK, max_tokens: 16 })), 'and goes on when it is back')
  }
})

t.test('an answer’s cost is that of the model which served it', async (t) => {
  const stages = await opened(t, { steps: [{ at: 50, action: 'downgrade_model' }], downgrade: ['gpt-4.1-nano'] })
  await spend(stages, 5_000_000)
  const reserved = await stages.sent(ASK)
  const facts = { ...NO_FACTS, usage: { ...NO_USAGE, inputUncached: 100, outputVisible: 10 } }
  t.equal(stages.meter(reserved, { result: { facts } }).charged, 35_000n)
})
