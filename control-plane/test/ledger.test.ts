import { randomUUID } from 'node:crypto'
import { type BudgetPeriod, parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { createLedgerOperator } from '../ledger/operator.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { clusterFor, databaseFor, type TestDatabase } from './support/database.ts'
import { attempt, batchOf, charge, usageEvent } from './support/events.ts'
import { counter, ledgerOn, organisationWith, published, TestHolder } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const ledger = ledgerOn(db.database)
const ingest = createIngestService({
  database: db.database,
  record: recordOn(db.database),
  book: ledger.book,
  onBatch: () => {},
})
const operator = createLedgerOperator({ database: db.database })
const usd = (text: string): bigint => parseUsd(text)

interface Sums {
  readonly limit: string
  readonly settled: string
  readonly escrow: string
  readonly overrun: string
}

const sumsOf = async (orgId: string, name: string, on: TestDatabase = db): Promise<Sums | undefined> => {
  const [row] = await on.owner<Sums[]>`
    SELECT limit_nano::text AS limit, settled_nano::text AS settled, escrow_nano::text AS escrow, overrun_nano::text AS overrun
    FROM acc.counters WHERE org_id = ${orgId} AND budget_uid = ${`Budget/${name}`}`
  return row
}

/** The event of an exchange that was charged to a lease. */
const eventOf = ({ caller, generation }: TestHolder, nano: bigint, name: string) =>
  usageEvent({
    instanceId: caller.instanceId,
    attempts: [attempt({ costNanoUsd: String(nano), chargedNanoUsd: String(nano) })],
    charges: [charge({ budgetUid: `Budget/${name}`, generation, nanoUsd: String(nano) })],
  })

async function newHolder(orgId: string): Promise<TestHolder> {
  const holder = new TestHolder(ledger, orgId)
  await holder.hello()
  return holder
}

t.test('money is granted once, however often a lost answer is asked for again', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  t.match(await holder.sync(counter('b'), { need: usd('0.10') }), { granted: String(usd('0.10')), verdict: 'granted' })
  holder.lease(counter('b')).granted = 0n
  for (let times = 0; times < 3; times++) {
    holder.lease(counter('b')).granted = 0n
    t.match(await holder.sync(counter('b'), { need: usd('0.10') }), { granted: String(usd('0.10')) })
  }
  t.match(await sumsOf(orgId, 'b'), { escrow: String(usd('0.10')), settled: '0' })
})

t.test('charges settle by their events, once; the escrow follows, and what passes a lease is overrun', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.10') })
  const events = [eventOf(holder, usd('0.04'), 'b'), eventOf(holder, usd('0.02'), 'b')]
  await ingest.ingest(holder.caller, batchOf(events).events)
  await ingest.ingest(holder.caller, batchOf([...events, ...events]).events)
  t.match(await sumsOf(orgId, 'b'), { settled: String(usd('0.06')), escrow: String(usd('0.04')), overrun: '0' })
  await ingest.ingest(holder.caller, batchOf([eventOf(holder, usd('0.09'), 'b')]).events)
  t.match(await sumsOf(orgId, 'b'), { settled: String(usd('0.15')), escrow: '0', overrun: String(usd('0.05')) })
  holder.lease(counter('b')).charged = usd('0.15')
  t.match(await holder.sync(counter('b'), { need: usd('0.85') }), { verdict: 'granted', available: '0' })
  t.match(await sumsOf(orgId, 'b'), { settled: String(usd('0.15')), escrow: String(usd('0.80')) })
})

t.test('a holder of another generation or epoch is told to say hello, and nothing of it changes', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.10') })
  const stale = { code: 'acc_api_stale_holder' }
  const generation = holder.generation
  holder.generation++
  await t.rejects(holder.sync(counter('b'), { need: usd('0.10') }), stale)
  holder.generation = generation
  holder.ledgerEpoch++
  await t.rejects(holder.sync(counter('b'), { need: usd('0.10') }), stale)
  const stranger = new TestHolder(ledger, orgId)
  stranger.ledgerEpoch = 1
  await t.rejects(stranger.sync(counter('b'), { need: 1n }), stale)
  t.match(await sumsOf(orgId, 'b'), { escrow: String(usd('0.10')) })
})

