import fc from 'fast-check'
import t from 'tap'
import {
  committedOf,
  counterState,
  grant as grantBeside,
  type LedgerLease,
  type OtherLease,
  openOf,
  withCharged,
} from '../grant.ts'
import type { LeaseSyncItem } from '../lease.ts'
import { NANO_USD_MAX, type NanoUsd, nanoUsd } from '../money.ts'

const RUNS = { numRuns: 5_000 }
const nano = (amount: number | bigint): NanoUsd => nanoUsd(BigInt(amount))
const lease = (granted: number, returned = 0, settled = 0): LedgerLease => ({
  granted: nano(granted),
  returned: nano(returned),
  settled: nano(settled),
  released: nano(0),
})
/** A grant of a ledger that hears of charges from its holder. */
const grant = (message: LeaseSyncItem, own: LedgerLease, others: readonly OtherLease[]) =>
  grantBeside(message, withCharged(own, message.charged), counterState(message.limit, others))
const other = (live: boolean, ...figures: readonly [number, number?, number?]): OtherLease => ({
  ...lease(...figures),
  live,
})
const item = (
  fields: Partial<Record<Exclude<keyof LeaseSyncItem, 'counter' | 'close'>, number>> & { readonly close?: boolean },
): LeaseSyncItem => {
  const {
    limit = 100,
    granted = 0,
    returned = 0,
    charged = 0,
    uncharged = 0,
    need = 0,
    want = need,
    close = false,
  } = fields
  return {
    counter: { budgetUid: 'Budget/b', subject: '*', periodId: 'total' },
    limit: nano(limit),
    granted: nano(granted),
    returned: nano(returned),
    charged: nano(charged),
    uncharged: nano(uncharged),
    least: nano(fields.least ?? need),
    need: nano(need),
    want: nano(want),
    close,
  }
}
const total = (leases: readonly LedgerLease[]): bigint => leases.reduce((sum, each) => sum + committedOf(each), 0n)

const amount = fc.oneof(fc.nat(5), fc.nat(120))
/** A lease as a ledger may have it: an overrun may have settled more than it was granted. */
const anyLease = fc
  .record({ granted: amount, returned: amount, settled: amount })
  .map(({ granted, returned, settled }) => lease(granted, Math.min(granted, returned), settled))
const anyOther = fc.tuple(anyLease, fc.boolean()).map(([figures, live]): OtherLease => ({ ...figures, live }))
const anyItem = fc
  .record({
    limit: amount,
    granted: amount,
    returned: amount,
    charged: amount,
    uncharged: amount,
    least: amount,
    need: amount,
    extra: amount,
    close: fc.boolean(),
  })
  .map((fields) => item({ ...fields, least: Math.min(fields.least, fields.need), want: fields.need + fields.extra }))

t.test('I1: no grant makes settled and escrow exceed the limit, whatever stands in the ledger', async (t) => {
  fc.assert(
    fc.property(anyItem, anyLease, fc.array(anyOther, { maxLength: 3 }), (message, own, others) => {
      const { lease: after, available } = grant(message, own, others)
      const granted = after.granted - own.granted
      const committed = total([after, ...others])
      if (granted > 0n && committed > message.limit)
        throw new Error(`granted ${granted}, and ${committed} are committed`)
      if (granted < 0n) throw new Error('a grant takes nothing away')
      const left = message.limit - committed
      if (available !== left) throw new Error(`${available} is told as available, ${left} is`)
    }),
    RUNS,
  )
  t.pass()
})

t.test(
  'a message, however often it is repeated, gets at most what it wants on top of what its holder knows',
  async (t) => {
    fc.assert(
      fc.property(anyItem, anyLease, fc.array(anyOther, { maxLength: 3 }), (message, own, others) => {
        fc.pre(message.granted <= own.granted)
        const most = message.granted + message.want
        let after = own
        for (let times = 0; times < 4; times++) {
          const { lease: next } = grant(message, after, others)
          if (next.granted > (own.granted > most ? own.granted : most)) throw new Error('more than wanted')
          if (after.granted >= most && next.granted !== after.granted) throw new Error('granted twice')
          after = next
        }
      }),
      RUNS,
    )
    t.pass()
  },
)

