import { counterKey, nanoUsd, SUBJECT_NONE, SYNC_ITEMS_MAX } from '@agentcostcontrol/contract'
import t from 'tap'
import type { ReserveOutcome } from '../budget/types.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { SpendWorld } from './support/spend-world.ts'

const kindOf = (outcome: ReserveOutcome): string => outcome.kind

t.test('while healthy leases cover the bound, a reservation is answered at once and without a promise', async (t) => {
  const budgets = [budgetOf({ limit: 100_000 }), budgetOf({ name: 'each', scope: 'per_agent', limit: 100_000 })]
  const world = await SpendWorld.open(t, budgets)
  const lines = linesOf('a', ...budgets)
  t.equal(kindOf(await world.reserve(lines, 100)), 'reserved')
  const outcome = world.ask(lines, 100)
  t.notOk(outcome instanceof Promise)
  t.match(outcome, { kind: 'reserved', reservation: { bound: 100n, holds: { length: 2 } } })
})

t.test('a budget is spent to the last nano-dollar and no further', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  for (let sent = 0; sent < 10; sent++) world.end(await world.send(lines, 99), 99)
  t.match(await world.reserve(lines, 11), {
    kind: 'exhausted',
    shortage: { budgetName: 'org', subject: '*', limit: 1_000n, available: 10n, asked: 11n, resetsAtMs: null },
  })
  world.end(await world.send(lines, 10), 10)
  t.match(await world.reserve(lines, 1), { kind: 'exhausted', shortage: { available: 0n } })
})

t.test('parallel turns do not all pass on the same money', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const world = await SpendWorld.open(t, [budget])
  const asked = Array.from({ length: 50 }, () => world.ask(linesOf('a', budget), 300))
  await world.pass(1_500)
  const outcomes = await Promise.all(asked)
  t.equal(outcomes.filter(({ kind }) => kind === 'reserved').length, 3)
  t.equal(outcomes.filter(({ kind }) => kind === 'busy').length, 47, 'the money of those three may come back')
})

