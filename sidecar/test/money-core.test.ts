/**
 * The money core as a whole, on real files, against a model of what a provider bills: whatever happens in whatever
 * order, no budget is overspent, nothing stays reserved, every intent ends in one event, and what is free can be had.
 */
import { counterKey, maxUsd, periodOf, periodRule, ZERO_USD } from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import { balanceOf } from '../budget/account.ts'
import type { ReserveOutcome } from '../budget/types.ts'
import type { Intent } from '../events/types.ts'
import { budgetOf, linesOf } from './support/budgets.ts'
import { inScope } from './support/in-scope.ts'
import { SpendWorld } from './support/spend-world.ts'

const RUNS = Number(process.env.ACC_TEST_RUNS ?? 60)
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const AGENTS = ['a', 'b', 'c', 'd'] as const
const KINDS = ['daily', 'weekly', 'monthly', 'total'] as const

const ORG = budgetOf({ name: 'org', limit: 1_000 })
const EACH = budgetOf({ name: 'each', scope: 'per_agent', period: 'daily', limit: 300, maxSubjects: 2 })
const WATCH = budgetOf({ name: 'watch', limit: 100, mode: 'audit' })

/** A charge as the provider knows it. */
interface Charge {
  readonly eventId: string
  readonly key: string
  readonly atMs: number
  readonly nano: bigint
  /** What of it was above the bound. */
  readonly above: bigint
}

/** What the provider and an all-seeing accountant know. */
class Model {
  budgets: readonly CompiledBudget[] = [ORG, EACH, WATCH]
  /** Attempts under way: what they may still cost. */
  readonly open = new Set<Intent>()
  /** Attempts that a power loss made unknown: their bounds stand. */
  readonly lost: Intent[] = []
  charges: readonly Charge[] = []
  /** Events that must be on disk in the end, and are. */
  readonly events = new Map<string, 'unresolved' | 'completed'>()
  waiting: Promise<ReserveOutcome>[] = []
  /** True once the clock was set back: what was charged in which period is then no matter of times any more. */
  wasSetBack = false
  /** True once a power loss took events with it. */
  forgot = false

  charge(world: SpendWorld, intent: Intent, nano: bigint): void {
    const above = nano - intent.reservation.bound
    for (const { key } of intent.reservation.holds)
      this.charges = [
        ...this.charges,
        { eventId: intent.event.eventId, key, atMs: world.time.nowMs(), nano, above: above > 0n ? above : 0n },
      ]
  }

  /** What of these charges was above their bounds has been lost with the process that knew of it. */
  forget(isLost: (charge: Charge) => boolean): void {
    this.charges = this.charges.map((charge) =>
      isLost(charge) ? { ...charge, nano: charge.nano - charge.above, above: 0n } : charge,
    )
  }

  /**
   * What a budget has been charged and may still be charged by its counter with this key; what another kind of period
   * was charged in this one's time belongs to it too, since the kind was edited.
   */
  taken(key: string): bigint {
    const [uid = '', subject = '', periodId = ''] = key.split('\u001f')
    const period = periodOf(periodId)
    let sum = 0n
    for (const charge of this.charges) {
      if (charge.key === key) sum += charge.nano
      else if (!this.wasSetBack && charge.key.startsWith(`${uid}\u001f${subject}\u001f`)) {
        const other = periodOf(charge.key.split('\u001f')[2] ?? '')
        if (other.kind !== period.kind && charge.atMs >= period.startsAtMs) sum += charge.nano - charge.above
      }
    }
    for (const { reservation } of [...this.open, ...this.lost])
      if (reservation.holds.some((hold) => hold.key === key)) sum += reservation.bound
    return sum
  }
}

type Command = fc.AsyncCommand<Model, SpendWorld>

const command = (
  name: string,
  run: (model: Model, world: SpendWorld) => Promise<void> | void,
  check: (model: Model) => boolean = () => true,
): Command => ({
  check,
  run: async (model, world) => {
    await run(model, world)
    await world.settleDown()
    await collect(model, world)
    hold(model, world)
  },
  toString: () => name,
})

/** What must hold after every step. */
function hold(model: Model, world: SpendWorld): void {
  for (const account of world.core.accounts.values()) {
    const { key, uncharged } = account
    if (uncharged < 0n) throw new Error(`${key}: less than nothing is reserved`)
    const above = model.charges.filter((charge) => charge.key === key).reduce((sum, each) => sum + each.above, 0n)
    const isAudit = key.startsWith(WATCH.uid)
    if (!isAudit && balanceOf(account) < -above) throw new Error(`${key}: overdrawn by ${balanceOf(account)}`)
  }
}

/** Turns reservations that were made meanwhile into attempts that are sent. */
async function collect(model: Model, world: SpendWorld): Promise<void> {
  const waiting = model.waiting
  model.waiting = []
  for (const promise of waiting) {
    const outcome = await Promise.race([promise, Promise.resolve(null)])
    if (outcome === null) model.waiting.push(promise)
    else await send(model, world, outcome)
  }
}

