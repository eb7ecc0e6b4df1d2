import { type NanoUsd, nanoUsd, periodOf, SUBJECT_OTHER } from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import { Account, balanceOf, type LeaseReservation } from '../budget/account.ts'
import { LeaseHolder } from '../budget/holder.ts'
import type { KnownPeriod } from '../budget/lease-source.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { FakeTime, MONDAY_NOON_MS } from './support/fake-time.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const nano = (amount: number): NanoUsd => nanoUsd(BigInt(amount))

/** A holder on its own, with a grantor that gives what a test says. */
class Bench {
  readonly time = new FakeTime()
  budgets: readonly CompiledBudget[]
  readonly holder: LeaseHolder

  constructor(
    budgets: readonly CompiledBudget[],
    restored: { readonly accounts?: readonly Account[]; readonly periods?: readonly KnownPeriod[] } = {},
  ) {
    this.budgets = budgets
    const { accounts = [], periods = [] } = restored
    this.holder = new LeaseHolder({
      clock: this.time,
      time: this.time,
      generation: 1,
      budgets: () => this.budgets,
      accounts,
      periods,
    })
  }

  accountsOf(lines: readonly MatchedBudget[]): readonly Account[] {
    return this.holder.match(lines).accounts
  }

  accountOf(lines: readonly MatchedBudget[]): Account {
    const [account] = this.accountsOf(lines)
    if (!account) throw new Error('no counter')
    return account
  }

  /** Grants, up to this much in all. */
  grant(account: Account, granted: number, ttlMs = HOUR_MS): void {
    const { counter } = account
    const answer = { counter, granted: nano(granted), verdict: 'granted', available: nano(0) } as const
    const terms = { spent: nano(0), ttlMs, retryAfterMs: 0 }
    this.holder.granted(account, { ...answer, ...terms }, this.time.monotonicMs(), this.time.nowMs())
  }

  /** @returns the reservation, or the names of the budgets that are short */
  reserve(lines: readonly MatchedBudget[], bound: number): LeaseReservation | readonly string[] {
    const attempt = this.holder.reserve(this.holder.match(lines), nano(bound))
    return attempt.kind === 'reserved' ? attempt.reservation : attempt.slots.map(({ book }) => book.budget.name)
  }

  /** Reserves. @throws if it cannot */
  hold(lines: readonly MatchedBudget[], bound: number): LeaseReservation {
    const reserved = this.reserve(lines, bound)
    if ('bound' in reserved) return reserved
    throw new Error(`short: ${reserved.join()}`)
  }
}

const balances = (accounts: readonly Account[]): readonly bigint[] => accounts.map(balanceOf)

/** A lease as a former process left it. */
function restoredAccount(budget: CompiledBudget, subject: string, periodId: string, granted: number): Account {
  const counter = { budgetUid: budget.uid, subject, periodId }
  const account = new Account(counter, 1, budget.name, periodOf(periodId), budget.limit)
  account.granted = nano(granted)
  return account
}

const NAMES = ['a', 'b', 'c', 'd'] as const
const anyOperation = fc.oneof(
  fc.record({
    kind: fc.constant('reserve' as const),
    which: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 4 }),
    amount: fc.nat(60),
  }),
  fc.record({
    kind: fc.constantFrom('charge' as const, 'release' as const),
    which: fc.tuple(fc.nat(9)),
    amount: fc.nat(90),
  }),
  fc.record({
    kind: fc.constantFrom('grant' as const, 'giveBack' as const),
    which: fc.tuple(fc.nat(3)),
    amount: fc.nat(80),
  }),
)