t.test('full bounds do not starve: with little spent the next request waits for what running ones hold', async (t) => {
  const budget = budgetOf({ limit: 25_000 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  const running = [await world.send(lines, 6_400), await world.send(lines, 6_400), await world.send(lines, 6_400)]
  const waiting = world.ask(lines, 6_400)
  await world.pass(200)
  t.equal(world.core.gate.stats().waiting, 1)
  const [first] = running
  if (first) world.end(first, 1_000)
  await world.settleDown()
  t.equal(kindOf(await waiting), 'reserved')
})

t.test('a request that runs out of time while money is held is busy, and says when to come again', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  await world.send(linesOf('a', budget), 80)
  t.match(await world.reserve(linesOf('a', budget), 30), {
    kind: 'busy',
    shortage: { budgetName: 'org', available: 20n },
    retryAfterMs: 1_000,
  })
})

t.test(
  'of two short budgets the one that is spent decides, and the refusal names the one with the least left',
  async (t) => {
    const wide = budgetOf({ name: 'wide', limit: 500 })
    const held = budgetOf({ name: 'held', limit: 100 })
    const spent = budgetOf({ name: 'spent', limit: 60 })
    const world = await SpendWorld.open(t, [wide, held, spent])
    await world.send(linesOf('a', held), 80)
    world.end(await world.send(linesOf('a', spent), 40), 40)
    t.match(await world.reserve(linesOf('a', wide, held, spent), 90), {
      kind: 'exhausted',
      shortage: { budgetName: 'spent', available: 20n },
    })
    world.end(await world.send(linesOf('a', wide), 450), 450)
    t.match(await world.reserve(linesOf('a', wide, spent), 90), { shortage: { budgetName: 'spent', available: 20n } })
    t.match(await world.reserve(linesOf('a', spent, wide), 90), { shortage: { budgetName: 'spent', available: 20n } })
  },
)

t.test('a refusal leaves all balances equal, and nothing reserved', async (t) => {
  const budgets = [budgetOf({ name: 'a', limit: 1_000 }), budgetOf({ name: 'b', limit: 10 })]
  const world = await SpendWorld.open(t, budgets)
  t.equal(kindOf(await world.reserve(linesOf('x', ...budgets), 100)), 'exhausted')
  t.ok([...world.core.accounts.values()].every(({ uncharged }) => uncharged === 0n))
  t.equal(kindOf(await world.reserve(linesOf('x', ...budgets.slice(0, 1)), 1_000)), 'reserved')
})

t.test(
  'H2: those who wait are served in order; a small request does not take the money from under a large one',
  async (t) => {
    const budget = budgetOf({ limit: 100 })
    const world = await SpendWorld.open(t, [budget])
    const lines = linesOf('a', budget)
    const running = [await world.send(lines, 40), await world.send(lines, 40)]
    const order: string[] = []
    const large = Promise.resolve(world.ask(lines, 90)).then(({ kind }) => order.push(`large ${kind}`))
    await world.settleDown()
    // 20 are free: enough for each of these, and not for the one that came first.
    const small = [1, 2, 3].map((at) =>
      Promise.resolve(world.ask(lines, 5)).then(({ kind }) => order.push(`small ${at} ${kind}`)),
    )
    await world.pass(100)
    t.same(order, [])
    for (const intent of running) world.end(intent, 0)
    await world.settleDown()
    t.same(order, ['large reserved', 'small 1 reserved', 'small 2 reserved'])
    await world.pass(1_000)
    await Promise.all([large, ...small])
    t.same(order.slice(3), ['small 3 busy'])
  },
)

t.test('one that waits for one budget holds up nobody who asks for another', async (t) => {
  const org = budgetOf({ name: 'org', limit: 1_000 })
  const each = budgetOf({ name: 'each', scope: 'per_agent', limit: 100 })
  const world = await SpendWorld.open(t, [org, each])
  await world.send(linesOf('a', org, each), 80)
  const waiting = world.ask(linesOf('a', org, each), 50)
  await world.pass(100)
  t.ok(waiting instanceof Promise)
  t.equal(kindOf(await world.reserve(linesOf('b', org, each), 50)), 'reserved')
})

t.test('a client that leaves while it waits takes nothing with it', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  const running = await world.send(lines, 80)
  const client = new AbortController()
  const waiting = world.ask(lines, 50, 50, client.signal)
  await world.settleDown()
  client.abort()
  await world.settleDown()
  t.equal(kindOf(await waiting), 'abandoned')
  world.end(running, 0)
  t.equal(kindOf(await world.reserve(lines, 100)), 'reserved')
})

t.test('money that comes back is offered at once, also while `exhausted` is remembered', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  const running = await world.send(lines, 90)
  t.equal(kindOf(await world.reserve(lines, 101)), 'exhausted')
  world.end(running, 0)
  t.equal(kindOf(await world.reserve(lines, 100)), 'reserved', 'what settled and what the grantor has left, together')
})

t.test('`exhausted` is remembered: a burst of refusals is one message', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 95), 95)
  t.equal(kindOf(await world.reserve(lines, 50)), 'exhausted')
  const said = world.messages.length
  for (let times = 0; times < 100; times++) t.notOk(world.ask(lines, 50) instanceof Promise)
  t.equal(world.messages.length, said)
})

t.test('a limit of `total` that is raised after it was spent is noticed at once', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  world.end(await world.send(linesOf('a', budget), 100), 100)
  t.equal(kindOf(await world.reserve(linesOf('a', budget), 10)), 'exhausted')
  world.budgets = [budgetOf({ limit: 200 })]
  t.equal(kindOf(await world.reserve(linesOf('a', ...world.budgets), 100)), 'reserved')
})

t.test('a burst of a thousand is served with a few messages, not with one each', async (t) => {
  const budget = budgetOf({ limit: 10_000_000 })
  const world = await SpendWorld.open(t, [budget])
  const asked = Array.from({ length: 1_000 }, () => world.ask(linesOf('a', budget), 6_400))
  await world.settleDown()
  const outcomes = await Promise.all(asked)
  t.ok(outcomes.every(({ kind }) => kind === 'reserved'))
  t.ok(world.messages.length <= 6, `${world.messages.length} messages`)
})

t.test('a budget that is nearly spent is not asked for again and again', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 950), 900)
  const said = world.messages.length
  for (let sent = 0; sent < 50; sent++) world.end(await world.send(lines, 1), 1)
  t.ok(world.messages.length - said <= 12, `${world.messages.length - said} messages for 50 requests`)
})

