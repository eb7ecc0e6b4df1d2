/** Periods of every kind in time zones, rolling windows, resets and edits, on a real PostgreSQL. */
import { parseUsd, periodAt, periodRule } from '@agentcostcontrol/contract'
import t from 'tap'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { attempt, batchOf, charge, usageEvent } from './support/events.ts'
import { counter, ledgerOn, organisationWith, published, TestHolder } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
const ledger = ledgerOn(db.database)
const { book } = ledger
const ingest = createIngestService({ database: db.database, record: recordOn(db.database), book, onBatch: () => {} })
const usd = (text: string): bigint => parseUsd(text)
const HOUR_MS = 3_600_000

async function newHolder(orgId: string): Promise<TestHolder> {
  const holder = new TestHolder(ledger, orgId)
  await holder.hello()
  return holder
}

/** A holder's request was charged, and its event is stored. */
async function spend(holder: TestHolder, periodId: string, amount: string): Promise<void> {
  const [{ instanceId }, { generation }, nano] = [holder.caller, holder, String(usd(amount))]
  holder.lease(counter('b', '*', periodId)).charged += usd(amount)
  const event = usageEvent({
    instanceId,
    attempts: [attempt({ costNanoUsd: nano, chargedNanoUsd: nano })],
    charges: [charge({ budgetUid: 'Budget/b', periodId, generation, nanoUsd: nano })],
  })
  const { stored } = await ingest.ingest(holder.caller, batchOf([event]).events)
  if (stored !== 1) throw new Error('the event was not stored')
}

const publish = (orgId: string, spec: string, resets = 0, limit = '1.00'): Promise<void> =>
  db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('b', limit, spec, resets)]))

const settledOf = async (orgId: string, periodId: string): Promise<string | undefined> =>
  (
    await db.owner<{ settled: string }[]>`
      SELECT settled_nano::text AS settled FROM acc.counters WHERE org_id = ${orgId} AND period_id = ${periodId}`
  )[0]?.settled

for (const kind of ['daily', 'weekly', 'monthly'] as const)
  for (const timeZone of ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland'])
    t.test(`a ${kind} period of ${timeZone} grants between its midnights, and no other one does`, async (t) => {
      const rule = periodRule(kind, { timeZone })
      const now = periodAt(rule, Date.now())
      const orgId = await organisationWith(db.database, [published('b', '1.00', rule.spec)])
      const holder = await newHolder(orgId)
      const ask = (atMs: number) => holder.sync(counter('b', '*', periodAt(rule, atMs).id), { need: usd('0.10') })
      t.match(await ask(now.startsAtMs - 1), { verdict: 'exhausted', ttlMs: 0 })
      // In the last minutes the next one is granted ahead.
      if (now.endsAtMs - Date.now() > 5 * 60_000) t.match(await ask(now.endsAtMs), { verdict: 'pending' })
      const answer = await ask(now.startsAtMs)
      t.match(answer, { verdict: 'granted', spent: '0' })
      t.ok(answer.ttlMs > 0 && answer.ttlMs <= Math.min(HOUR_MS, now.endsAtMs - Date.now() + 60_000))
      t.match(await ask(now.endsAtMs - 1), { verdict: 'granted' }, 'its last instant')
    })

t.test('what is older than a rolling window can be spent again, and no sooner', async (t) => {
  const id = 'rolling-24h'
  const orgId = await organisationWith(db.database, [published('b', '1.00', id)])
  const holder = await newHolder(orgId)
  const ask = (need: string) => holder.sync(counter('b', '*', id), { need: usd(need) })
  t.match(await ask('0.80'), { verdict: 'granted' })
  await spend(holder, id, '0.50')
  await db.owner`
    UPDATE acc.counter_buckets SET ends_at = now() - interval '24 hours' + interval '1 minute' WHERE org_id = ${orgId}`
  await spend(holder, id, '0.30')
  t.match(await ask('0.30'), { verdict: 'exhausted', spent: String(usd('0.80')), available: String(usd('0.20')) })
  await db.owner`
    UPDATE acc.counter_buckets SET ends_at = ends_at - interval '1 minute 1 second' WHERE org_id = ${orgId}`
  t.match(await ask('0.71'), { verdict: 'exhausted', spent: String(usd('0.30')), available: String(usd('0.70')) })
  t.match(await ask('0.70'), { verdict: 'granted', available: '0' })
  t.match(await ask('0.01'), { verdict: 'exhausted' }, 'and it is spent again once')
  await db.owner`UPDATE acc.counter_buckets SET ends_at = now() - interval '2 days' WHERE org_id = ${orgId}`
  t.match(await ask('0.30'), { verdict: 'granted', spent: '0' })
  t.match(await verify(db.database, orgId), { ok: true, ledger: { wrong: 0 } })
})

t.test('a reset begins a period with nothing spent; what is under way stays with the former one', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00', 'total')])
  const [holder, late] = [await newHolder(orgId), await newHolder(orgId)]
  await holder.sync(counter('b'), { need: usd('0.90') })
  await spend(holder, 'total', '0.40')
  const [first, second] = ['total#000001', 'total#000002']
  t.match(await late.sync(counter('b', '*', first), { need: 1n }), { verdict: 'pending' }, 'nobody resets by itself')
  await publish(orgId, 'total', 1)
  t.match(await late.sync(counter('b'), { need: usd('0.05') }), { verdict: 'pending' }, 'it has not heard of it')
  t.match(await late.sync(counter('b', '*', second), { need: 1n }), { verdict: 'pending' })
  t.match(await late.sync(counter('b', '*', first), { need: usd('1.00') }), { verdict: 'granted', spent: '0' })
  t.match(await late.sync(counter('b'), { need: usd('0.05') }), { verdict: 'exhausted' }, 'the former one is over')
  await spend(holder, 'total', '0.30')
  t.equal(await settledOf(orgId, 'total'), String(usd('0.70')))
  t.equal(await settledOf(orgId, first), '0')
})