t.test('a holder whose state is broken begins anew, and the open money of its leases stands', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.40') })
  const { generation } = holder
  t.match(await holder.hello('broken'), { generation: generation + 1, continuity: 'broken', leases: [] })
  t.match(await holder.sync(counter('b'), { need: usd('0.70') }), { verdict: 'exhausted' })
  t.match(await holder.sync(counter('b'), { need: usd('0.60') }), { verdict: 'granted' })
  // Events of the former generation are booked all the same (C3).
  holder.generation = generation
  await ingest.ingest(holder.caller, batchOf([eventOf(holder, usd('0.30'), 'b')]).events)
  t.match(await sumsOf(orgId, 'b'), { settled: String(usd('0.30')), escrow: String(usd('0.70')) })
})

t.test('a hello whose answer was lost is answered the same way again', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.40') })
  const { generation } = holder
  for (let times = 0; times < 3; times++) {
    holder.generation = generation
    t.equal((await holder.hello('broken')).generation, generation + 1)
  }
})

t.test('a holder that knows less than it once told is broken, whatever it says', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.40') })
  holder.lease(counter('b')).returned = usd('0.10')
  await holder.sync(counter('b'))
  holder.lease(counter('b')).returned = 0n
  t.match(await holder.hello('same'), { continuity: 'broken', leases: [] })
  t.match(await sumsOf(orgId, 'b'), { escrow: String(usd('0.30')) })
})

t.test('what a holder does not need comes back; a closed lease grants nothing more', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const [one, other] = [await newHolder(orgId), await newHolder(orgId)]
  await one.sync(counter('b'), { need: usd('0.90') })
  t.match(await other.sync(counter('b'), { need: usd('0.50') }), { verdict: 'pending' })
  one.lease(counter('b')).returned = usd('0.80')
  await one.sync(counter('b'))
  t.match(await other.sync(counter('b'), { need: usd('0.50') }), { verdict: 'granted' })
  await one.sync(counter('b'), { close: true })
  t.match(await one.sync(counter('b'), { need: usd('0.10') }), { verdict: 'exhausted' })
  t.match(await sumsOf(orgId, 'b'), { escrow: String(usd('0.50')) })
})

t.test('who is short has the idle money of the others recalled, once in a while', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const [rich, poor, idle] = [await newHolder(orgId), await newHolder(orgId), await newHolder(orgId)]
  await rich.sync(counter('b'), { need: usd('0.95') })
  t.equal(await ledger.recallsSince(orgId, rich.caller.instanceId, 0), null)
  await poor.sync(counter('b'), { need: usd('0.50') })
  const recall = await ledger.recallsSince(orgId, rich.caller.instanceId, 0)
  t.match(recall, { recalls: [{ counter: counter('b'), keep: '0' }] })
  await poor.sync(counter('b'), { need: usd('0.50') })
  t.match(await ledger.recallsSince(orgId, rich.caller.instanceId, 0), recall, 'not again within half a second')
  t.equal(await ledger.recallsSince(orgId, rich.caller.instanceId, recall?.version ?? 0), null)
  t.equal(await ledger.recallsSince(orgId, idle.caller.instanceId, 0), null, 'who holds nothing is not asked')
})

t.test('a lowered limit stops grants and recalls; a raised one grants; no edit makes money', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.60') })
  const publish = (limit: string, period: BudgetPeriod = 'total') =>
    db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('b', limit, period)]))
  await publish('0.50')
  t.match(await holder.sync(counter('b'), { need: usd('0.10') }), {
    verdict: 'exhausted',
    available: `-${usd('0.10')}`,
  })
  t.match(await ledger.recallsSince(orgId, holder.caller.instanceId, 0), {
    recalls: [{ counter: counter('b'), keep: '0' }],
  })
  await publish('2.00')
  t.match(await holder.sync(counter('b'), { need: usd('1.40') }), { verdict: 'granted' })
  await db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, []))
  t.match(await holder.sync(counter('b'), { need: usd('0.10') }), { verdict: 'exhausted' }, 'deleted, and known')
  await publish('2.00')
  t.match(await holder.sync(counter('b'), { need: usd('0.10') }), { verdict: 'exhausted' }, 'made again')
  t.match(await sumsOf(orgId, 'b'), { escrow: String(usd('2.00')) })
})

