import { copyFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { nanoUsd, type UsageEvent } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { createBallast } from '../events/ballast.ts'
import { type OutboxDb, openOutboxDb } from '../events/outbox-db.ts'
import { readSpend, SPEND_GROUPS } from '../events/spend-report.ts'
import { type Intent, OutboxUnavailableError } from '../events/types.ts'
import { anyEvent } from './support/any-event.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { inScope } from './support/in-scope.ts'
import { SpendWorld } from './support/spend-world.ts'
import { attemptOf, eventOf } from './support/usage-events.ts'

const BUDGET = budgetOf({ limit: 1_000_000 })
const LINES = linesOf('a', BUDGET)

function openedIn(scope: Scope): { readonly folder: string; readonly db: OutboxDb } {
  const folder = folderFor(scope)
  const noDamage = (): never => {
    throw new Error('damaged')
  }
  const db = openOutboxDb(folder, { instance: 'i', boot: 'b' }, noDamage, 0)
  scope.teardown(() => db.close())
  return { folder, db }
}

function written(db: OutboxDb, events: readonly UsageEvent[]): void {
  db.begin()
  for (const event of events) db.insertEvent(event)
  db.commit()
}

/** An intent that was reserved and not committed. */
async function reserved(world: SpendWorld, bound: number): Promise<Intent> {
  const outcome = await world.reserve(LINES, bound)
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind)
  return world.intentOf(outcome.reservation)
}

t.test('H3: everything of one turn of the event loop goes to disk in one transaction', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const first = await world.send(LINES, 100)
  const intents: Intent[] = []
  for (let at = 0; at < 8; at++) intents.push(await reserved(world, 10))
  await world.settleDown()
  const { commits } = world.core.outbox.stats()
  const committed = Promise.all(intents.map((intent) => world.core.outbox.commitIntent(intent)))
  world.end(first, 1)
  world.core.outbox.record(eventOf('refused', { outcome: 'denied', attempts: [] }))
  t.equal(world.core.outbox.stats().commits, commits, 'nothing is written within the turn')
  await committed
  t.equal(world.core.outbox.stats().commits, commits + 1)
  t.equal(world.intents().size, 8)
  t.equal(world.events().length, 2)
})

t.test('H3: an intent is on disk before its promise resolves', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const intent = await reserved(world, 10)
  await world.core.outbox.commitIntent(intent)
  t.ok(world.intents().has(intent.event.eventId))
})

t.test('H3: a failed commit refuses its group and no other, and what was settled is kept in order', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const sent = [await world.send(LINES, 10), await world.send(LINES, 10)]
  const intent = await reserved(world, 10)
  world.faults.disk = true
  for (const each of sent) world.end(each, 7)
  const refused = t.rejects(world.core.outbox.commitIntent(intent), OutboxUnavailableError)
  await world.settleDown()
  await refused
  await t.rejects(world.core.outbox.commitIntent(intent), { message: /an intent: disk/ })
  t.match(world.core.outbox.stats(), { writable: false, settlementsQueued: 2, refusedIntents: 2, intentsOpen: 0 })
  world.faults.disk = false
  await world.pass(1_000)
  t.match(world.core.outbox.stats(), { writable: true, settlementsQueued: 0 })
  t.same(
    world.events().map(({ eventId }) => eventId),
    sent.map(({ event }) => event.eventId),
  )
  t.equal(world.intents().size, 0)
})

t.test('H3: above 80 % of the queue no intent is taken, and what was sent is still settled', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const sent = await world.send(LINES, 10)
  const intent = await reserved(world, 10)
  for (let at = 0; at < 16_001; at++) world.core.outbox.record(eventOf(`e-${at}`, { attempts: [] }))
  await t.rejects(world.core.outbox.commitIntent(intent), { message: /an intent: full/ })
  world.core.outbox.record(eventOf('one too many', { attempts: [] }))
  t.equal(world.core.outbox.stats().droppedEvents, 1)
  world.end(sent, 3)
  await world.pass(2_000)
  t.ok(world.events().some(({ eventId }) => eventId === sent.event.eventId))
  await world.core.outbox.commitIntent(intent)
})

