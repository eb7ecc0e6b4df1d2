import fc from 'fast-check'
import t from 'tap'
import { clusterFor, databaseFor } from '../../control-plane/test/support/database.ts'
import { verify } from '../../control-plane/usage/verify.ts'
import type { Intent } from '../../sidecar/events/types.ts'
import { budgetOf, linesOf } from '../../sidecar/test/support/budgets.ts'
import { inScope } from '../../sidecar/test/support/in-scope.ts'
import { SharedLedger } from '../support/shared-ledger.ts'

const db = await databaseFor(t, await (await clusterFor(t))())

const ORG = budgetOf({ name: 'org', limit: 1_000 })
const EACH = budgetOf({ name: 'each', scope: 'per_agent', limit: 600 })
const LINES = [linesOf('a', ORG), linesOf('a', ORG, EACH), linesOf('b', EACH)] as const

/** An attempt that was sent, and what the provider bills for it in the end. */
interface Sent {
  readonly intent: Intent
  readonly who: number
  cost: bigint | null
  /** Nobody knows any more what became of it: it may have cost its bound. */
  lost: boolean
}

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
  amount: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 400 })),
  part: fc.nat(100),
})

/** What a counter was billed and may still be billed, as only an all-seeing accountant knows. */
function taken(sent: readonly Sent[], key: string): bigint {
  let sum = 0n
  for (const { intent, cost, lost } of sent)
    if (intent.reservation.holds.some((hold) => hold.key === key))
      sum += lost ? intent.reservation.bound : (cost ?? intent.reservation.bound)
  return sum
}

t.test(
  'sidecars that crash, lose power and messages never spend more than the limit, and what they spent is settled to the nano',
  async (t) => {
    let granted = 0
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 15, maxLength: 45 }), (steps) =>
        inScope(async (scope) => {
          const shared = await SharedLedger.open(scope, db, [ORG, EACH], 2)
          const sent: Sent[] = []
          let lostPower = false
          for (const { kind, who, lines, amount, part } of steps) {
            const world = shared.worlds[who]
            if (!world) continue
            const open = sent.filter((each) => each.who === who && each.cost === null && !each.lost)
            switch (kind) {
              case 'send': {
                const outcome = await world.reserve(LINES[lines] ?? [], amount)
                if (outcome.kind !== 'reserved') break
                const intent = world.intentOf(outcome.reservation)
                const committed = world.core.outbox.commitIntent(intent)
                await world.settleDown()
                await committed
                sent.push({ intent, who, cost: null, lost: false })
                granted++
                break
              }
              case 'end': {
                const [one] = open
                if (!one) break
                one.cost = (one.intent.reservation.bound * BigInt(part)) / 100n
                world.end(one.intent, Number(one.cost))
                await world.settleDown()
                break
              }
              case 'upload':
                await shared.upload(world, part > 25)
                break
              case 'idle':
                await world.pass(6_000, 2_000)
                await world.during(world.core.gate.returnIdle(false))
                break
              case 'recall':
                await shared.recall(world)
                break
              case 'loseQuestion':
                world.faults.lostQuestions = 1
                break
              case 'loseAnswer':
                world.faults.lostAnswers = 1
                break
              case 'crash':
                // What was under way may have cost its bound, and is charged that.
                for (const each of open) each.cost = each.intent.reservation.bound
                await world.crash()
                break
              case 'restart':
                for (const each of open) each.cost = each.intent.reservation.bound
                await world.restart()
                break
              case 'losePower':
                lostPower = true
                for (const each of open) each.lost = true
                await world.losePower()
            }
            for (const [key, { limit, settled, escrow }] of await shared.counters()) {
              if (taken(sent, key) > limit) throw new Error(`${key}: more than its limit`)
              if (settled + escrow > limit) throw new Error(`I1: ${key}: ${settled} and ${escrow} of ${limit}`)
            }
          }
          for (const each of sent) {
            const world = shared.worlds[each.who]
            if (!world || each.cost !== null || each.lost) continue
            each.cost = each.intent.reservation.bound
            world.end(each.intent, Number(each.cost))
          }
          for (const world of shared.worlds) {
            Object.assign(world.faults, { lostQuestions: 0, lostAnswers: 0 })
            await world.pass(3_000, 500)
            await world.during(world.core.gate.returnIdle(false))
            await world.during(world.core.gate.returnIdle(true))
            await shared.upload(world, true)
            await shared.upload(world, true)
          }
          const { ledger } = await verify(db.database, shared.orgId)
          if (ledger.wrong > 0) throw new Error(`the ledger is wrong: ${JSON.stringify(ledger)}`)
          for (const [key, { settled, escrow }] of await shared.counters()) {
            const spent = taken(sent, key)
            if (!lostPower && settled !== spent) throw new Error(`${key}: ${settled} settled of ${spent}`)
            if (!lostPower && escrow !== 0n) throw new Error(`${key}: ${escrow} is stuck`)
            // What a power loss made unknown stands as open money: billed or not, it is covered.
            if (settled + escrow < spent) throw new Error(`${key}: spend was lost`)
          }
        }),
      ),
      { numRuns: 12, endOnFailure: true, includeErrorInReport: true },
    )
    t.ok(granted > 50, `${granted} attempts were sent`)
  },
)