t.test(
  'an edit carries the spend of the day over, a reset after it does not, and the next period begins at nothing',
  async (t) => {
    const orgId = await organisationWith(db.database, [published('b', '1.00', 'total')])
    const holder = await newHolder(orgId)
    await holder.sync(counter('b'), { need: usd('0.60') })
    await spend(holder, 'total', '0.60')
    const rule = periodRule('daily', { timeZone: 'Europe/Berlin' })
    const today = periodAt(rule, Date.now())
    await publish(orgId, rule.spec)
    t.match(await holder.sync(counter('b', '*', today.id), { need: usd('0.41') }), {
      verdict: 'exhausted',
      available: String(usd('0.40')),
    })
    await publish(orgId, rule.spec, 1)
    const anew = periodAt({ ...rule, resets: 1 }, Date.now())
    t.match(await holder.sync(counter('b', '*', anew.id), { need: usd('1.00') }), { verdict: 'granted' })
    // As if it had been edited in the period before.
    const other = await organisationWith(db.database, [published('b', '1.00', 'total')])
    const another = await newHolder(other)
    await another.sync(counter('b'), { need: usd('0.60') })
    await spend(another, 'total', '0.60')
    await publish(other, rule.spec)
    await db.owner`
    UPDATE acc.budgets SET period_since = to_timestamp(${today.startsAtMs - 1}::float8 / 1000) WHERE org_id = ${other}`
    t.match(await another.sync(counter('b', '*', today.id), { need: usd('1.00') }), { verdict: 'granted' })
  },
)

t.test('a budget that becomes rolling opens with the days of its window, which leave it a window later', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00', 'daily')])
  const holder = await newHolder(orgId)
  const today = periodAt(periodRule('daily'), Date.now()).id
  await holder.sync(counter('b', '*', today), { need: usd('0.70') })
  await spend(holder, today, '0.50')
  await publish(orgId, 'rolling-7d')
  const rolling = counter('b', '*', 'rolling-7d')
  t.match(await holder.sync(rolling, { need: usd('0.31') }), { verdict: 'exhausted', available: String(usd('0.30')) })
  await db.owner`UPDATE acc.counter_buckets SET ends_at = ends_at - interval '7 days 3 hours' WHERE org_id = ${orgId}`
  t.match(await holder.sync(rolling, { need: usd('1.00') }), { verdict: 'granted' })
})

t.test(
  'spent is what was settled, what its holder charged since, and what nobody will tell of; never escrow',
  async (t) => {
    const orgId = await organisationWith(db.database, [published('b', '10.00')])
    const [one, gone] = [await newHolder(orgId), await newHolder(orgId)]
    await gone.sync(counter('b'), { need: usd('2.00') })
    await one.sync(counter('b'), { need: usd('3.00') })
    await spend(one, 'total', '0.50')
    one.lease(counter('b')).charged += usd('0.25')
    t.match(await one.sync(counter('b')), { spent: String(usd('0.75')) })
    await db.owner`UPDATE acc.leases SET expires_at = now() - interval '1 second' WHERE instance_id = ${gone.caller.instanceId}`
    t.match(await one.sync(counter('b')), { spent: String(usd('2.75')) })
  },
)