async function send(model: Model, world: SpendWorld, outcome: ReserveOutcome): Promise<void> {
  if (outcome.kind !== 'reserved') return
  const { reservation } = outcome
  const intent = world.intentOf(reservation)
  for (const { key, counter } of reservation.holds) {
    const budget = model.budgets.find(({ uid }) => uid === counter.budgetUid)
    if (!budget || budget.mode === 'audit') continue
    const taken = model.taken(key) + reservation.bound
    if (taken > budget.limit) throw new Error(`${key}: ${taken} of ${budget.limit} are reserved and charged`)
  }
  const committed = world.core.outbox.commitIntent(intent).then(
    () => true,
    () => false,
  )
  await world.settleDown()
  if (await committed) {
    model.open.add(intent)
    model.events.set(intent.event.eventId, 'unresolved')
  } else world.core.gate.release(reservation)
}

const reserve = fc
  .tuple(fc.constantFrom(...AGENTS), fc.integer({ min: 1, max: 400 }), fc.nat(7))
  .map(([agent, bound, which]) =>
    command(`reserve ${bound} for ${agent} of ${which}`, async (model, world) => {
      const chosen = model.budgets.filter((_, at) => which === 0 || (which & (1 << at)) !== 0)
      const outcome = world.ask(linesOf(agent, ...chosen), bound, Math.ceil(bound / 2))
      if (outcome instanceof Promise) model.waiting.push(outcome)
      else await send(model, world, outcome)
    }),
  )

const settle = fc.tuple(fc.nat(20), fc.constantFrom(0, 0.2, 1, 1, 1.5)).map(([which, share]) =>
  command(
    `settle ${which} at ${share} of its bound`,
    (model, world) => {
      const intent = [...model.open][which % model.open.size]
      if (!intent) return
      const nano = Math.ceil(Number(intent.reservation.bound) * share)
      model.open.delete(intent)
      model.charge(world, intent, BigInt(nano))
      model.events.set(intent.event.eventId, 'completed')
      world.end(intent, nano)
      if (which % 3 === 0) world.end(intent, nano)
    },
    (model) => model.open.size > 0,
  ),
)

const pass = fc
  .constantFrom(50, 300, 1_200, 6_000, 2 * HOUR_MS, DAY_MS, 7 * DAY_MS)
  .map((ms) => command(`${ms} ms pass`, (_, world) => world.pass(ms, Math.max(ms / 4, 50))))

const idle = fc.boolean().map((all) =>
  command(`return ${all ? 'everything' : 'what is idle'}`, async (_, world) => {
    await world.during(world.core.gate.returnIdle(all))
  }),
)

const setBack = fc.constantFrom(HOUR_MS, 2 * DAY_MS).map((ms) =>
  command(`the clock is set back by ${ms}`, (model, world) => {
    model.wasSetBack = true
    world.time.setWall(world.time.nowMs() - ms)
  }),
)

const edit = (name: string, change: (budgets: readonly CompiledBudget[]) => readonly CompiledBudget[]): Command =>
  command(name, (model, world) => {
    model.budgets = change(model.budgets)
    world.budgets = model.budgets
  })

const replaced = (budgets: readonly CompiledBudget[], uid: string, fields: Partial<CompiledBudget>) =>
  budgets.map((budget) => (budget.uid === uid ? { ...budget, ...fields } : budget))

const edits = fc.oneof(
  fc.tuple(fc.constantFrom(ORG, EACH), fc.constantFrom(50n, 200n, 300n, 1_000n)).map(([{ uid }, nano]) => {
    const limit = nano as CompiledBudget['limit']
    return edit(`limit of ${uid} is ${nano}`, (budgets) => replaced(budgets, uid, { limit }))
  }),
  fc
    .tuple(fc.constantFrom(ORG, EACH), fc.constantFrom(...KINDS))
    .map(([{ uid }, kind]) =>
      edit(`period of ${uid} is ${kind}`, (budgets) => replaced(budgets, uid, { period: periodRule(kind) })),
    ),
  fc
    .constantFrom(ORG, EACH)
    .map((budget) =>
      edit(`${budget.uid} is deleted, or made again`, (budgets) =>
        budgets.some(({ uid }) => uid === budget.uid)
          ? budgets.filter(({ uid }) => uid !== budget.uid)
          : [...budgets, budget],
      ),
    ),
)

const faults = fc.constantFrom(
  command('an answer is lost', (_, world) => {
    world.faults.lostAnswers++
  }),
  command('a question is lost', (_, world) => {
    world.faults.lostQuestions++
  }),
  command('the disk fails, or is mended', async (_, world) => {
    world.faults.disk = !world.faults.disk
    await world.pass(300, 300)
  }),
)

/** The process dies. Its attempts were sent: what they cost is at most what they are charged now. */
const crash = fc.constant(
  command('the process is killed', async (model, world) => {
    world.faults.disk = false
    const onDisk = world.intents()
    model.waiting = []
    await world.crash()
    for (const intent of model.open) {
      if (!onDisk.has(intent.event.eventId)) throw new Error('an attempt was sent without an intent')
      if (world.core.stats().continuity === 'same') model.charge(world, intent, intent.reservation.bound)
      else model.lost.push(intent)
    }
    model.open.clear()
    // What was settled while the disk failed is charged its bound: the intent is all that the next process finds.
    model.forget(({ eventId }) => onDisk.has(eventId))
    for (const eventId of onDisk) model.events.set(eventId, 'unresolved')
  }),
)