t.test('returned and settled never go back, so an old message that comes late changes nothing', async (t) => {
  fc.assert(
    fc.property(anyItem, anyLease, (message, own) => {
      const { lease: after } = grant(message, own, [])
      if (after.returned < own.returned || after.settled < own.settled) throw new Error('went back')
      const late = { ...message, returned: nano(0), charged: nano(0), need: nano(0), want: nano(0), close: false }
      const again = grant(late, after, []).lease
      if (again.returned !== after.returned || again.settled !== after.settled) throw new Error('changed')
    }),
    RUNS,
  )
  t.pass()
})

/** A holder of the model: its figures, and what it said that has not arrived yet. */
class ModelHolder {
  granted = 0n
  returned = 0n
  charged = 0n
  uncharged = 0n
  closed = false
  readonly sent: LeaseSyncItem[] = []
  readonly answers: bigint[] = []

  get balance(): bigint {
    return this.granted - this.returned - this.charged - this.uncharged
  }

  say(limit: number, need: number, want: number): void {
    const { granted, returned, charged, uncharged, closed } = this
    this.sent.push({
      ...item({ limit, need, want: Math.max(need, want) }),
      granted: nano(granted),
      returned: nano(returned),
      charged: nano(charged),
      uncharged: nano(uncharged),
      close: closed,
    })
  }
}

const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('say'), who: fc.nat(1), a: amount, b: amount }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('deliver'), who: fc.nat(1), a: fc.nat(9), b: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('hear'), who: fc.nat(1), a: fc.nat(9), b: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('reserve'), who: fc.nat(1), a: amount, b: amount }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('charge'), who: fc.nat(1), a: amount, b: amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('return'), who: fc.nat(1), a: amount, b: amount }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close'), who: fc.nat(1), a: amount, b: amount }) },
)