t.test(
  'H2, I2: a reservation is taken from all counters or from none, and none is overdrawn but by an overrun',
  async (t) => {
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 60 }), (operations) => {
        const budgets = NAMES.map((name) => budgetOf({ name }))
        const bench = new Bench(budgets)
        const all = bench.accountsOf(linesOf('x', ...budgets))
        const open: LeaseReservation[] = []
        const overrun = new Map<Account, bigint>(all.map((account) => [account, 0n]))
        const given = [0, 0, 0, 0]
        for (const { kind, which, amount } of operations) {
          const [first = 0] = which
          if (kind === 'reserve') {
            const before = balances(all)
            const taken = which.map((at) => all[at])
            const chosen = which.map((at) => budgets[at]).filter((budget) => budget !== undefined)
            const reserved = bench.reserve(linesOf('x', ...chosen), amount)
            if (!('bound' in reserved)) {
              if (balances(all).join() !== before.join()) throw new Error('a refusal took something')
              if (reserved.length === 0) throw new Error('refused, and nobody was short')
              continue
            }
            open.push(reserved)
            for (const [at, account] of all.entries()) {
              const expected = (before[at] ?? 0n) - (taken.includes(account) ? BigInt(amount) : 0n)
              if (balanceOf(account) !== expected) throw new Error('not exactly the bound was taken')
            }
          }
          const account = all[first]
          if (kind === 'grant' && account) {
            given[first] = (given[first] ?? 0) + amount
            bench.grant(account, given[first] ?? 0)
          }
          if (kind === 'giveBack' && account) bench.holder.giveBack(account)
          const [reservation] = kind === 'charge' || kind === 'release' ? open.splice(first, 1) : []
          if (!reservation) continue
          if (kind === 'release') bench.holder.release(reservation)
          if (kind === 'charge') {
            bench.holder.charge(reservation, nano(amount))
            const above = BigInt(amount) - reservation.bound
            if (above > 0n) for (const held of reservation.holds) overrun.set(held, (overrun.get(held) ?? 0n) + above)
          }
          for (const each of all)
            if (balanceOf(each) < -(overrun.get(each) ?? 0n)) throw new Error('I2: overdrawn without an overrun')
        }
        for (const reservation of open) bench.holder.release(reservation)
        if (all.some(({ uncharged }) => uncharged !== 0n)) throw new Error('a reservation is stuck')
      }),
      { numRuns: 1_500 },
    )
    t.pass()
  },
)

t.test('a counter that is matched twice is charged once', async (t) => {
  const budget = budgetOf()
  const bench = new Bench([budget])
  const twice = [...linesOf('x', budget), ...linesOf('y', budget)]
  bench.grant(bench.accountOf(twice), 100)
  const reservation = bench.hold(twice, 60)
  t.equal(reservation.holds.length, 1)
  bench.holder.charge(reservation, nano(50))
  t.equal(balanceOf(bench.accountOf(twice)), 50n)
})

t.test('a reservation ends once: a second release or charge frees nothing', async (t) => {
  const budget = budgetOf()
  const lines = linesOf('x', budget)
  const bench = new Bench([budget])
  const account = bench.accountOf(lines)
  bench.grant(account, 100)
  const released = bench.hold(lines, 40)
  const charged = bench.hold(lines, 40)
  t.ok(bench.holder.release(released))
  t.notOk(bench.holder.release(released))
  t.notOk(bench.holder.charge(released, nano(40)))
  t.ok(bench.holder.charge(charged, nano(10)))
  t.notOk(bench.holder.charge(charged, nano(10)))
  t.notOk(bench.holder.release(charged))
  t.match({ balance: balanceOf(account), uncharged: account.uncharged }, { balance: 90n, uncharged: 0n })
})

t.test('I5: at the end of a period running requests stay on its lease, and new ones go to the next', async (t) => {
  const budget = budgetOf({ period: 'daily' })
  const lines = linesOf('x', budget)
  const bench = new Bench([budget])
  const monday = bench.accountOf(lines)
  bench.grant(monday, 100)
  const running = bench.hold(lines, 40)
  bench.time.pass(12 * HOUR_MS)
  t.same(bench.reserve(linesOf('x', budget), 1), ['org'], 'nothing more is reserved from the old period')
  const tuesday = bench.accountOf(lines)
  t.same([monday.counter.periodId, tuesday.counter.periodId], ['2026-11-23', '2026-11-24'])
  bench.holder.charge(running, nano(30))
  t.match([monday.charged, tuesday.charged], [30n, 0n])
})

