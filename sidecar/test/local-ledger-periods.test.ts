/** The ledger of a sidecar that stands alone: rolling windows, resets, zones and edits, at a clock that the test holds. */
import { DatabaseSync } from 'node:sqlite'
import {
  type Counter,
  type LeaseSyncItem,
  type LeaseSyncResult,
  nanoUsd,
  periodAt,
  periodRule,
} from '@agentcostcontrol/contract'
import t from 'tap'
import { createLocalLedger } from '../budget/local-ledger.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const BEGIN_MS = Date.parse('2026-03-10T12:00:00Z')

/** A ledger with one holder, which knows what it was granted. */
class Alone {
  nowMs = BEGIN_MS
  readonly #ledger = createLocalLedger(new DatabaseSync(':memory:', { readBigInts: true }), { nowMs: () => this.nowMs })
  readonly #holder: { readonly instanceId: string; readonly generation: number }
  readonly #held = new Map<string, { granted: bigint; charged: bigint }>()

  constructor() {
    const hello = { instanceId: 'i', generation: 0, continuity: 'same', ledgerEpoch: 0, leases: [] } as const
    this.#holder = { instanceId: 'i', generation: this.#ledger.hello(hello).generation }
  }

  /** Asks for money of a budget of 100. @param charged what was charged to the lease since */
  ask(periodId: string, need: number, charged = 0): LeaseSyncResult {
    const held = this.#held.get(periodId) ?? { granted: 0n, charged: 0n }
    this.#held.set(periodId, held)
    held.charged += BigInt(charged)
    const counter: Counter = { budgetUid: 'Budget/b', subject: '*', periodId }
    const nano = (amount: number | bigint) => nanoUsd(BigInt(amount))
    const item: LeaseSyncItem = {
      counter,
      limit: nano(100),
      granted: nano(held.granted),
      returned: nano(0),
      charged: nano(held.charged),
      uncharged: nano(0),
      least: nano(need),
      need: nano(need),
      want: nano(need),
      close: false,
    }
    const [answer] = this.#ledger.sync(this.#holder, [item])
    if (!answer) throw new Error('no answer')
    held.granted = answer.granted
    return answer
  }
}

t.test('what is older than a rolling window can be spent again, and no sooner', async (t) => {
  const alone = new Alone()
  const id = 'rolling-24h'
  t.match(alone.ask(id, 60), { verdict: 'granted' })
  alone.ask(id, 0, 60)
  alone.nowMs += 12 * HOUR_MS
  t.match(alone.ask(id, 40), { verdict: 'granted', spent: 60n })
  t.match(alone.ask(id, 50, 40), { verdict: 'exhausted', spent: 100n, available: 0n })
  alone.nowMs = BEGIN_MS + DAY_MS - 1
  t.match(alone.ask(id, 50), { verdict: 'exhausted', available: 0n })
  // A bucket of a hundredth of the window later at most.
  alone.nowMs = BEGIN_MS + DAY_MS + DAY_MS / 100
  t.match(alone.ask(id, 61), { verdict: 'exhausted', spent: 40n, available: 60n })
  t.match(alone.ask(id, 60), { verdict: 'granted', available: 0n })
  alone.nowMs += DAY_MS
  t.match(alone.ask(id, 40, 60), { verdict: 'granted', spent: 60n })
})

t.test('a reset begins a period with nothing spent, and the former one grants no more', async (t) => {
  for (const id of ['total', 'rolling-24h', '2026-03-10']) {
    const alone = new Alone()
    alone.ask(id, 90)
    alone.ask(id, 0, 70)
    t.match(alone.ask(`${id}#000001`, 100), { verdict: 'granted', spent: 0n }, id)
    t.match(alone.ask(id, 5), { verdict: 'exhausted' }, 'the former one is over')
    t.match(alone.ask(`${id}#000001`, 5), { verdict: 'exhausted' })
  }
})

t.test(
  'an edit carries over what was spent in the window or since the midnight of the zone, and a reset with it nothing',
  async (t) => {
    const alone = new Alone()
    alone.ask('total', 50)
    alone.ask('total', 0, 50)
    alone.nowMs += 2 * DAY_MS
    alone.ask('total', 20)
    alone.ask('total', 0, 20)
    const rule = periodRule('daily', { timeZone: 'America/New_York' })
    t.match(alone.ask(periodAt(rule, alone.nowMs).id, 81), { verdict: 'exhausted', available: 80n })
    t.match(alone.ask('rolling-7d', 31), { verdict: 'exhausted', available: 30n })
    alone.nowMs += 7.1 * DAY_MS
    t.match(alone.ask('rolling-7d', 100), { verdict: 'granted' }, 'it left the window')
    t.match(alone.ask('total#000001', 100), { verdict: 'granted' })
  },
)

t.test('an answer is believed until the period of its zone ends, also where its day has 23 or 25 hours', async (t) => {
  const alone = new Alone()
  const rule = periodRule('daily', { timeZone: 'America/New_York' })
  for (const [day, hours] of [
    ['2026-03-08', 23],
    ['2026-06-09', 24],
    ['2026-11-01', 25],
  ] as const) {
    const { id, startsAtMs, endsAtMs } = periodAt(rule, Date.parse(`${day}T16:00:00Z`))
    t.equal((endsAtMs - startsAtMs) / HOUR_MS, hours)
    alone.nowMs = startsAtMs
    t.match(alone.ask(id, 1), { verdict: 'granted', ttlMs: HOUR_MS })
    alone.nowMs = endsAtMs - 1_000
    t.match(alone.ask(id, 1), { verdict: 'granted', ttlMs: 1_000 })
    const next = periodAt(rule, endsAtMs).id
    alone.nowMs = endsAtMs
    t.match(alone.ask(next, 100), { verdict: 'granted' })
    t.match(alone.ask(id, 1), { verdict: 'exhausted', ttlMs: 0 }, 'none goes back')
  }
})
