/**
 * The failure behind each rule of the budget protocol, as far as a sidecar that stands alone can meet it: one test for
 * each row of its table, named by what goes wrong. What a rule says about prices and answers is held by the tests of
 * the price book, of the reserve stage and of the meter.
 */
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nanoUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { StaleHolderError } from '../budget/lease-source.ts'
import { lockFolder, OutboxLockedError } from '../events/folder-lock.ts'
import type { Intent } from '../events/types.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { SpendWorld } from './support/spend-world.ts'

const DAY_MS = 86_400_000
const BUDGET = budgetOf({ limit: 1_000 })
const LINES = linesOf('a', BUDGET)

/** What one request can get at the most. */
async function affordable(world: SpendWorld, lines = LINES): Promise<number> {
  const outcome = await world.reserve(lines, 1_000_000)
  return outcome.kind === 'reserved'
    ? Number.POSITIVE_INFINITY
    : 'shortage' in outcome
      ? Number(outcome.shortage.available)
      : 0
}

const removeFrom = (folder: string, name: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(folder, name + suffix), { force: true })
}

t.test('a lease that nobody renewed is not granted again: time never frees money', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  await world.send(LINES, 400)
  await world.pass(100 * DAY_MS, 100 * DAY_MS)
  // Another holder, whose predecessor may still be spending.
  await world.crashAnd((folder) => removeFrom(folder, 'outbox.sqlite'))
  t.ok((await affordable(world)) <= 600)
})

t.test('a return is not told before it is on disk', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 400), 0)
  await world.settleDown()
  world.faults.disk = true
  world.time.pass(10_000)
  void world.core.gate.returnIdle(false)
  await world.pass(1_000)
  t.ok(world.messages.flat().every(({ returned }) => returned === 0n))
  await world.crash()
  world.faults.disk = false
  t.equal(await affordable(world), 1_000, 'the money that was not returned on disk is still in the lease')
})

t.test('a return that is told twice is returned once', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 400), 100)
  world.time.pass(10_000)
  world.faults.lostAnswers = 3
  for (let times = 0; times < 5; times++) {
    void world.core.gate.returnIdle(false)
    await world.pass(5_000, 500)
  }
  t.equal(world.messages.filter((items) => items.some(({ returned }) => returned > 0n)).length, 4)
  t.equal(world.committed(BUDGET.uid, 'total'), 100n)
  t.equal(await affordable(world), 900)
})

t.test('the answer to a grant is lost, and the retry gets no second one', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.faults.lostAnswers = 3
  world.end(await world.send(LINES, 400), 400)
  t.ok(world.messages.length >= 4)
  t.ok(world.committed(BUDGET.uid, 'total') <= 450n)
  t.equal(await affordable(world), 600)
})

t.test('the answer to a grant is lost with the process, and hello tells the next one', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.faults.lostAnswers = 1
  void world.ask(LINES, 1_000)
  await world.settleDown()
  t.equal(world.committed(BUDGET.uid, 'total'), 1_000n)
  await world.crash()
  t.match(await world.reserve(LINES, 1_000), { kind: 'reserved' })
})

t.test('a message of an old generation, or of another instance, changes nothing', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  await world.send(LINES, 400)
  await world.losePower()
  const before = world.committed(BUDGET.uid, 'total')
  const [item] = world.messages[0] ?? []
  if (!item) throw new Error('nothing was said')
  const late = { ...item, returned: nanoUsd(400n), close: true }
  t.throws(() => world.ledger.sync({ instanceId: 'instance-1', generation: 1 }, [late]), StaleHolderError)
  t.throws(() => world.ledger.sync({ instanceId: 'another', generation: 2 }, [late]), StaleHolderError)
  t.equal(world.committed(BUDGET.uid, 'total'), before)
})

t.test(
  'power loss takes the last intents and returns: nothing is returned, and the open money stands for them',
  async (t) => {
    const world = await SpendWorld.open(t, [BUDGET])
    const first = await world.send(LINES, 300)
    await world.send(LINES, 200)
    world.end(first, 50)
    await world.settleDown()
    await world.losePower()
    t.equal(world.core.stats().continuity, 'broken')
    t.ok((await affordable(world)) <= 500, 'what was charged or reserved is not there')
    t.ok(world.committed(BUDGET.uid, 'total') >= 500n)
  },
)