t.test('H1: a lease is believed for as long as it was promised, on the clock that went further', async (t) => {
  const budget = budgetOf()
  const lines = linesOf('x', budget)
  const bench = new Bench([budget])
  const account = bench.accountOf(lines)
  const isHealthy = (): boolean => {
    const reserved = bench.reserve(lines, 1)
    return 'bound' in reserved && bench.holder.release(reserved)
  }
  bench.grant(account, 100, 60_000)
  t.ok(isHealthy())
  bench.time.pass(59_999)
  t.ok(isHealthy())
  bench.time.pass(1)
  t.notOk(isHealthy(), 'the time is over')
  bench.grant(account, 100, 60_000)
  bench.time.setWall(MONDAY_NOON_MS - DAY_MS)
  bench.time.pass(60_000)
  t.notOk(isHealthy(), 'the wall clock was set back')
  bench.grant(account, 100, 60_000)
  bench.time.setWall(bench.time.nowMs() + 60_000)
  t.notOk(isHealthy(), 'the machine slept, and its monotonic clock with it')
})

t.test('a clock that is set back does not open an old period again', async (t) => {
  const budget = budgetOf({ period: 'daily' })
  const bench = new Bench([budget])
  bench.time.pass(DAY_MS)
  const tuesday = bench.accountOf(linesOf('x', budget))
  bench.time.setWall(MONDAY_NOON_MS)
  t.equal(bench.accountOf(linesOf('x', budget)), tuesday)
  bench.budgets = [budgetOf({ period: 'daily', limit: 2_000 })]
  t.equal(bench.accountOf(linesOf('x', budget)), tuesday, 'nor with a new policy')
  const again = new Bench([budget], { periods: [{ budgetUid: budget.uid, periodId: '2026-11-24' }] })
  t.equal(again.accountOf(linesOf('x', budget)).counter.periodId, '2026-11-24', 'nor with a new process')
})

t.test('a period whose leases were closed is over for good, whatever the clock says', async (t) => {
  const budget = budgetOf({ period: 'daily' })
  const monday = restoredAccount(budget, '*', '2026-11-23', 100)
  const bench = new Bench([budget], { accounts: [monday] })
  bench.time.pass(DAY_MS)
  bench.holder.turnBooks()
  t.ok(bench.holder.isOver(monday))
  bench.holder.forget(monday)
  bench.time.setWall(MONDAY_NOON_MS)
  t.equal(bench.accountOf(linesOf('x', budget)).counter.periodId, '2026-11-24')
})

t.test('a limit that is lowered takes the free money back, and leaves what runs', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const lines = linesOf('x', budget)
  const bench = new Bench([budget])
  const account = bench.accountOf(lines)
  bench.grant(account, 500)
  const running = bench.hold(lines, 100)
  bench.budgets = [budgetOf({ limit: 200 })]
  t.same(bench.reserve(lines, 1), ['org'])
  t.match(
    { balance: balanceOf(account), returned: account.returned, limit: account.limit },
    { balance: 0n, returned: 400n, limit: 200n },
  )
  t.same(bench.holder.takeUntold(9), [account], 'the grantor is told')
  bench.holder.charge(running, nano(100))
  t.equal(balanceOf(account), 0n)
})

t.test('a limit that was lowered while the sidecar was down takes the free money back at the start', async (t) => {
  const budget = budgetOf({ limit: 1_000 })
  const lowered = budgetOf({ limit: 50 })
  const bench = new Bench([lowered], { accounts: [restoredAccount(budget, '*', 'total', 500)] })
  const account = bench.accountOf(linesOf('x', lowered))
  t.match({ balance: balanceOf(account), returned: account.returned }, { balance: 0n, returned: 500n })
})

