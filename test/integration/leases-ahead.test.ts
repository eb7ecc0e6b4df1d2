/** Leases of the next period, fetched before it begins (H1): money cores on real files, and a real PostgreSQL. */
import { periodAt, periodOf, periodRule } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { clusterFor, databaseFor } from '../../control-plane/test/support/database.ts'
import { verify } from '../../control-plane/usage/verify.ts'
import { budgetOf, linesOf } from '../../sidecar/test/support/budgets.ts'
import { inScope } from '../../sidecar/test/support/in-scope.ts'
import type { SpendWorld } from '../../sidecar/test/support/spend-world.ts'
import { holdLedgerClock } from '../support/ledger-clock.ts'
import { anyAmount, LedgerStory } from '../support/ledger-story.ts'
import { SharedLedger } from '../support/shared-ledger.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
/** The day on which clocks are set back in Berlin, of 25 hours; sidecars' own clocks are wrong by a month. */
const DAILY = periodRule('daily', { timeZone: 'Europe/Berlin' })
const { id: LONG_DAY, endsAtMs: MIDNIGHT_MS } = periodAt(DAILY, Date.UTC(2026, 9, 25, 12))
const NEXT_DAY = periodAt(DAILY, MIDNIGHT_MS).id
const ORG = budgetOf({ name: 'org', limit: 100_000, period: DAILY })
const LINES = linesOf('a', ORG)
const TICK_MS = 5_000
let nowMs = MIDNIGHT_MS - 120_000
const clock = await holdLedgerClock(db.owner, nowMs)

/** Lets time pass for all; every five seconds sidecars look whether there is something to return or to fetch. */
async function pass(worlds: readonly SpendWorld[], ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= TICK_MS) {
    const stepMs = Math.min(left, TICK_MS)
    nowMs += stepMs
    await clock.set(nowMs)
    for (const world of worlds) {
      world.time.pass(stepMs)
      await world.settleDown()
      world.core.gate.returnIdle(false).catch(() => {})
      await world.settleDown()
    }
  }
}

async function until(atMs: number): Promise<void> {
  nowMs = atMs
  await clock.set(nowMs)
}

/** A request that costs a fifth of its bound. @returns the period that pays */
async function spend(world: SpendWorld): Promise<string> {
  const intent = await world.send(LINES, 500)
  world.end(intent, 100)
  await world.settleDown()
  return intent.reservation.holds[0]?.counter.periodId ?? ''
}

/** Open money of each sidecar in a period, in the order of the sidecars; `null` for one without a lease. */
async function openIn({ orgId, worlds }: SharedLedger, periodId: string): Promise<readonly (number | null)[]> {
  const rows = await db.owner<{ instance: string; open: number }[]>`
    SELECT instance_id::text AS instance, (granted_nano - returned_nano - settled_nano)::float8 AS open FROM acc.leases
    WHERE org_id = ${orgId} AND period_id = ${periodId}`
  return worlds.map(({ core }) => rows.find(({ instance }) => instance === core.instanceId)?.open ?? null)
}

t.test('over midnight nobody who spent lately waits, and nothing is spent before or kept in vain', async (t) => {
  await until(MIDNIGHT_MS - 120_000)
  const shared = await SharedLedger.open(t, db, [ORG], 4)
  const { worlds } = shared
  const [busy, other, last, idle] = worlds
  if (!busy || !other || !last || !idle) throw new Error('not enough sidecars')
  t.equal(await spend(idle), LONG_DAY)
  await pass(worlds, 60_000)
  for (const world of [busy, other, last]) await spend(world)
  await pass(worlds, 20_000)
  t.same(await openIn(shared, NEXT_DAY), [null, null, null, null], 'too early')
  for (const world of [busy, other]) await spend(world)
  await pass(worlds, 20_000)
  const open = await openIn(shared, NEXT_DAY)
  t.ok(
    open.slice(0, 3).every((nano) => nano !== null && nano >= 500),
    `${open}`,
  )
  t.equal(open[3], null, 'not for one that was idle')
  const [newest] = await db.owner`SELECT period_id AS id FROM acc.budget_periods WHERE org_id = ${shared.orgId}`
  t.equal(newest?.id, LONG_DAY, 'the day that runs is the newest')
  await pass(worlds, 19_000)
  for (const world of [busy, other]) t.equal(await spend(world), LONG_DAY, 'until its last second')
  await pass(worlds, 1_000)
  for (const world of [busy, other]) {
    const asked = world.messages.length
    const outcome = world.ask(LINES, 500)
    t.match(outcome, { kind: 'reserved', reservation: { holds: [{ counter: { periodId: NEXT_DAY } }] } }, 'at once')
    t.equal(world.messages.length, asked)
    if (!(outcome instanceof Promise) && outcome.kind === 'reserved') world.core.gate.release(outcome.reservation)
    t.equal(await spend(world), NEXT_DAY)
  }
  await pass(worlds, 10_000)
  t.equal((await openIn(shared, NEXT_DAY))[2], 0, 'what nobody spends goes back')
  for (const world of worlds) await shared.upload(world, true)
  t.match(await verify(db.database, shared.orgId), { ledger: { wrong: 0 } })
})