t.test('after an hour without a word the next request asks first, and goes on', async (t) => {
  const budget = budgetOf()
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 10), 10)
  world.time.pass(3_600_000)
  t.ok(world.ask(lines, 1) instanceof Promise)
  t.equal(kindOf(await world.reserve(lines, 10)), 'reserved')
})

t.test('a budget that overran is exhausted for every request, also for one that reserves nothing', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 100), 100)
  t.equal(kindOf(await world.reserve(lines, 0)), 'reserved', 'spent to the nano: an uncovered request goes by')
  world.end(await world.send(lines, 0), 30)
  t.match(await world.reserve(lines, 0), { kind: 'exhausted', shortage: { available: 0n } })
})

t.test('an overrun of a lease is made good from what the budget has left, once', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 10), 700)
  t.equal(kindOf(await world.reserve(lines, 301)), 'exhausted')
  t.equal(kindOf(await world.reserve(lines, 300)), 'reserved')
})

t.test(
  'audit: a request that the budget could have paid is not counted as one that it would have refused',
  async (t) => {
    const budget = budgetOf({ limit: 100, mode: 'audit' })
    const world = await SpendWorld.open(t, [budget])
    const lines = linesOf('a', budget)
    for (let sent = 0; sent < 10; sent++) {
      const outcome = world.ask(lines, 10)
      t.match(outcome, { kind: 'reserved' }, 'never refused, and never kept waiting')
      if (outcome instanceof Promise || outcome.kind !== 'reserved') continue
      const intent = world.intentOf(outcome.reservation)
      void world.core.outbox.commitIntent(intent)
      world.end(intent, 10)
      await world.settleDown()
    }
    t.equal(world.core.gate.stats().wouldDeny, 0)
    for (let sent = 0; sent < 5; sent++) {
      t.match(world.ask(lines, 10), { kind: 'reserved' })
      await world.settleDown()
    }
    t.equal(world.core.gate.stats().wouldDeny, 5)
  },
)

t.test('release twice frees once', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  const outcome = await world.reserve(lines, 60)
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind)
  world.core.gate.release(outcome.reservation)
  world.core.gate.release(outcome.reservation)
  t.equal(kindOf(await world.reserve(lines, 60)), 'reserved')
  t.equal(kindOf(await world.reserve(lines, 60)), 'busy')
})

t.test('an intent is settled once: a second settlement charges nothing and tells nothing', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const intent = await world.send(linesOf('a', budget), 60)
  world.end(intent, 10)
  world.end(intent, 10)
  await world.settleDown()
  const [account] = world.core.accounts.values()
  t.match(account, { charged: 10n, uncharged: 0n })
  t.equal(world.core.outbox.stats().eventsStored, 1)
})