const losePower = fc.constant(
  command('the power fails', async (model, world) => {
    world.faults.disk = false
    model.waiting = []
    await world.losePower()
    model.lost.push(...model.open)
    model.open.clear()
    model.forgot = true
    // The open money of its leases stands for what it charged; an overrun that nobody was told of is gone.
    model.forget(() => true)
  }),
)

const restart = fc.constant(
  command('it is restarted in order', async (model, world) => {
    world.faults.disk = false
    await world.pass(300, 300)
    const open = [...model.open]
    model.waiting = []
    await world.restart()
    for (const intent of open) model.charge(world, intent, intent.reservation.bound)
    model.open.clear()
  }),
)

const commands = fc.commands(
  [reserve, reserve, reserve, settle, settle, pass, idle, setBack, edits, faults, crash, losePower, restart],
  { maxCommands: 60, size: 'max' },
)

/** In the end everything that runs is settled: then nothing is reserved, and what is free can be had to the last nano. */
async function close(model: Model, world: SpendWorld): Promise<void> {
  Object.assign(world.faults, { disk: false, lostAnswers: 0, lostQuestions: 0 })
  await world.pass(3_000, 500)
  await collect(model, world)
  await world.pass(3_000, 500)
  for (const intent of model.open) {
    model.charge(world, intent, 1n)
    model.events.set(intent.event.eventId, 'completed')
    world.end(intent, 1)
  }
  model.open.clear()
  await world.settleDown()
  if ([...world.core.accounts.values()].some(({ uncharged }) => uncharged !== 0n))
    throw new Error('a reservation is stuck')
  await world.pass(10_000, 2_000)
  await world.during(world.core.gate.returnIdle(true))
  checkEvents(model, world)
  await checkLiveness(model, world)
}

function checkEvents(model: Model, world: SpendWorld): void {
  const told = world.events()
  const ids = new Map(told.map((event) => [event.eventId, event]))
  if (ids.size !== told.length) throw new Error('an event was told twice')
  if (world.intents().size > 0) throw new Error('an intent is left')
  if (model.forgot) return
  for (const [eventId, outcome] of model.events)
    if (ids.get(eventId)?.outcome !== outcome) throw new Error(`${eventId} is not told as ${outcome}`)
  for (const { key, charged } of world.core.accounts.values()) {
    const said = told
      .flatMap(({ charges }) => charges)
      .filter((charge) => counterKey(charge) === key)
      .reduce((sum, { nanoUsd }) => sum + BigInt(nanoUsd), 0n)
    // A lease that was closed and is opened again, by a clock that went back, begins at zero and is granted nothing.
    const isOpenedAgain = model.wasSetBack && said > charged
    if (said !== charged && !isOpenedAgain) throw new Error(`${key}: its events say ${said}, its lease ${charged}`)
  }
}

async function checkLiveness(model: Model, world: SpendWorld): Promise<void> {
  for (const budget of model.budgets.filter(({ mode }) => mode === 'enforce')) {
    const lines = linesOf('a', budget)
    const probe = await world.reserve(lines, 100_000)
    if (probe.kind !== 'exhausted') throw new Error(`${budget.name}: ${probe.kind} for more than its limit`)
    const [subject, available] = [probe.shortage.subject, Number(probe.shortage.available)]
    const [account] = [...world.core.accounts.values()]
      .filter(
        ({ counter, period }) =>
          counter.budgetUid === budget.uid && counter.subject === subject && period.spec === budget.period.spec,
      )
      .slice(-1)
    const committed = account ? world.committed(budget.uid, account.counter.periodId, subject) : 0n
    // A lease may hold what it only now heard of: the answer to an earlier question was lost.
    const free = budget.limit - committed + maxUsd(ZERO_USD, account ? balanceOf(account) : ZERO_USD)
    if (BigInt(available) !== (free > 0n ? free : 0n))
      throw new Error(`${budget.name}: ${available} of ${free} to be had`)
    if (available === 0) continue
    const outcome = await world.reserve(lines, available)
    if (outcome.kind !== 'reserved') throw new Error(`${budget.name}: ${available} fit, and are ${outcome.kind}`)
    await send(model, world, outcome)
  }
}

t.test('no budget is overspent, nothing is stuck, every intent ends once, and what is free can be had', async (t) => {
  await fc.assert(
    fc.asyncProperty(commands, async (steps) => {
      await inScope(async (scope) => {
        const model = new Model()
        const world = await SpendWorld.open(scope, model.budgets)
        await fc.asyncModelRun(() => ({ model, real: world }), steps)
        await close(model, world)
      })
    }),
    // ACC_TEST_RUNS=5000 makes a long search; the ordinary one ends in time on a busy machine too.
    { numRuns: RUNS, interruptAfterTimeLimit: RUNS * 300, markInterruptAsFailure: false },
  )
  t.pass()
})