t.test('a budget of another kind of period opens with what was spent and what is still held', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00', 'total')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.50') })
  await ingest.ingest(holder.caller, batchOf([eventOf(holder, usd('0.20'), 'b')]).events)
  holder.lease(counter('b')).charged = usd('0.20')
  await db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('b', '1.00', 'daily')]))
  const daily = counter('b', '*', new Date().toISOString().slice(0, 10))
  t.match(
    await holder.sync(counter('b'), { need: usd('0.60') }),
    { verdict: 'pending' },
    'the former kind grants no more',
  )
  t.match(await holder.sync(daily, { need: usd('0.51') }), { verdict: 'exhausted', available: String(usd('0.50')) })
  t.match(await holder.sync(daily, { need: usd('0.50') }), { verdict: 'granted' })
  await db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('b', '1.00', 'total')]))
  t.match(await holder.sync(counter('b'), { need: usd('0.61') }), { verdict: 'exhausted' }, 'and back makes no money')
})

t.test('a period that has not begun waits, one that is over grants nothing, and none goes back', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00', 'daily')])
  const holder = await newHolder(orgId)
  const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
  t.match(await holder.sync(counter('b', '*', day(1)), { need: 1n }), { verdict: 'pending' })
  t.match(await holder.sync(counter('b', '*', day(-1)), { need: 1n }), { verdict: 'exhausted', ttlMs: 0 })
  t.match(await holder.sync(counter('b', '*', 'nonsense'), { need: 1n }), { verdict: 'exhausted' })
  t.match(await holder.sync(counter('nobody'), { need: 1n }), { verdict: 'exhausted' })
  const today = await holder.sync(counter('b', '*', day(0)), { need: 1n })
  t.match(today, { verdict: 'granted' })
  t.ok(today.ttlMs > 0 && today.ttlMs <= 3_600_000)
  await db.owner`
    UPDATE acc.budget_periods SET period_id = ${day(1)} WHERE org_id = ${orgId} AND kind = 'daily'`
  t.match(
    await holder.sync(counter('b', '*', day(0)), { need: usd('0.10') }),
    { verdict: 'exhausted' },
    'clock set back',
  )
})

t.test(
  'a ledger that lost grants finds out, takes them over, and grants nothing until an operator says so',
  async (t) => {
    const orgId = await organisationWith(db.database, [published('b', '1.00')])
    const [one, other] = [await newHolder(orgId), await newHolder(orgId)]
    await one.sync(counter('b'), { need: usd('0.60') })
    await other.sync(counter('b'), { need: usd('0.10') })
    // As a copy from before the grant has it.
    await db.owner`
    UPDATE acc.leases SET granted_nano = 0 WHERE org_id = ${orgId} AND instance_id = ${one.caller.instanceId}`
    await db.owner`UPDATE acc.counters SET escrow_nano = ${String(usd('0.10'))} WHERE org_id = ${orgId}`
    const stale = { code: 'acc_api_stale_holder' }
    await t.rejects(one.sync(counter('b'), { need: usd('0.01') }), stale)
    await t.rejects(other.sync(counter('b'), { need: usd('0.01') }), stale)
    t.match(await one.hello(), { continuity: 'same', ledgerEpoch: 2, leases: [{ granted: String(usd('0.60')) }] })
    await other.hello()
    t.match(await sumsOf(orgId, 'b'), { escrow: String(usd('0.70')) })
    t.match(
      await other.sync(counter('b'), { need: usd('0.01') }),
      { verdict: 'pending' },
      'as long as nobody has said what the absent spent',
    )
    const admin = { kind: 'admin', orgId, keyId: '' } as const
    t.match(await operator.overview(admin), { epoch: 2, recovering: true, holders: [{ epoch: 2 }, { epoch: 2 }] })
    await operator.endRecovery(admin, [{ counter: counter('b'), nano: usd('0.20') }])
    await t.rejects(operator.endRecovery(admin, []), /not recovering/)
    t.match(await sumsOf(orgId, 'b'), { settled: String(usd('0.20')), escrow: String(usd('0.70')) })
    t.match(await other.sync(counter('b'), { need: usd('0.11') }), { verdict: 'pending' }, 'one may give some back')
    t.match(await other.sync(counter('b'), { need: usd('0.10') }), { verdict: 'granted' })
  },
)