t.test('idle money goes back after five seconds, and everything at the end', async (t) => {
  const budget = budgetOf({ limit: 100_000 })
  const world = await SpendWorld.open(t, [budget])
  world.end(await world.send(linesOf('a', budget), 100), 100)
  const [account] = world.core.accounts.values()
  const openMoney = () => (account ? account.granted - account.returned - account.charged : -1n)
  await world.pass(4_000, 1_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  t.ok(openMoney() > 0n)
  await world.pass(1_000, 1_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  t.equal(openMoney(), 0n)
  const [last] = world.messages.at(-1) ?? []
  t.match(last, { returned: account?.returned, charged: 100n, close: false }, 'and the grantor knows')
})

t.test('at the end everything goes back, also what an answer under way brings', async (t) => {
  const budget = budgetOf({ limit: 100_000 })
  const world = await SpendWorld.open(t, [budget])
  // It takes the lease below its low water: a grant ahead of need is asked for.
  const outcome = await world.ask(linesOf('a', budget), 1_900)
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind)
  world.core.gate.release(outcome.reservation)
  await world.during(world.core.gate.returnIdle(true))
  t.equal(world.committed(budget.uid, 'total'), 0n)
})

t.test(
  'at the end everything goes back to a ledger that answers after some tries, and stays with one that does not',
  async (t) => {
    const budget = budgetOf({ limit: 100_000 })
    const world = await SpendWorld.open(t, [budget])
    world.end(await world.send(linesOf('a', budget), 100), 60)
    await world.settleDown()
    world.faults.lostQuestions = 3
    await world.during(world.core.gate.returnIdle(true))
    t.equal(world.committed(budget.uid, 'total'), 60n)
    world.end(await world.send(linesOf('a', budget), 100), 40)
    await world.settleDown()
    world.faults.lostQuestions = 1_000
    await world.during(world.core.gate.returnIdle(true))
    t.ok(1_000 - world.faults.lostQuestions <= 8, 'and it does not ask for long')
    t.ok(world.committed(budget.uid, 'total') > 100n)
  },
)

t.test('what a lost answer granted goes back, although nobody asks for it any more', async (t) => {
  for (const isEnd of [true, false]) {
    const budget = budgetOf({ limit: 100_000 })
    const other = budgetOf({ name: 'other', limit: 100_000 })
    const world = await SpendWorld.open(t, [budget, other])
    world.end(await world.send(linesOf('a', other), 100), 100)
    await world.settleDown()
    const leaving = new AbortController()
    world.faults.lostAnswers = 1
    const asked = world.ask(linesOf('a', budget), 100, 100, leaving.signal)
    await world.settleDown()
    leaving.abort()
    await world.pass(1_000)
    t.equal(kindOf(await asked), 'abandoned')
    t.ok(world.committed(budget.uid, 'total') >= 100n, 'it was granted')
    for (let times = 0; times < 3; times++) await world.during(world.core.gate.returnIdle(isEnd))
    t.equal(world.committed(budget.uid, 'total'), 0n)
  }
})

t.test('a lease of a period that is over is closed when its last request ends, and forgotten', async (t) => {
  const budget = budgetOf({ period: 'daily', limit: 100_000 })
  const world = await SpendWorld.open(t, [budget])
  const running = await world.send(linesOf('a', budget), 100)
  const look = async (): Promise<number> => {
    await world.pass(6_000, 6_000)
    void world.core.gate.returnIdle(false)
    await world.settleDown()
    return world.core.accounts.size
  }
  world.time.pass(24 * 3_600_000)
  t.equal(await look(), 1, 'a request still runs on it')
  world.end(running, 60)
  t.equal(await look(), 0)
  t.match(world.messages.at(-1), [{ close: true, charged: 60n, uncharged: 0n }])
  await look()
  t.same(world.db.heldLeases(), [], 'its row goes from the disk too')
})

/** As many counters as one message cannot name: each of these agents has one of each budget. */
const AGENTS = SYNC_ITEMS_MAX / 2
const EACH = ['one', 'two', 'three'].map((name) => budgetOf({ name, scope: 'per_agent', limit: 1_000 }))
const agents = Array.from({ length: AGENTS }, (_, at) => `agent-${at}`)
const itemsOf = ({ messages }: SpendWorld): readonly number[] => messages.map((items) => items.length)

t.test(
  'a burst over more counters than a message names is served in several, and each counter asks once',
  async (t) => {
    const world = await SpendWorld.open(t, EACH)
    const asked = agents.map((agent) => world.ask(linesOf(agent, ...EACH), 300))
    await world.settleDown()
    const outcomes = await Promise.all(asked)
    t.ok(outcomes.every(({ kind }) => kind === 'reserved'))
    t.ok(
      itemsOf(world).every((items) => items <= SYNC_ITEMS_MAX),
      `${itemsOf(world)}`,
    )
    const needs = world.messages.flat().filter(({ need }) => need > 0n)
    const keys = needs.map(({ counter }) => counterKey(counter))
    t.same([keys.length, new Set(keys).size], [EACH.length * AGENTS, EACH.length * AGENTS])
  },
)

t.test('of more counters than a message names, those that wait in vain keep none of the others waiting', async (t) => {
  const held = budgetOf({ name: 'held', scope: 'per_agent', limit: 100 })
  const world = await SpendWorld.open(t, [held, ...EACH])
  const running = agents.map((agent) => world.ask(linesOf(agent, held), 80))
  await world.settleDown()
  const waiting = agents.map((agent) => world.ask(linesOf(agent, held, ...EACH.slice(0, 1)), 30))
  const others = agents.map((agent) => world.ask(linesOf(agent, ...EACH.slice(1)), 300))
  await world.settleDown()
  const kinds = async (asked: typeof running) => new Set((await Promise.all(asked)).map(kindOf))
  t.same(await kinds(running), new Set(['reserved']))
  t.same(await kinds(others), new Set(['reserved']), 'without a moment of time')
  await world.pass(1_500)
  t.same(await kinds(waiting), new Set(['busy']), 'what runs may come back')
  t.ok(
    itemsOf(world).every((items) => items <= SYNC_ITEMS_MAX),
    `${itemsOf(world)}`,
  )
})

t.test(
  'budgets in audit mode over more counters than a message names are overdrawn, and all of them told',
  async (t) => {
    const audits = EACH.map((budget) => ({ ...budget, mode: 'audit' as const, isHard: false }))
    const world = await SpendWorld.open(t, audits)
    for (const agent of agents) t.match(world.ask(linesOf(agent, ...audits), 1_001), { kind: 'reserved' })
    await world.settleDown()
    t.ok(
      itemsOf(world).every((items) => items <= SYNC_ITEMS_MAX),
      `${itemsOf(world)}`,
    )
    t.equal(world.core.gate.stats().wouldDeny, EACH.length * AGENTS)
  },
)

t.test('a failing grantor refuses nobody who is covered, and the others are busy', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 10), 10)
  world.faults.lostQuestions = 1_000
  t.match(world.ask(lines, 1), { kind: 'reserved' })
  t.match(await world.reserve(lines, 900), { kind: 'busy' })
  world.faults.lostQuestions = 0
  t.equal(kindOf(await world.reserve(lines, 900)), 'reserved')
})

