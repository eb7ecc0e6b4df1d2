import { type NanoUsd, nanoUsd, ZERO_USD } from '@agentcostcontrol/contract'
import type { ClockedDatabase } from '../../control-plane/test/support/clock.ts'
import { type Abandoned, type Denial, isAbandoned, isDenial, type Reserved } from '../../sidecar/exchange.ts'
import { MONDAY_NOON_MS } from '../../sidecar/test/support/fake-time.ts'
import type { SpendWorld } from '../../sidecar/test/support/spend-world.ts'
import { boundOf, policyOf, Stages } from '../../sidecar/test/support/stages.ts'
import { type Asker, headersOf } from './budget-scopes.ts'
import type { Scope } from './scope.ts'
import { SharedLedger } from './shared-ledger.ts'

/** How a budget's time is cut, and the periods that a Monday noon lies in. */
export interface PeriodCase {
  readonly name: string
  /** Of the document. */
  readonly spec: Readonly<Record<string, unknown>>
  readonly id: string
  /** RFC 3339; `null` for one without an end. */
  readonly resetsAt: string | null
  /** When what is spent at that noon can be spent again, and where it is counted then; `null` for never. */
  readonly next: { readonly at: string; readonly id: string } | null
}

const ending = (period: string, timeZone: string, id: string, resetsAt: string, nextId: string): PeriodCase => ({
  name: period,
  spec: { period, timeZone },
  id: `${id}@${timeZone}`,
  resetsAt,
  next: { at: resetsAt, id: `${nextId}@${timeZone}` },
})

/** Every kind of period. */
export const PERIODS: readonly PeriodCase[] = [
  ending('daily', 'Asia/Kathmandu', '2026-11-23', '2026-11-23T18:15:00.000Z', '2026-11-24'),
  ending('weekly', 'Europe/Berlin', '2026-W48', '2026-11-29T23:00:00.000Z', '2026-W49'),
  ending('monthly', 'America/New_York', '2026-11', '2026-12-01T05:00:00.000Z', '2026-12'),
  {
    name: 'rolling',
    spec: { period: 'rolling', window: '24h' },
    id: 'rolling-24h',
    resetsAt: null,
    // What is booked leaves the window with its bucket, a hundredth of it long.
    next: { at: '2026-11-24T12:14:24.000Z', id: 'rolling-24h' },
  },
  { name: 'total', spec: { period: 'total' }, id: 'total', resetsAt: null, next: null },
]

/** As long as makes the limit a sum of what bytes and tokens cost: it can be spent to the nano. */
const PROMPT = 20

/** What a request asks for beside its model. */
export interface Request {
  readonly outputTokens: number
  /** Characters of its prompt and the name of its model. */
  readonly prompt?: number
}

/** One budget on a ledger in PostgreSQL, and a sidecar's stages around the money that lease from it. */
export class BudgetCell {
  readonly #db: ClockedDatabase
  readonly #shared: SharedLedger
  readonly #world: SpendWorld
  readonly #stages: Stages

  private constructor(db: ClockedDatabase, shared: SharedLedger, world: SpendWorld, stages: Stages) {
    this.#db = db
    this.#shared = shared
    this.#world = world
    this.#stages = stages
  }

  /** On a Monday noon. @param spec of the budget, of one cent */
  static async open(scope: Scope, db: ClockedDatabase, spec: Readonly<Record<string, unknown>>): Promise<BudgetCell> {
    await db.setClock(MONDAY_NOON_MS)
    const policy = policyOf([
      JSON.stringify({
        apiVersion: 'agentcostcontrol.io/v1',
        kind: 'Budget',
        metadata: { name: 'cell' },
        spec: { limit: '0.01', ...spec },
      }),
    ])
    const shared = await SharedLedger.open(scope, db, policy.budgets, 1)
    const [world] = shared.worlds
    if (world === undefined) throw new Error('no sidecar')
    return new BudgetCell(db, shared, world, Stages.on(world, policy))
  }

  /** A request, up to where it is sent or refused. */
  ask(asker: Asker, { outputTokens, prompt = PROMPT }: Request): Promise<Reserved | Denial | Abandoned> {
    const body = {
      model: asker.model,
      messages: [{ role: 'user', content: 'x'.repeat(prompt - asker.model.length) }],
      max_tokens: outputTokens,
    }
    return this.#stages.reserve(body, headersOf(asker))
  }

  /**
   * A request, and what comes of it.
   * @param nano what it costs if it is sent: all that was reserved for it where left out
   * @returns the model that it is sent to, or the code of its refusal; and what it cost
   */
  async spend(asker: Asker, request: Request, nano?: number): Promise<{ readonly to: string; readonly cost: NanoUsd }> {
    const outcome = await this.ask(asker, request)
    if (isAbandoned(outcome)) return { to: 'abandoned', cost: ZERO_USD }
    if (isDenial(outcome)) return { to: outcome.code, cost: ZERO_USD }
    const cost = nano === undefined ? boundOf(outcome) : nanoUsd(BigInt(nano))
    this.#stages.settle(outcome, cost)
    return { to: String(JSON.parse(outcome.body.toString()).model), cost }
  }

  /** What the ledger in PostgreSQL was charged, by subject and period, once the sidecar has told all and given back all. */
  async settled(): Promise<Readonly<Record<string, bigint>>> {
    const world = this.#world
    await world.during(world.core.gate.returnIdle(true))
    await this.#shared.upload(world, true)
    const counters = [...(await this.#shared.counters())].filter(([, { settled, escrow }]) => settled + escrow > 0n)
    const told = counters.map(([key, { settled, escrow }]): [string, bigint] => {
      const [uid, subject, periodId] = key.split('\u001f')
      if (escrow > 0n) throw new Error(`${key}: ${escrow} is set aside`)
      if (uid !== 'Budget/cell') throw new Error(`${key} is of no budget`)
      return [`${subject} in ${periodId}`, settled]
    })
    return Object.fromEntries(told.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** The database's clock and the sidecar's go on to an instant, which the sidecar takes for it too. */
  async goTo(at: number | string): Promise<void> {
    await this.#db.setClock(at)
    const ms = new Date(at).getTime() - this.#world.ledgerTime.nowMs()
    await this.#world.pass(ms, ms)
  }

  /** Time passes everywhere. */
  pass(ms: number): Promise<void> {
    return this.goTo(this.#world.ledgerTime.nowMs() + ms)
  }
}
