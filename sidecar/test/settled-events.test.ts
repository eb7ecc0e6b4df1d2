import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { UsageEvent } from '@agentcostcontrol/contract'
import t from 'tap'
import { type SettledEvents, settledAfter } from '../events/settled-events.ts'
import { OutboxUnavailableError } from '../events/types.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { SpendWorld } from './support/spend-world.ts'
import { eventOf } from './support/usage-events.ts'

const BUDGET = budgetOf({ limit: 1_000_000 })
const LINES = linesOf('a', BUDGET)

/** Reads as the storage worker does. */
function read(world: SpendWorld, seq: number, limit: number): SettledEvents | null {
  const db = new DatabaseSync(join(world.folder, 'outbox.sqlite'), { readOnly: true })
  try {
    return settledAfter(db, seq, limit)
  } finally {
    db.close()
  }
}

interface Sent {
  readonly seq: number
  readonly event: UsageEvent
}

const eventsOf = ({ json }: SettledEvents): readonly Sent[] => JSON.parse(json).events

/** Records events of requests that cost nothing, some in one group. */
async function record(world: SpendWorld, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at++)
    world.core.outbox.record(eventOf(`e${at}`, { outcome: 'denied', attempts: [] }))
  await world.settleDown()
}

t.test('events are read in order, each once, whatever a batch takes, groups that are larger included', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET], { uploads: true })
  for (const [group, size] of [1, 7, 2, 30, 1].entries()) await record(world, group * 100, size)
  const all = world.events().map(({ eventId }) => eventId)
  t.equal(all.length, 41)
  for (const limit of [1, 3, 7, 100]) {
    const seen: string[] = []
    let last = 0
    for (let batch = read(world, last, limit); batch !== null; batch = read(world, last, limit)) {
      const events = eventsOf(batch)
      t.equal(events.length, batch.count)
      t.equal(events.at(-1)?.seq, batch.last)
      t.ok(batch.count <= limit && events.every(({ seq }, at) => seq > (events[at - 1]?.seq ?? last)))
      seen.push(...events.map(({ event }) => event.eventId))
      last = batch.last
    }
    t.same(seen, all, `${limit} at a time`)
  }
})

t.test('what was acknowledged is known after kill -9, and what was not is read again', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET], { uploads: true })
  await record(world, 0, 10)
  const batch = read(world, 0, 4)
  if (batch === null) throw new Error('nothing was read')
  t.equal(world.core.outbox.stats().unacknowledged, 10)
  world.core.outbox.acknowledge(0, batch.last, batch.count)
  await world.settleDown()
  await world.crash()
  t.equal(world.core.outbox.uploaded, batch.last)
  t.equal(world.core.outbox.stats().unacknowledged, 6)
  t.same(
    eventsOf(read(world, batch.last, 100) ?? batch).map(({ event }) => event.eventId),
    ['e4', 'e5', 'e6', 'e7', 'e8', 'e9'],
  )
})

t.test(
  'no event is summed up and deleted before it was acknowledged; then it is, as far as room is needed',
  async (t) => {
    const world = await SpendWorld.open(t, [BUDGET], { eventsMax: 100, uploads: true })
    for (let group = 0; group < 8; group++) await record(world, group * 10, 10)
    t.equal(world.core.outbox.stats().prunedEvents, 0)
    const batch = read(world, 0, 75)
    if (batch === null) throw new Error('nothing was read')
    world.core.outbox.acknowledge(0, batch.last, batch.count)
    await world.settleDown()
    for (let group = 8; group < 12; group++) await record(world, group * 10, 10)
    const left = world.events().map(({ eventId }) => eventId)
    t.ok(world.core.outbox.stats().prunedEvents > 0)
    for (let at = 75; at < 120; at++) t.ok(left.includes(`e${at}`), `e${at} was not acknowledged`)
  },
)

t.test(
  'H3: at 80 % of the events that may be kept, none of them with the control plane, no intent is taken; then again',
  async (t) => {
    const world = await SpendWorld.open(t, [BUDGET], { eventsMax: 100, uploads: true })
    const sent = await world.send(LINES, 10)
    for (let group = 0; group < 9; group++) await record(world, group * 9, 9)
    const { unacknowledged } = world.core.outbox.stats()
    t.equal(unacknowledged, 81)
    const outcome = await world.reserve(LINES, 10)
    if (outcome.kind !== 'reserved') throw new Error(outcome.kind)
    const intent = world.intentOf(outcome.reservation)
    await t.rejects(world.core.outbox.commitIntent(intent), OutboxUnavailableError)
    world.end(sent, 7)
    await world.settleDown()
    t.equal(world.core.outbox.stats().unacknowledged, 82, 'what was sent is settled all the same')
    const batch = read(world, 0, 1_000)
    if (batch === null) throw new Error('nothing was read')
    world.core.outbox.acknowledge(0, batch.last, batch.count)
    await world.settleDown()
    await world.send(LINES, 10)
    t.equal(world.core.outbox.stats().unacknowledged, 0)
  },
)
