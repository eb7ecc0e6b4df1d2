/** A hello of a sidecar that goes on working while it is said: a money core on real files, and a real PostgreSQL. */
import t from 'tap'
import { clusterFor, databaseFor } from '../../control-plane/test/support/database.ts'
import { budgetOf, linesOf } from '../../sidecar/test/support/budgets.ts'
import type { SpendWorld } from '../../sidecar/test/support/spend-world.ts'
import { SharedLedger } from '../support/shared-ledger.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
const ORG = budgetOf({ name: 'org', limit: 100_000 })
const LINES = linesOf('a', ORG)

/** A sidecar with two requests under way, of which the first ends, and is booked, while a hello is. */
async function working(): Promise<{ readonly shared: SharedLedger; readonly world: SpendWorld; isBooked(): boolean }> {
  const shared = await SharedLedger.open(t, db, [ORG], 1)
  const [world] = shared.worlds
  if (!world) throw new Error('no sidecar')
  const running = [await world.send(LINES, 500), await world.send(LINES, 500)]
  let booked = false
  shared.beforeHello = async () => {
    const [intent] = running
    if (!intent || booked) return
    booked = true
    world.end(intent, 100)
    await world.core.outbox.flush()
    await shared.bringUp(world, true)
  }
  return { shared, world, isBooked: () => booked }
}

t.test('an event that is booked while a hello is under way makes nobody another holder', async (t) => {
  const { shared, world, isBooked } = await working()
  const known = async () =>
    (
      await db.owner`SELECT generation::int, epoch::int FROM acc.holders WHERE instance_id = ${world.core.instanceId}`
    )[0]
  const before = await known()
  await db.owner`UPDATE acc.ledgers SET epoch = epoch + 1 WHERE org_id = ${shared.orgId}`
  // More than the lease has: the ledger is asked, and says that it is another one.
  await world.reserve(LINES, 40_000)
  for (let asked = 0; asked < 500 && (await known())?.epoch !== 2; asked++) await world.pass(50)
  t.ok(isBooked())
  t.same(await known(), { ...before, epoch: 2 })
  t.match(await world.reserve(LINES, 500), { kind: 'reserved' })
})
