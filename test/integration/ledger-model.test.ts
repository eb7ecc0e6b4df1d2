import fc from 'fast-check'
import t from 'tap'
import { clusterFor, databaseFor } from '../../control-plane/test/support/database.ts'
import { budgetOf, linesOf } from '../../sidecar/test/support/budgets.ts'
import { inScope } from '../../sidecar/test/support/in-scope.ts'
import { anyAmount, LedgerStory } from '../support/ledger-story.ts'
import { SharedLedger } from '../support/shared-ledger.ts'

const db = await databaseFor(t, await (await clusterFor(t))())

const ORG = budgetOf({ name: 'org', limit: 1_000 })
const EACH = budgetOf({ name: 'each', scope: 'per_agent', limit: 600 })
const LINES = [linesOf('a', ORG), linesOf('a', ORG, EACH), linesOf('b', EACH)] as const

const anyStep = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('send' as const) },
    { weight: 6, arbitrary: fc.constant('end' as const) },
    { weight: 4, arbitrary: fc.constant('upload' as const) },
    { weight: 2, arbitrary: fc.constantFrom('idle' as const, 'recall' as const) },
    { weight: 2, arbitrary: fc.constantFrom('loseQuestion' as const, 'loseAnswer' as const) },
    { weight: 2, arbitrary: fc.constantFrom('crash' as const, 'restart' as const, 'losePower' as const) },
  ),
  who: fc.nat(1),
  lines: fc.nat(2),
  amount: anyAmount,
  part: fc.nat(100),
})

t.test(
  'sidecars that crash, lose power and messages never spend more than the limit, and what they spent is settled to the nano',
  async (t) => {
    let granted = 0
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 15, maxLength: 45 }), (steps) =>
        inScope(async (scope) => {
          const story = new LedgerStory(await SharedLedger.open(scope, db, [ORG, EACH], 2))
          let lostPower = false
          for (const { kind, who, lines, amount, part } of steps) {
            const world = story.shared.worlds[who]
            if (!world) continue
            if (kind === 'send') {
              if (await story.send(who, world, LINES[lines] ?? [], amount)) granted++
            } else if (kind === 'losePower') {
              lostPower = true
              await story.losePower(who, world)
            } else await story.happen(kind, who, world, part)
            await story.keepsToLimits()
          }
          await story.finish()
          await story.isSettled(db.database, !lostPower)
        }),
      ),
      { numRuns: 12, endOnFailure: true, includeErrorInReport: true },
    )
    t.ok(granted > 50, `${granted} attempts were sent`)
  },
)