t.test('a limit that is raised is news: `exhausted` is no longer believed', async (t) => {
  const budget = budgetOf()
  const bench = new Bench([budget])
  const account = bench.accountOf(linesOf('x', budget))
  account.exhaustedUntilMs = account.refillAgainAtMs = account.askAgainAtMs = bench.time.monotonicMs() + 1_000
  bench.budgets = [budgetOf({ limit: 2_000 })]
  bench.accountOf(linesOf('x', budget))
  t.ok(account.exhaustedUntilMs < 0 && account.refillAgainAtMs < 0 && account.askAgainAtMs < 0)
})

t.test('a request that was matched before a limit was lowered does not bring the old limit back', async (t) => {
  const old = budgetOf({ limit: 1_000 })
  const bench = new Bench([old])
  bench.budgets = [budgetOf({ limit: 200 })]
  const account = bench.accountOf(linesOf('x', ...bench.budgets))
  bench.accountOf(linesOf('x', old))
  t.equal(account.limit, 200n)
  bench.accountOf(linesOf('y', old))
  t.equal(bench.accountOf(linesOf('z', ...bench.budgets)).limit, 200n)
})

t.test('a period that is edited is another counter, and the old one is found again with what it spent', async (t) => {
  const daily = budgetOf({ period: 'daily' })
  const bench = new Bench([daily])
  const day = bench.accountOf(linesOf('x', daily))
  bench.grant(day, 100)
  bench.holder.charge(bench.hold(linesOf('x', daily), 60), nano(60))
  bench.budgets = [budgetOf({ period: 'weekly' })]
  const week = bench.accountOf(linesOf('x', daily))
  t.equal(week.counter.periodId, '2026-W48')
  t.equal(balanceOf(day), 0n, 'the old counter gives back what is free')
  bench.budgets = [daily]
  t.equal(bench.accountOf(linesOf('x', daily)), day)
  t.equal(day.charged, 60n)
})

t.test('what a former process had in another kind of period is not taken for the one in force', async (t) => {
  const daily = budgetOf({ period: 'daily' })
  const restored = ['total', '2026-11', '2026-W48', '2026-11-22'].map((id) => restoredAccount(daily, '*', id, 100))
  const bench = new Bench([daily], { accounts: restored })
  t.match(bench.accountOf(linesOf('x', daily)), { counter: { periodId: '2026-11-23' }, granted: 0n })
})

t.test('a budget that is deleted and made again keeps its counter', async (t) => {
  const budget = budgetOf()
  const other = budgetOf({ name: 'other', period: 'daily' })
  const bench = new Bench([budget, other])
  const account = bench.accountOf(linesOf('x', budget))
  bench.grant(account, 100)
  bench.holder.charge(bench.hold(linesOf('x', budget), 60), nano(60))
  bench.budgets = [other]
  bench.accountOf(linesOf('x', other))
  bench.time.pass(2 * DAY_MS)
  bench.holder.turnBooks()
  t.notOk(bench.holder.isOver(account))
  bench.budgets = [other, budgetOf()]
  t.equal(bench.accountOf(linesOf('x', ...bench.budgets.slice(1))), account)
})

t.test('beyond maxSubjects all share the counter (other), which takes no seat', async (t) => {
  const budget = budgetOf({ scope: 'per_agent', maxSubjects: 2 })
  const bench = new Bench([budget])
  const subjectOf = (agent: string): string => bench.accountOf(linesOf(agent, budget)).counter.subject
  t.same(['a', 'b', 'c', 'd', 'a'].map(subjectOf), ['a', 'b', SUBJECT_OTHER, SUBJECT_OTHER, 'a'])
  bench.budgets = [budgetOf({ scope: 'per_agent', maxSubjects: 3 })]
  t.same(['c', 'd', 'b'].map(subjectOf), ['c', SUBJECT_OTHER, 'b'])
})