t.test('power loss after an orderly end and a start: the mark of the end does not come back', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 100), 100)
  await world.restart()
  t.equal(world.core.stats().continuity, 'same')
  world.end(await world.send(LINES, 900), 900)
  await world.settleDown()
  await world.losePower()
  t.equal(world.core.stats().continuity, 'broken')
  t.equal(await affordable(world), 0)
})

t.test('an outbox from before a power loss is restored: no generation is given out twice', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  copyFileSync(join(world.folder, 'outbox.sqlite'), join(world.folder, 'old-outbox'))
  const restore = (folder: string): void => {
    removeFrom(folder, 'outbox.sqlite')
    copyFileSync(join(folder, 'old-outbox'), join(folder, 'outbox.sqlite'))
  }
  for (let times = 0; times < 3; times++) {
    await world.crashAnd(restore)
    world.end(await world.send(LINES, 200), 200)
    await world.settleDown()
  }
  t.ok(world.committed(BUDGET.uid, 'total') >= 600n)
  t.ok((await affordable(world)) <= 400)
})

t.test('a power loss after an orderly end is no harm', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 100), 100)
  await world.close()
  await world.losePower()
  t.equal(world.core.stats().continuity, 'same')
  t.equal(await affordable(world), 900)
})

t.test('without a boot id every start that follows no orderly end counts as after a power loss', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.bootId = ''
  await world.crash()
  t.equal(world.core.stats().continuity, 'broken')
  await world.crash()
  t.equal(world.core.stats().continuity, 'broken')
  await world.restart()
  t.equal(world.core.stats().continuity, 'same')
})

t.test('two processes on one folder: the second is turned away', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const lock = lockFolder(world.folder)
  t.throws(() => lockFolder(world.folder), OutboxLockedError)
  lock.release()
  lockFolder(world.folder).release()
})

t.test(
  'a crash between intent and dispatch looks like one after it: the bound is charged under the event of the intent',
  async (t) => {
    const world = await SpendWorld.open(t, [BUDGET])
    const intent = await world.send(LINES, 400)
    await world.crash()
    t.match(world.core.stats(), { continuity: 'same', unresolvedAtStart: 1 })
    t.equal(await affordable(world), 600)
    const events = world.events()
    t.match(events, [{ eventId: intent.event.eventId, intentAt: intent.event.intentAt, outcome: 'unresolved' }])
    t.has(events[0]?.attempts, [{ chargedNanoUsd: '400', precision: 'estimated' }])
    await world.crash()
    t.equal(world.events().length, 1, 'and once')
    t.equal(await affordable(world), 600)
  },
)

t.test('a crash in the middle of a recovery does it again, and once', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  await world.send(LINES, 400)
  world.faults.start = true
  await t.rejects(world.crash())
  world.faults.start = false
  await world.crash()
  t.equal(world.events().length, 1)
  t.equal(await affordable(world), 600)
})

t.test('an intent that was not committed is not sent and costs nothing', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 900), 0)
  await world.settleDown()
  world.faults.disk = true
  const outcome = await world.reserve(LINES, 400)
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind)
  const committed = world.core.outbox.commitIntent(world.intentOf(outcome.reservation))
  await Promise.all([t.rejects(committed), world.settleDown()])
  world.core.gate.release(outcome.reservation)
  world.faults.disk = false
  await world.crash()
  t.equal(world.core.stats().unresolvedAtStart, 0)
  t.equal(await affordable(world), 1_000)
})

t.test('the ledger is rolled back to an old copy: the holder tells what it was granted and charged', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 100), 100)
  await world.close()
  copyFileSync(join(world.folder, 'ledger.sqlite'), join(world.folder, 'old-ledger'))
  await world.start()
  world.end(await world.send(LINES, 600), 600)
  await world.settleDown()
  await world.crashAnd((folder) => {
    removeFrom(folder, 'ledger.sqlite')
    copyFileSync(join(folder, 'old-ledger'), join(folder, 'ledger.sqlite'))
  })
  t.equal(await affordable(world), 300)
})

t.test('the ledger is lost: it is made again of what the outbox knows, former generations with it', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  await world.send(LINES, 250)
  world.saveDurable()
  await world.losePower()
  world.end(await world.send(LINES, 100), 100)
  await world.settleDown()
  await world.crashAnd((folder) => removeFrom(folder, 'ledger.sqlite'))
  t.ok((await affordable(world)) <= 650)
})

