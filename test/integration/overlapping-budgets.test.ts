/**
 * Several overlapping budgets of one ledger on PostgreSQL, and sidecars that reserve, settle (also above the bound),
 * crash, lose messages, are recalled and go on to the next period while requests run, in any order.
 */
import { periodRule } from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import { clusterFor, databaseFor } from '../../control-plane/test/support/database.ts'
import { balanceOf } from '../../sidecar/budget/account.ts'
import { budgetOf, linesOf } from '../../sidecar/test/support/budgets.ts'
import { inScope } from '../../sidecar/test/support/in-scope.ts'
import { anyAmount, LedgerStory, type Sent } from '../support/ledger-story.ts'
import { SharedLedger } from '../support/shared-ledger.ts'

const db = await databaseFor(t, await (await clusterFor(t))())

/** A busy machine takes seconds for each; ACC_TEST_RUNS=200 makes a long search. */
const RUNS = Number(process.env.ACC_TEST_RUNS ?? 4)

/** The budgets after so many resets: the middle one begins anew with each, the others go on. */
const budgetsAfter = (resets: number): readonly CompiledBudget[] => [
  budgetOf({ name: 'org', limit: 1_500 }),
  budgetOf({ name: 'period', limit: 700, period: periodRule('total', { resets }) }),
  budgetOf({ name: 'each', scope: 'per_agent', limit: 600 }),
]
const AGENTS = ['a', 'b'] as const
/** Which of the three a request falls under. */
const OVERLAPS = [[0, 1, 2], [0, 1], [1, 2], [0]] as const

const anyStep = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('send' as const) },
    { weight: 6, arbitrary: fc.constant('end' as const) },
    { weight: 4, arbitrary: fc.constant('upload' as const) },
    { weight: 3, arbitrary: fc.constantFrom('idle' as const, 'recall' as const) },
    { weight: 3, arbitrary: fc.constant('roll' as const) },
    { weight: 2, arbitrary: fc.constantFrom('loseQuestion' as const, 'loseAnswer' as const, 'crash' as const) },
  ),
  who: fc.nat(1),
  agent: fc.nat(1),
  overlap: fc.nat(3),
  amount: anyAmount,
  /** Of the bound, in per cent: some bills are above it. */
  part: fc.oneof(fc.nat(100), fc.nat(100), fc.integer({ min: 101, max: 150 })),
})

const holds = ({ intent }: Sent, key: string): boolean => intent.reservation.holds.some((hold) => hold.key === key)

/** What a counter was billed and may still be billed, and what of it was above bounds. */
function billed(sent: readonly Sent[], key: string): { readonly taken: bigint; readonly above: bigint } {
  let [taken, above] = [0n, 0n]
  for (const each of sent.filter((one) => holds(one, key))) {
    const { bound } = each.intent.reservation
    const cost = each.cost ?? bound
    taken += cost
    if (cost > bound) above += cost - bound
  }
  return { taken, above }
}

/** The invariants, on every lease and every counter. */
async function hold({ shared, sent }: LedgerStory): Promise<void> {
  for (const [at, { core }] of shared.worlds.entries())
    for (const account of core.accounts.values()) {
      const { above } = billed(
        sent.filter(({ who }) => who === at),
        account.key,
      )
      if (balanceOf(account) < -above) throw new Error(`I2: ${account.key}: overdrawn by ${-balanceOf(account)}`)
    }
  for (const [key, { limit, settled, escrow }] of await shared.counters()) {
    const { taken, above } = billed(sent, key)
    if (taken > limit + above) throw new Error(`I8: ${key}: ${taken} of ${limit}, ${above} of it above bounds`)
    if (settled + escrow > limit + above) throw new Error(`I1: ${key}: ${settled} and ${escrow} of ${limit}`)
    if (settled > taken) throw new Error(`I6: ${key}: ${settled} settled of ${taken}`)
  }
}

t.test('overlapping budgets hold through overruns, crashes, recalls and the next period, step by step', async (t) => {
  const seen = { sent: 0, above: 0, rolledWhileRunning: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 12, maxLength: 24 }), (steps) =>
      inScope(async (scope) => {
        let resets = 0
        const story = new LedgerStory(await SharedLedger.open(scope, db, budgetsAfter(resets), 2))
        const { shared, sent } = story
        for (const { kind, who, agent, overlap, amount, part } of steps) {
          const world = shared.worlds[who]
          if (!world) continue
          if (kind === 'send') {
            const budgets = (OVERLAPS[overlap] ?? []).flatMap((at) => world.budgets[at] ?? [])
            if (await story.send(who, world, linesOf(AGENTS[agent] ?? 'a', ...budgets), amount)) seen.sent++
          } else if (kind === 'roll') {
            // A reset begins the next period; what runs stays on the former one.
            resets++
            if (sent.some(({ cost }) => cost === null)) seen.rolledWhileRunning++
            await shared.publish(budgetsAfter(resets))
            for (const each of shared.worlds) each.budgets = budgetsAfter(resets)
          } else await story.happen(kind, who, world, part)
          await hold(story)
        }
        for (const world of shared.worlds) world.budgets = budgetsAfter(resets)
        await story.finish()
        await hold(story)
        await story.isSettled(db.database)
        seen.above += sent.filter(({ intent, cost }) => (cost ?? 0n) > intent.reservation.bound).length
      }),
    ),
    { numRuns: RUNS, endOnFailure: true, includeErrorInReport: true },
  )
  t.ok(seen.sent > 5, JSON.stringify(seen))
})