t.test(
  'seats are given for a period: an agent cannot get more money by changing its name or by a restart',
  async (t) => {
    const budget = budgetOf({ scope: 'per_agent', period: 'daily', maxSubjects: 2 })
    const bench = new Bench([budget])
    const subjectOf = (on: Bench, agent: string): string => on.accountOf(linesOf(agent, budget)).counter.subject
    t.same(
      ['a', 'b', 'c'].map((agent) => subjectOf(bench, agent)),
      ['a', 'b', SUBJECT_OTHER],
    )
    const accounts = [...bench.holder.accounts.values()]
    const restarted = new Bench([budget], { accounts })
    t.same(
      ['c', 'd', 'b'].map((agent) => subjectOf(restarted, agent)),
      [SUBJECT_OTHER, SUBJECT_OTHER, 'b'],
    )
    bench.time.pass(DAY_MS)
    t.same(
      ['c', 'd', 'a'].map((agent) => subjectOf(bench, agent)),
      ['c', 'd', SUBJECT_OTHER],
      'the next day they are given anew',
    )
  },
)

t.test('a budget in audit mode never refuses, and tells what it lacked', async (t) => {
  const audit = budgetOf({ name: 'audit', mode: 'audit' })
  const enforced = budgetOf({ name: 'enforced' })
  const bench = new Bench([audit, enforced])
  const lines = linesOf('x', audit, enforced)
  const [watched, held] = bench.accountsOf(lines)
  if (!watched || !held) throw new Error('two counters')
  bench.grant(held, 100)
  bench.grant(watched, 10)
  const attempt = bench.holder.reserve(bench.holder.match(lines), nano(60))
  t.match(attempt, { kind: 'reserved', unmet: [{ subject: '*' }] })
  t.same(balances([watched, held]), [-50n, 40n])
  t.same(bench.reserve(lines, 60), ['enforced'], 'the other budget still does')
  t.same(balances([watched, held]), [-50n, 40n])
})

t.test(
  'slices grow from a fiftieth to a twentieth of the limit, and not above an amount that a lost disk may cost',
  async (t) => {
    const sizes = (limit: number): readonly bigint[] => {
      const budget = budgetOf({ limit })
      const bench = new Bench([budget])
      const account = bench.accountOf(linesOf('x', budget))
      return [0, 1, 2, 3].map(() => {
        const { slice } = account
        bench.holder.growSlice(account)
        return slice
      })
    }
    t.same(sizes(10_000), [200n, 400n, 500n, 500n])
    t.same(
      sizes(10 ** 15),
      [50n, 50n, 50n, 50n].map((usd) => usd * 10n ** 9n),
    )
  },
)

t.test('charges stop where a column of 64 bits does', async (t) => {
  const budget = budgetOf()
  const bench = new Bench([budget])
  const account = bench.accountOf(linesOf('x', budget))
  bench.grant(account, 100)
  const [first, second] = [bench.hold(linesOf('x', budget), 1), bench.hold(linesOf('x', budget), 1)]
  bench.holder.charge(first, nanoUsd(2n ** 63n - 2n))
  bench.holder.charge(second, nanoUsd(2n ** 62n))
  t.equal(account.charged, 2n ** 63n - 1n)
})

t.test('100 000 agents: memory is bounded by maxSubjects, and what is over is forgotten', async (t) => {
  const budget = budgetOf({ scope: 'per_agent', period: 'daily', maxSubjects: 1_000 })
  const bench = new Bench([budget])
  for (let agent = 0; agent < 100_000; agent++) bench.accountOf(linesOf(`agent-${agent}`, budget))
  t.equal(bench.holder.accounts.size, 1_001)
  bench.time.pass(DAY_MS)
  bench.holder.turnBooks()
  for (const account of [...bench.holder.accounts.values()])
    if (bench.holder.isOver(account)) bench.holder.forget(account)
  t.equal(bench.holder.accounts.size, 0)
})