t.test(
  'the outbox is restored from an old copy on the same boot: it is behind what it told, and not trusted',
  async (t) => {
    const world = await SpendWorld.open(t, [BUDGET])
    world.end(await world.send(LINES, 100), 100)
    await world.settleDown()
    world.saveDurable()
    world.end(await world.send(LINES, 600), 600)
    world.time.pass(10_000)
    void world.core.gate.returnIdle(false)
    await world.settleDown()
    await world.crashAnd((folder) => {
      removeFrom(folder, 'outbox.sqlite')
      copyFileSync(join(folder, 'outbox.sqlite.durable'), join(folder, 'outbox.sqlite'))
    })
    t.equal(world.core.stats().continuity, 'broken')
    t.ok((await affordable(world)) <= 300)
  },
)

t.test('the pod is deleted with its disk, and the ledger is not: what the old outbox held stands', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 300), 200)
  await world.send(LINES, 150)
  await world.crashAnd((folder) => removeFrom(folder, 'outbox.sqlite'))
  t.ok((await affordable(world)) <= 650)
})

t.test('a bill above the bound is booked in full, and then nothing more is granted', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 100), 1_500)
  t.equal(await affordable(world), 0)
  t.match(await world.reserve(LINES, 0), { kind: 'exhausted' }, 'not even a request without a bound')
  void world.core.gate.returnIdle(true)
  await world.settleDown()
  t.equal(world.committed(BUDGET.uid, 'total'), 1_500n)
  await world.crash()
  t.equal(await affordable(world), 0)
})

t.test('a hung first attempt keeps its bound while the second has its own', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const hung = await world.send(LINES, 400)
  const second = await world.send(LINES, 400)
  world.end(second, 10)
  t.equal(await affordable(world), 590)
  world.end(hung, 400)
  t.equal(await affordable(world), 590)
})

t.test('a stream crosses midnight: the period that it began in pays', async (t) => {
  const daily = budgetOf({ limit: 1_000, period: 'daily' })
  const lines = linesOf('a', daily)
  const world = await SpendWorld.open(t, [daily])
  const stream = await world.send(lines, 700)
  world.time.pass(DAY_MS / 2)
  t.equal(await affordable(world, lines), 1_000)
  world.end(stream, 700)
  t.equal(await affordable(world, lines), 1_000)
  world.time.pass(6_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  t.match(
    world.messages.flat().filter(({ close }) => close),
    [{ counter: { periodId: '2026-11-23' }, charged: 700n }],
  )
})

t.test('a clock that is set back brings no spent period back, not even over a restart', async (t) => {
  const daily = budgetOf({ limit: 1_000, period: 'daily' })
  const lines = linesOf('a', daily)
  const world = await SpendWorld.open(t, [daily])
  world.time.pass(DAY_MS)
  world.end(await world.send(lines, 900), 900)
  await world.pass(6_000, 6_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  world.time.setWall(world.time.nowMs() - 3 * DAY_MS)
  t.equal(await affordable(world, lines), 100)
  await world.crash()
  t.equal(await affordable(world, lines), 100)
  await world.crashAnd((folder) => removeFrom(folder, 'outbox.sqlite'))
  t.ok((await affordable(world, lines)) <= 100)
})

t.test('a limit is lowered while leases are out: what is free goes back, and what was spent counts', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 300), 300)
  const running = await world.send(LINES, 100)
  world.budgets = [budgetOf({ limit: 450 })]
  t.equal(await affordable(world), 50)
  world.budgets = [budgetOf({ limit: 350 })]
  t.equal(await affordable(world), 0)
  world.end(running, 20)
  t.equal(await affordable(world), 30)
})

t.test('a limit is lowered while the sidecar is down, or while a question is under way', async (t) => {
  const world = await SpendWorld.open(t, [budgetOf({ limit: 100_000 })])
  const lines = linesOf('a', ...world.budgets)
  world.end(await world.send(lines, 100), 100)
  await world.settleDown()
  world.budgets = [budgetOf({ limit: 150 })]
  await world.crash()
  t.equal(await affordable(world), 50)
  world.budgets = [budgetOf({ limit: 100_000 })]
  const asked = world.ask(lines, 5_000)
  world.budgets = [budgetOf({ limit: 150 })]
  await world.pass(1_500)
  t.match(await asked, { kind: 'exhausted' })
  t.equal(await affordable(world), 50)
})