t.test('requests without the attribute share the subject (none)', async (t) => {
  const budget = budgetOf({ scope: 'per_agent', limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  world.end(await world.send([{ budget, subject: SUBJECT_NONE }], 100), 100)
  t.equal(kindOf(await world.reserve([{ budget, subject: SUBJECT_NONE }], 1)), 'exhausted')
  t.equal(kindOf(await world.reserve([{ budget, subject: 'a' }], 1)), 'reserved')
})

t.test('more than 1 024 that wait are turned away', async (t) => {
  const budget = budgetOf({ limit: 100 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  await world.send(lines, 100)
  const asked = Array.from({ length: 1_100 }, () => world.ask(lines, 1))
  t.equal(asked.filter((outcome) => !(outcome instanceof Promise)).length, 76)
  await world.pass(1_200, 200)
  t.ok((await Promise.all(asked)).every(({ kind }) => kind === 'busy'))
  t.equal(world.core.gate.stats().waiting, 0)
})

t.test('no budget, no lease: a request that nothing limits is reserved at once', async (t) => {
  const world = await SpendWorld.open(t, [])
  t.match(world.ask([], 10), { kind: 'reserved', reservation: { bound: nanoUsd(10n), holds: [] } })
  t.equal(world.messages.length, 0)
})

t.test('what somebody else needs goes back at once, and what runs does not', async (t) => {
  const budget = budgetOf({ limit: 100_000 })
  const world = await SpendWorld.open(t, [budget])
  await world.send(linesOf('a', budget), 100)
  const [account] = world.core.accounts.values()
  if (!account) throw new Error('no lease')
  t.ok(account.granted > 100n)
  world.core.gate.recall([account.counter, { ...account.counter, subject: 'nobody' }])
  await world.settleDown()
  t.equal(account.granted - account.returned, 100n)
  t.match(world.messages.at(-1), [{ returned: account.returned, uncharged: 100n }])
})

t.test('idle money stays with its lease while the ledger does not answer', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const world = await SpendWorld.open(t, [budget])
  const lines = linesOf('a', budget)
  world.end(await world.send(lines, 10), 10)
  const [account] = world.core.accounts.values()
  if (!account) throw new Error('no lease')
  world.faults.lostQuestions = 1_000
  t.match(await world.reserve(lines, 900), { kind: 'busy' })
  await world.pass(6_000, 1_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  t.ok(account.granted - account.returned > 10n)
  t.match(world.ask(lines, 1), { kind: 'reserved' })
})
