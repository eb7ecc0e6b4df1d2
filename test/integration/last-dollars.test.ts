import t from 'tap'
import { clusterFor, databaseFor } from '../../control-plane/test/support/database.ts'
import { budgetOf, linesOf } from '../../sidecar/test/support/budgets.ts'
import { SharedLedger } from '../support/shared-ledger.ts'

const db = await databaseFor(t, await (await clusterFor(t))())

const LIMIT = 100_000
const SIDECARS = 8
/** Rounds in a row in which everybody is refused. */
const REFUSED_ROUNDS = 3

t.test('of a budget that runs out under the demand of eight sidecars less than one per cent is stranded', async (t) => {
  const budget = budgetOf({ limit: LIMIT })
  const shared = await SharedLedger.open(t, db, [budget], SIDECARS)
  const lines = linesOf('*', budget)
  let spent = 0
  let refusedRounds = 0
  for (let round = 0; refusedRounds < REFUSED_ROUNDS; round++) {
    let served = 0
    for (const [at, world] of shared.worlds.entries()) {
      await shared.recall(world)
      // From a fifth to half a per cent of the limit; what it costs is not known before.
      const bound = 200 + ((round * 37 + at * 101) % 300)
      const outcome = await world.reserve(lines, bound)
      if (outcome.kind !== 'reserved') continue
      served++
      const intent = world.intentOf(outcome.reservation)
      const committed = world.core.outbox.commitIntent(intent)
      await world.settleDown()
      await committed
      const cost = Math.floor(bound * (0.3 + ((round + at) % 7) / 10))
      spent += cost
      world.end(intent, cost)
      await world.settleDown()
      if (round % 4 === 0) await shared.upload(world, true)
    }
    refusedRounds = served === 0 ? refusedRounds + 1 : 0
  }
  const stranded = LIMIT - spent
  t.ok(stranded >= 0 && stranded < LIMIT / 100, `${stranded} of ${LIMIT} are stranded`)
})
