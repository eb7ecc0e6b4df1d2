/**
 * One budget of every scope and period, for an action: it is spent through the compiler of policies, the stages of a
 * sidecar, and the ledger in PostgreSQL that it leases from. Of each cell: what is charged stands on the right counter and
 * on no other, a breach does what the action says, nobody else is touched, and the next period begins with nothing.
 */
import type { BudgetAction } from '@agentcostcontrol/contract'
import type { Test } from 'tap'
import { clockedDatabaseFor } from '../../control-plane/test/support/clock.ts'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { inScope } from '../../sidecar/test/support/in-scope.ts'
import { BudgetCell, PERIODS, type PeriodCase } from './budget-cell.ts'
import { SCOPES, type ScopeCase } from './budget-scopes.ts'

/** A cell of the matrix. */
export interface Cell {
  readonly t: Test
  /** What its assertions say first. */
  readonly name: string
  readonly cell: BudgetCell
  readonly scope: ScopeCase
  readonly period: PeriodCase
  /** What was charged so far: nano-USD by subject and period. */
  readonly charged: Record<string, bigint>
}

/** What an action does. */
export interface ActionCase {
  readonly action: BudgetAction
  /** What its document has beside it. */
  readonly spec?: Readonly<Record<string, unknown>>
  /** Of a budget of a cent 60 % are spent: spends the rest, asks for more, and says what comes of it. */
  breach(of: Cell): Promise<void>
  /** What then comes of a request for `o3` of anybody in a budget of the organisation: its model, or a code. */
  readonly ofEverybody: string
  /** Whether that is how it goes on in a budget without an end. */
  readonly lasts: boolean
  /**
   * What comes of the first request after a rolling window in which nobody asked anything, where that is not the model
   * that was asked for: how much is spent is heard anew behind it.
   */
  readonly onceAfterWindow?: string
}

/** A request that the cell's budget can pay for. */
export const SMALL = { outputTokens: 100 }
/** Nano-USD: a tenth of the limit. */
export const TENTH = 1_000_000

/** Notes what is expected on a counter; nothing where the budget does not hold. */
export function note({ charged, period }: Cell, subject: string | null, nano: bigint, periodId = period.id): void {
  if (subject === null) return
  const key = `${subject} in ${periodId}`
  charged[key] = (charged[key] ?? 0n) + nano
}

/** A request that is sent as it was asked, and costs so much, or all that it may. */
export async function passes(of: Cell, why: string, cost?: number, outputTokens = 1_000): Promise<void> {
  const { t, name, cell, scope } = of
  const spent = await cell.spend(scope.who, { outputTokens }, cost)
  t.equal(spent.to, scope.who.model, `${name}: ${why}`)
  note(of, scope.subject, spent.cost)
}

/** A request that the budget refuses, and says all that there is to say of it. */
export async function isRefused({ t, name, cell, scope, period }: Cell, why: string): Promise<void> {
  t.match(
    await cell.ask(scope.who, SMALL),
    {
      kind: 'denial',
      code: 'acc_budget_exceeded',
      details: { budget: 'cell', subject: scope.subject, limit_usd: '0.01', resets_at: period.resetsAt },
    },
    `${name}: ${why}`,
  )
}

async function isSettled({ t, name, cell, charged }: Cell, when: string): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(charged).sort(([a], [b]) => (a < b ? -1 : 1)))
  t.same(await cell.settled(), sorted, `${name}: the counters ${when}`)
}

/** Somebody else goes on as before; where everybody counts as one there is nobody else. */
async function nobodyElseIsTouched(of: Cell, { ofEverybody }: ActionCase): Promise<void> {
  const { t, name, cell, scope } = of
  if (scope.otherSubject === scope.subject)
    t.equal((await cell.spend(scope.other, SMALL, 0)).to, ofEverybody, `${name}: anybody’s request counts`)
  else
    for (const time of ['first', 'second']) {
      const { to, cost } = await cell.spend(scope.other, SMALL, TENTH / 4)
      t.equal(to, scope.other.model, `${name}: somebody else’s ${time} request passes`)
      note(of, scope.otherSubject, cost)
    }
}

/** The next period, where there is one, has all of its money. */
async function nextPeriodIsNew(of: Cell, { lasts, onceAfterWindow }: ActionCase): Promise<void> {
  const { t, name, cell, scope, period } = of
  if (period.next === null) return lasts ? isRefused(of, 'for ever') : undefined
  await cell.goTo(period.next.at)
  if (period.next.id === period.id && onceAfterWindow !== undefined)
    t.equal((await cell.spend(scope.who, SMALL, 0)).to, onceAfterWindow, `${name}: one request does not know yet`)
  for (const time of ['first', 'second']) {
    const { to, cost } = await cell.spend(scope.who, { outputTokens: 1_000 }, 3 * TENTH)
    t.equal(to, scope.who.model, `${name}: the ${time} request of the next period passes as it was asked`)
    note(of, scope.subject, cost, period.next.id)
  }
}

/** Tests every scope and period with an action. */
export async function testAction(t: Test, its: ActionCase): Promise<void> {
  const db = await clockedDatabaseFor(t, await (await clusterFor(t))())
  for (const period of PERIODS)
    t.test(`${period.name}, of every scope`, async (t) => {
      for (const scope of SCOPES)
        await inScope(async (cleanUp) => {
          const { action } = its
          const cell = await BudgetCell.open(cleanUp, db, { ...scope.spec, ...period.spec, action, ...its.spec })
          const name = `${scope.name} × ${period.name} × ${action}`
          const of: Cell = { t, name, cell, scope, period, charged: {} }
          await passes(of, 'a request passes', 6 * TENTH, 2_000)
          await isSettled(of, 'when some is spent')
          await its.breach(of)
          await nobodyElseIsTouched(of, its)
          await nextPeriodIsNew(of, its)
          await isSettled(of, 'in the end')
        })
    })
}
