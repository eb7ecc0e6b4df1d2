import t from 'tap'
import type { Intent } from '../events/types.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { SpendWorld } from './support/spend-world.ts'
import { eventOf } from './support/usage-events.ts'

const BUDGET = budgetOf()
const LINES = linesOf('a', BUDGET)

async function running(world: SpendWorld, count: number): Promise<readonly Intent[]> {
  const intents: Intent[] = []
  for (let sent = 0; sent < count; sent++) intents.push(await world.send(LINES, 100))
  return intents
}

/** Requests that were refused, one event each. */
function refuse(world: SpendWorld, count: number): void {
  for (let at = 0; at < count; at++)
    world.core.outbox.record(
      eventOf(`refused-${at}`, { outcome: 'denied', code: 'acc_outbox_unavailable', attempts: [] }),
    )
}

const outcomes = (world: SpendWorld, outcome: string): number =>
  world.events().filter((event) => event.outcome === outcome).length

t.test(
  'on a full disk the reserve is for what was sent; refusals wait for space and are then written bit by bit',
  async (t) => {
    const world = await SpendWorld.open(t, [BUDGET])
    const intents = await running(world, 3)
    world.faults.full = true
    refuse(world, 3_000)
    await world.pass(500)
    for (const intent of intents) world.end(intent, 70)
    await world.pass(500)
    t.equal(outcomes(world, 'completed'), 3, 'what was sent is settled on disk')
    t.equal(outcomes(world, 'denied'), 0)
    t.equal(world.core.outbox.writable, false)
    t.match(world.core.stats().outbox, { settlementsQueued: 3_000, droppedEvents: 0 })

    world.faults.full = false
    await world.pass(500)
    t.equal(world.core.outbox.writable, true)
    t.equal(outcomes(world, 'denied'), 3_000)
    t.ok(world.largestGroup <= 500, `${world.largestGroup} events in one transaction`)
  },
)

t.test('refusals that do not fit any more are dropped and counted, settlements never', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const intents = await running(world, 5)
  world.faults.disk = true
  refuse(world, 20_000)
  for (const intent of intents) world.end(intent, 70)
  await world.pass(300)
  const { settlementsQueued, droppedEvents } = world.core.stats().outbox
  t.equal(settlementsQueued + droppedEvents, 20_005)
  t.ok(droppedEvents > 3_000, `${droppedEvents} dropped`)
  world.faults.disk = false
  await world.pass(500)
  t.equal(outcomes(world, 'completed'), 5)
})

t.test('an orderly end on a full disk writes what was sent first', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  const intents = await running(world, 3)
  world.faults.full = true
  refuse(world, 100)
  for (const intent of intents) world.end(intent, 70)
  const closing = t.rejects(world.core.close(), { message: /the outbox cannot take an intent/ })
  await world.pass(3_000)
  await closing
  t.equal(outcomes(world, 'completed'), 3)
  world.faults.full = false
  await world.crash()
  t.equal(world.core.stats().unresolvedAtStart, 0)
})

t.test('an orderly end writes all that waits', async (t) => {
  const world = await SpendWorld.open(t, [BUDGET])
  world.faults.full = true
  refuse(world, 2_000)
  await world.pass(300)
  world.faults.full = false
  await world.close()
  t.equal(outcomes(world, 'denied'), 2_000)
})