t.test('two holders over a network that loses, repeats and reorders never spend more than the limit', async (t) => {
  const limit = 100
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 20, maxLength: 120 }), (steps) => {
      const holders = [new ModelHolder(), new ModelHolder()]
      const ledger = [lease(0), lease(0)]
      const closed = [false, false]
      for (const { kind, who, a, b } of steps) {
        const holder = holders[who] ?? new ModelHolder()
        const own = ledger[who] ?? lease(0)
        if (kind === 'say' && !holder.closed) holder.say(limit, a, b)
        if (kind === 'deliver') {
          const message = holder.sent[a % Math.max(1, holder.sent.length)]
          if (!message || (closed[who] && !message.close)) continue
          // `b`: the message stays on the network, and comes again.
          if (b === 0) holder.sent.splice(holder.sent.indexOf(message), 1)
          const others = [{ ...(ledger[1 - who] ?? lease(0)), live: !closed[1 - who] }]
          const { lease: after } = grant(message, own, others)
          ledger[who] = after
          if (message.close) closed[who] = true
          holder.answers.push(after.granted)
        }
        if (kind === 'hear' && !holder.closed) {
          const answer = holder.answers[a % Math.max(1, holder.answers.length)] ?? 0n
          if (answer > holder.granted) holder.granted = answer
        }
        if (kind === 'reserve' && !holder.closed && BigInt(a) <= holder.balance) holder.uncharged += BigInt(a)
        if (kind === 'charge' && holder.uncharged > 0n) {
          const bound = BigInt(a) % (holder.uncharged + 1n)
          holder.uncharged -= bound
          holder.charged += BigInt(b) % (bound + 1n)
        }
        if (kind === 'return') holder.returned += holder.balance > BigInt(a) ? BigInt(a) : holder.balance
        if (kind === 'close' && holder.uncharged === 0n && !holder.closed) {
          holder.returned += holder.balance
          holder.closed = true
          holder.say(limit, 0, 0)
        }
        const spent = holders.reduce((sum, each) => sum + each.charged + each.uncharged, 0n)
        if (spent > BigInt(limit)) throw new Error(`${spent} spent of ${limit}`)
        if (total(ledger) > BigInt(limit)) throw new Error('I1')
        if (holders.some((each) => each.balance < 0n)) throw new Error('I2')
      }
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('the need comes first; beyond it a holder gets its share of half of what is left', async (t) => {
  t.equal(grant(item({ need: 60, want: 100 }), lease(0), []).lease.granted, 80n)
  t.equal(grant(item({ need: 60, want: 65 }), lease(0), []).lease.granted, 65n)
  t.equal(grant(item({ want: 100 }), lease(0), [other(true, 0), other(true, 0), other(false, 0)]).lease.granted, 16n)
})

t.test('`pending` and `exhausted` are different: only money that may come back is waited for', async (t) => {
  const verdict = (message: LeaseSyncItem, ...others: readonly OtherLease[]) =>
    grant(message, lease(50), others).verdict
  const short = { granted: 50, uncharged: 0, need: 60 }
  t.equal(verdict(item({ ...short, need: 50 })), 'granted')
  t.equal(verdict(item(short)), 'exhausted')
  t.equal(verdict(item({ ...short, uncharged: 9 })), 'exhausted')
  t.equal(verdict(item({ ...short, uncharged: 10 })), 'pending', 'its own running requests')
  const less = { ...short, need: 50 }
  t.equal(verdict(item(less), other(true, 20)), 'pending', 'what another live holder has')
  t.equal(verdict(item(less), other(false, 20)), 'exhausted', 'a fenced lease gives nothing back')
  t.equal(verdict(item(less), other(true, 20, 0, 20)), 'exhausted', 'another holder spent it')
})

t.test(
  'on `exhausted` the rest is granted if it is of use, and on `pending` nothing is set aside in vain',
  async (t) => {
    const rest = (fields: Parameters<typeof item>[0]) => grant(item({ need: 60, ...fields }), lease(50, 0, 50), [])
    t.match(rest({ granted: 50, charged: 50, least: 50 }), {
      verdict: 'exhausted',
      lease: { granted: 100n },
      available: 0n,
    })
    t.match(rest({ granted: 50, charged: 50, least: 51 }), {
      verdict: 'exhausted',
      lease: { granted: 50n },
      available: 50n,
    })
    const running = grant(item({ granted: 50, uncharged: 50, need: 60 }), lease(50), [])
    t.match(running, { verdict: 'pending', lease: { granted: 50n }, available: 50n })
  },
)

t.test('an overrun is charged once: making up for it takes nothing more of the limit', async (t) => {
  // 20 granted, 50 charged: the next 10 need a grant of 40, and take 10.
  const { lease: after, verdict, available } = grant(item({ granted: 20, charged: 50, need: 40 }), lease(20), [])
  t.match({ verdict, available, granted: after.granted }, { verdict: 'granted', available: 40n, granted: 60n })
  t.equal(openOf(after), 10n)
  const above = grant(item({ granted: 20, charged: 150, need: 140 }), lease(20), [])
  t.match(
    above,
    { verdict: 'exhausted', lease: { granted: 20n }, available: -50n },
    'above the limit nothing is granted',
  )
})

t.test('a closed lease gives back what was granted and not charged, also what the holder never heard of', async (t) => {
  const { lease: after, available } = grant(item({ granted: 30, returned: 25, charged: 5, close: true }), lease(40), [])
  t.match({ ...after, available }, { granted: 40n, returned: 35n, settled: 5n, available: 95n })
})

t.test('a cumulative grant ends where a column of 64 bits does', async (t) => {
  const full: LedgerLease = { granted: NANO_USD_MAX, returned: NANO_USD_MAX, settled: nano(0), released: nano(0) }
  const { lease: after, verdict } = grant(
    { ...item({ need: 1 }), granted: NANO_USD_MAX, returned: NANO_USD_MAX, limit: nano(10n ** 18n) },
    full,
    [],
  )
  t.match({ granted: after.granted, verdict }, { granted: NANO_USD_MAX, verdict: 'exhausted' })
})