t.test(
  'through a crash the day that runs is spent first, and a lease for later is believed by an answer alone',
  async (t) => {
    await until(MIDNIGHT_MS - 60_000)
    const shared = await SharedLedger.open(t, db, [ORG], 2)
    const [heard, alone] = shared.worlds
    if (!heard || !alone) throw new Error('not enough sidecars')
    for (const world of shared.worlds) await spend(world)
    await pass(shared.worlds, 30_000)
    t.ok((await openIn(shared, NEXT_DAY)).every((nano) => nano !== null && nano > 0))
    // With which what was fetched is written down.
    for (const world of shared.worlds) await spend(world)
    await heard.crash()
    alone.faults.lostQuestions = 1_000
    await alone.crash()
    t.equal(await spend(heard), LONG_DAY, 'its disk knows of a later day, and it is not there yet')
    await pass(shared.worlds, 30_000)
    t.match(heard.ask(LINES, 500), { kind: 'reserved' }, 'asked for again, and there at midnight')
    t.not((await alone.reserve(LINES, 500)).kind, 'reserved', 'nobody told it since')
    alone.faults.lostQuestions = 0
    await pass(shared.worlds, 10_000)
    t.equal(await spend(alone), NEXT_DAY)
  },
)

t.test('an edit, a reset or a lowered limit in the last minute holds for what was fetched', async (t) => {
  await until(MIDNIGHT_MS - 60_000)
  const shared = await SharedLedger.open(t, db, [ORG], 1)
  const [world] = shared.worlds
  if (!world) throw new Error('no sidecar')
  await spend(world)
  await pass([world], 40_000)
  const lowered = { ...ORG, limit: budgetOf({ limit: 1_000 }).limit }
  await shared.publish([lowered])
  world.budgets = [lowered]
  await pass([world], 20_000)
  const lines = linesOf('a', lowered)
  t.not((await world.reserve(lines, 1_001)).kind, 'reserved')
  const reset = { ...lowered, period: periodRule('daily', { timeZone: 'Europe/Berlin', resets: 1 }) }
  await shared.publish([reset])
  world.budgets = [reset]
  const outcome = await world.reserve(linesOf('a', reset), 900)
  t.match(outcome, { kind: 'reserved', reservation: { holds: [{ counter: { periodId: /#000001$/ } }] } })
  for (const [key, { limit, settled, escrow }] of await shared.counters())
    if (key.includes(NEXT_DAY)) t.ok(settled + escrow <= limit, key)
})

const EACH = budgetOf({ name: 'each', scope: 'per_agent', limit: 600, period: DAILY })
const SHARED = budgetOf({ name: 'shared', limit: 1_000, period: DAILY })
const MIXED = [linesOf('a', SHARED), linesOf('a', SHARED, EACH), linesOf('b', EACH)] as const

const anyStep = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('send' as const) },
    { weight: 5, arbitrary: fc.constant('end' as const) },
    { weight: 3, arbitrary: fc.constant('upload' as const) },
    { weight: 5, arbitrary: fc.constant('pass' as const) },
    { weight: 2, arbitrary: fc.constantFrom('loseQuestion' as const, 'loseAnswer' as const, 'recall' as const) },
    { weight: 2, arbitrary: fc.constantFrom('crash' as const, 'restart' as const) },
  ),
  who: fc.nat(1),
  lines: fc.nat(2),
  amount: anyAmount,
  part: fc.nat(100),
})

t.test(
  'whatever happens around midnight, each day keeps to its limit, and is spent by none before it begins',
  async (t) => {
    const days = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 15, maxLength: 35 }), (steps) =>
        inScope(async (scope) => {
          await until(MIDNIGHT_MS - 45_000)
          const story = new LedgerStory(await SharedLedger.open(scope, db, [SHARED, EACH], 2))
          const { worlds } = story.shared
          for (const { kind, who, lines, amount, part } of steps) {
            const world = worlds[who]
            if (!world) continue
            if (kind === 'send')
              await story.send(who, world, MIXED[lines] ?? [], amount, ({ holds }) => {
                for (const { counter } of holds) {
                  days.add(counter.periodId)
                  // What waited did so on the sidecar's clock alone.
                  if (periodOf(counter.periodId).startsAtMs > world.ledgerTime.nowMs()) throw new Error('H1: too early')
                }
              })
            else if (kind === 'pass') await pass(worlds, TICK_MS * (1 + (part % 3)))
            else await story.happen(kind, who, world, part)
            await story.keepsToLimits()
          }
          await story.finish()
          await story.isSettled(db.database)
        }),
      ),
      { numRuns: 8, endOnFailure: true, includeErrorInReport: true },
    )
    t.same([...days].sort(), [LONG_DAY, NEXT_DAY], 'and both were spent')
  },
)