t.test('the kind of a period is edited: what was spent in the new period counts, and what runs with it', async (t) => {
  const edit = (period: 'daily' | 'weekly' | 'monthly' | 'total') => {
    world.budgets = [budgetOf({ limit: 1_000, period })]
  }
  const world = await SpendWorld.open(t, [budgetOf({ limit: 1_000, period: 'daily' })])
  world.end(await world.send(LINES, 400), 400)
  world.time.pass(DAY_MS)
  world.end(await world.send(LINES, 100), 100)
  const running = await world.send(LINES, 50)
  t.equal(await affordable(world), 850, 'today')
  edit('weekly')
  t.equal(await affordable(world), 450, 'this week: yesterday, today, and what runs')
  world.end(running, 10)
  world.end(await world.send(LINES, 90), 90)
  edit('daily')
  t.ok((await affordable(world)) <= 800, 'back again: what was spent under the other kind counts today')
  edit('total')
  t.ok((await affordable(world)) <= 400)
  await world.crash()
  t.ok((await affordable(world)) <= 400, 'also for the next process')
  edit('daily')
  world.time.pass(DAY_MS)
  t.equal(await affordable(world), 1_000, 'a new period is new money')
})

t.test('a budget is deleted and made again while leases are out: it is the same counter', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.end(await world.send(LINES, 300), 300)
  await world.send(LINES, 100)
  world.budgets = []
  await world.pass(6_000, 6_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  world.budgets = [budgetOf({ limit: 1_000 })]
  t.equal(await affordable(world), 600)
})

t.test(
  'one holds the organisation and waits for the agent, the other the reverse: nobody holds while waiting',
  async (t) => {
    const [x, y] = [budgetOf({ name: 'x', limit: 100 }), budgetOf({ name: 'y', limit: 100 })]
    const world = await SpendWorld.open(t, [x, y])
    const first = [await world.send(linesOf('a', x), 60), await world.send(linesOf('a', y), 60)]
    const asked = [world.ask(linesOf('a', x, y), 80), world.ask(linesOf('a', y, x), 80)]
    await world.settleDown()
    t.ok([...world.core.accounts.values()].every(({ uncharged }) => uncharged === 60n))
    for (const intent of first) world.end(intent, 0)
    await world.settleDown()
    const winner = await asked[0]
    if (winner?.kind !== 'reserved') throw new Error('the first one can go on')
    world.core.gate.release(winner.reservation)
    await world.settleDown()
    t.match(await asked[1], { kind: 'reserved' })
  },
)

t.test('idle sidecars keep nothing: demand only, and what is idle goes back', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  t.equal(world.messages.length, 0, 'no lease without demand')
  world.end(await world.send(LINES, 5), 5)
  await world.pass(6_000, 6_000)
  void world.core.gate.returnIdle(false)
  await world.settleDown()
  t.equal(world.committed(BUDGET.uid, 'total'), 5n)
})

t.test(
  'an agent that comes back finds what it spent, also after its lease was returned and the process restarted',
  async (t) => {
    const each = budgetOf({ name: 'each', scope: 'per_agent', limit: 100, maxSubjects: 2 })
    const world = await SpendWorld.open(t, [each])
    for (const agent of ['a', 'b', 'c', 'd']) world.end(await world.send(linesOf(agent, each), 50), 50)
    await world.restart()
    t.equal(await affordable(world, linesOf('a', each)), 50)
    t.equal(await affordable(world, linesOf('e', each)), 0, 'all without a seat share one counter: c and d spent it')
  },
)

t.test('the outbox cannot be written in mid-flight: what was sent is settled once it can', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const intents: Intent[] = []
  for (let sent = 0; sent < 5; sent++) intents.push(await world.send(LINES, 100))
  world.faults.disk = true
  for (const intent of intents) world.end(intent, 70)
  await world.pass(1_000)
  t.equal(world.events().length, 0)
  t.equal(world.core.outbox.writable, false)
  world.faults.disk = false
  await world.pass(1_000)
  t.equal(world.events().length, 5)
  t.equal(world.core.outbox.writable, true)
  t.equal(await affordable(world), 650)
})