t.test('a ledger that lost a whole counter grants nothing of a period that may have been granted from', async (t) => {
  const budgets = [published('b', '1.00', 'daily'), published('c', '1.00')]
  const orgId = await organisationWith(db.database, budgets)
  const [one, other] = [await newHolder(orgId), await newHolder(orgId)]
  const today = counter('b', '*', new Date().toISOString().slice(0, 10))
  await one.sync(today, { need: usd('0.60') })
  // As a copy from yesterday has it.
  await db.owner`DELETE FROM acc.leases WHERE org_id = ${orgId}`
  await db.owner`DELETE FROM acc.counters WHERE org_id = ${orgId}`
  await t.rejects(one.sync(today), { code: 'acc_api_stale_holder' })
  await other.hello()
  for (const lost of [today, counter('c')])
    t.match(await other.sync(lost, { need: usd('0.50') }), { verdict: 'pending' }, 'somebody may hold all of it')
  await one.hello()
  await operator.endRecovery({ kind: 'admin', orgId, keyId: '' }, [])
  t.match(await other.sync(today, { need: usd('0.41') }), { verdict: 'pending' })
  t.match(await other.sync(today, { need: usd('0.40') }), { verdict: 'granted' })
})

t.test('open money is written off by an operator alone, once nobody can spend it any more', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.60') })
  const admin = { kind: 'admin', orgId, keyId: '' } as const
  const { instanceId } = holder.caller
  const lease = { counter: counter('b'), instanceId, generation: holder.generation }
  await t.rejects(operator.release(admin, { ...lease, generation: 9 }, 1n), { code: 'acc_api_not_found' })
  await t.rejects(operator.release(admin, lease, 1n), /may still spend it: wait 180 minutes/)
  await db.owner`UPDATE acc.leases SET expires_at = now() - interval '3 hours' WHERE instance_id = ${instanceId}`
  await t.rejects(operator.release(admin, lease, usd('0.61')), /has 600000000 nano-USD open/)
  await operator.release(admin, lease, usd('0.60'))
  t.match(await sumsOf(orgId, 'b'), { escrow: '0' })
  t.match(await holder.sync(counter('b'), { need: 1n }), { verdict: 'exhausted' }, 'it is fenced')
  // It was spent after all: what the operator gave back is excess now, and stops grants.
  await ingest.ingest(holder.caller, batchOf([eventOf(holder, usd('0.60'), 'b')]).events)
  t.match(await sumsOf(orgId, 'b'), { settled: String(usd('0.60')), overrun: String(usd('0.60')) })
  t.match(await operator.counters(admin, null, 10), [{ availableNanoUsd: String(usd('0.40')), leases: 0 }])
})

t.test(
  'I1 holds with many holders at once through two replicas, and nothing deadlocks or is booked twice',
  async (t) => {
    const budgets = ['a', 'b', 'c'].map((name) => published(name, '1.00'))
    const orgId = await organisationWith(db.database, budgets)
    const second = await databaseFor(t, db.url)
    const replicas = [db.database, second.database].map((database) => {
      const own = ledgerOn(database)
      return {
        ledger: own,
        ingest: createIngestService({ database, record: recordOn(database), book: own.book, onBatch: () => {} }),
      }
    })
    let spent = 0n
    const run = async (at: number): Promise<void> => {
      const replica = replicas[at % 2] ?? { ledger, ingest }
      const holder = new TestHolder(replica.ledger, orgId, randomUUID())
      await holder.hello()
      for (let round = 0; round < 20; round++) {
        const names = ['a', 'b', 'c'].slice(0, 1 + ((at + round) % 3))
        for (const name of (at + round) % 2 === 0 ? names : names.toReversed()) {
          const of = counter(name)
          const lease = holder.lease(of)
          const need = usd('0.013')
          if (lease.granted - lease.returned - lease.charged < need) await holder.sync(of, { need, want: usd('0.05') })
          if (lease.granted - lease.returned - lease.charged < need) continue
          lease.charged += need
          if (name === 'a') spent += need
          const { events } = batchOf([eventOf(holder, need, name)])
          await Promise.all([
            replica.ingest.ingest(holder.caller, events),
            replica.ingest.ingest(holder.caller, events),
          ])
        }
      }
    }
    await Promise.all(Array.from({ length: 10 }, (_, at) => run(at)))
    const sums = await sumsOf(orgId, 'a')
    t.equal(sums?.settled, String(spent))
    t.ok(spent > usd('0.5'))
    t.match(await verify(db.database, orgId), { ok: true, ledger: { wrong: 0, counters: 3 } })
    for (const name of ['a', 'b', 'c']) {
      const each = await sumsOf(orgId, name)
      t.ok(BigInt(each?.settled ?? 0) + BigInt(each?.escrow ?? 0) <= usd('1.00'), `${name}: ${JSON.stringify(each)}`)
      t.equal(each?.overrun, '0')
    }
  },
)