t.test('after the close nothing is taken, and an intent that ends later is left for the next start', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const late = await world.send(LINES, 100)
  const { outbox } = world.core
  await world.during(world.core.close())
  world.end(late, 1)
  outbox.record(eventOf('late', { attempts: [] }))
  await t.rejects(outbox.commitIntent(late), { message: /an intent: closed/ })
  await t.rejects(outbox.flush(), { message: /an intent: closed/ })
  await world.crash()
  t.match(world.core.stats(), { unresolvedAtStart: 1, continuity: 'same' })
  t.has(world.events().at(-1), { outcome: 'unresolved', attempts: [{ chargedNanoUsd: '100' }] })
})

t.test('any event can be written down, whatever a provider claims', async (t) => {
  const { db } = openedIn(t)
  fc.assert(
    fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 5 }), (events) => written(db, events)),
    { numRuns: 100 },
  )
  db.begin()
  db.prune(1_000)
  db.commit()
  t.equal(db.countEvents(), 0)
})

t.test('rolling events up by day keeps every sum to the nano, in any pieces', async (t) => {
  const sums = (folder: string): string => JSON.stringify(SPEND_GROUPS.map((by) => readSpend(folder, by, null)))
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEvent, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 40 }),
      (events, piece) =>
        inScope(async (scope) => {
          const { folder, db } = openedIn(scope)
          written(db, events)
          const before = sums(folder)
          for (let left = events.length; left > 0; ) {
            db.begin()
            left -= db.prune(piece)
            db.commit()
            if (sums(folder) !== before) throw new Error('a sum changed')
          }
        }),
    ),
    { numRuns: 30 },
  )
  t.pass()
})

t.test('at most eventsMax events are kept one by one, and their spend is kept for good', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET], { eventsMax: 1_000 })
  const paid = attemptOf({ costNanoUsd: '3', chargedNanoUsd: '3' })
  for (let turn = 0; turn < 8; turn++) {
    for (let at = 0; at < 400; at++) world.core.outbox.record(eventOf(`e-${turn}-${at}`, { attempts: [paid] }))
    await world.settleDown()
  }
  const { eventsStored, prunedEvents } = world.core.outbox.stats()
  t.equal(eventsStored + prunedEvents, 3_200)
  t.ok(eventsStored <= 1_000, `${eventsStored} are kept`)
  t.equal(world.events().length, eventsStored)
  t.has(readSpend(world.folder, 'day', null).total, { requests: 3_200, costNanoUsd: '9600' })
})

t.test('the reserve is really taken from the disk, and given up whole', async (t) => {
  const folder = folderFor(t)
  const ballast = createBallast(folder)
  t.equal(ballast.held, false)
  t.ok(ballast.acquire())
  t.ok(statSync(join(folder, 'outbox.ballast')).size >= 8 * 1024 * 1024)
  ballast.release()
  t.equal(ballast.held, false)
  t.throws(() => statSync(join(folder, 'outbox.ballast')))
})

t.test('H7: what is committed durably is in the file itself, without its WAL', async (t) => {
  const { folder, db } = openedIn(t)
  db.durably(() => db.setMeta('clean', '0'))
  copyFileSync(join(folder, 'outbox.sqlite'), join(folder, 'copy.sqlite'))
  const copy = new DatabaseSync(join(folder, 'copy.sqlite'), { readOnly: true })
  t.match(copy.prepare("SELECT value FROM meta WHERE key = 'clean'").get(), { value: '0' })
  copy.close()
})

t.test('work that fails durably leaves nothing behind, and the next commit is as before', async (t) => {
  const { db } = openedIn(t)
  const fail = (): never => {
    db.insertEvent(eventOf('e'))
    throw new Error('no')
  }
  t.throws(() => db.durably(fail), { message: 'no' })
  t.equal(db.countEvents(), 0)
  written(db, [eventOf('e')])
  t.equal(db.countEvents(), 1)
})

t.test('an amount that no column holds is cut where it is stored', async (t) => {
  const { db } = openedIn(t)
  const huge = (2n ** 80n).toString()
  written(db, [eventOf('e', { attempts: [attemptOf({ costNanoUsd: huge, chargedNanoUsd: huge })] })])
  db.begin()
  db.insertIntent({ seq: 1, holds: [], bound: nanoUsd(2n ** 80n), event: eventOf('i') })
  db.commit()
  t.match(db.intents(), [{ bound: 2n ** 63n - 1n }])
})
