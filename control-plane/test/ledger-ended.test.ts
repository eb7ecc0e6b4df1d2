/** What is left of periods that ended long ago, on a real PostgreSQL. */
import { type Counter, parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { alertRepository } from '../budgets/alert-repository.ts'
import { budgetRepository } from '../budgets/repository.ts'
import { createEndedPeriods } from '../ledger/ended.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { attempt, batchOf, charge, usageEvent } from './support/events.ts'
import { counter, ledgerOn, organisationWith, published, TestHolder } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
const ledger = ledgerOn(db.database)
const ingest = createIngestService({
  database: db.database,
  record: recordOn(db.database),
  book: ledger.book,
  onBatch: () => {},
})
const usd = (text: string): bigint => parseUsd(text)
const DAY_MS = 86_400_000
const dayBefore = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10)
const TODAY = dayBefore(0)
const OLD = dayBefore(40)

const organisation = (): Promise<string> => organisationWith(db.database, [published('b', '1.00', 'daily')])

async function newHolder(orgId: string): Promise<TestHolder> {
  const holder = new TestHolder(ledger, orgId)
  await holder.hello()
  return holder
}

/** Stores the event of what a holder's request was charged to a counter. */
async function book(holder: TestHolder, of: Counter, amount: string): Promise<void> {
  const nano = String(usd(amount))
  const event = usageEvent({
    instanceId: holder.caller.instanceId,
    attempts: [attempt({ costNanoUsd: nano, chargedNanoUsd: nano })],
    charges: [charge({ ...of, generation: holder.generation, nanoUsd: nano })],
  })
  const { stored } = await ingest.ingest(holder.caller, batchOf([event]).events)
  if (stored !== 1) throw new Error('the event was not stored')
}

/** A lease of today as if it had been granted so many days ago, and its holder not heard of since. */
async function age(orgId: string, days: number, subject: string): Promise<void> {
  const periodId = dayBefore(days)
  await db.owner`
    UPDATE acc.counters SET period_id = ${periodId} WHERE org_id = ${orgId} AND period_id = ${TODAY} AND subject = ${subject}`
  await db.owner`
    UPDATE acc.leases SET period_id = ${periodId} WHERE org_id = ${orgId} AND period_id = ${TODAY} AND subject = ${subject}`
}

/** Nobody has used any lease for so many days. */
const restFor = (orgId: string, days: number) =>
  db.owner`UPDATE acc.leases SET expires_at = now() - ${days} * interval '1 day' WHERE org_id = ${orgId}`

const left = async (orgId: string): Promise<readonly string[]> => {
  const rows = await db.owner<{ subject: string }[]>`
    SELECT DISTINCT subject FROM (SELECT subject, org_id FROM acc.counters UNION ALL SELECT subject, org_id FROM acc.leases)
    WHERE org_id = ${orgId} ORDER BY 1`
  return rows.map(({ subject }) => subject)
}

const wrongOf = async (orgId: string): Promise<number> => (await verify(db.database, orgId)).ledger.wrong

/** A holder that held a lease of an old day, spent some of it, and told all of that but that it closes it. */
async function held(orgId: string, subject: string, days: number): Promise<TestHolder> {
  const holder = await newHolder(orgId)
  const of = counter('b', subject, TODAY)
  await holder.sync(of, { need: usd('0.40') })
  await age(orgId, days, subject)
  const old = counter('b', subject, dayBefore(days))
  holder.held.clear()
  Object.assign(holder.lease(old), { granted: usd('0.40'), returned: usd('0.30'), charged: usd('0.10') })
  await holder.sync(old)
  await book(holder, old, '0.10')
  return holder
}

t.test('counters of a period that ended long ago go with their leases, and their days and alerts stay', async (t) => {
  const orgId = await organisation()
  await held(orgId, 'old', 40)
  const of = counter('b', 'old', OLD)
  await db.database.inOrg(orgId, async (tx) => {
    await alertRepository.saveMarks(tx, [{ uid: 'Budget/b', marks: [5], warning: 80, critical: 100, windowMs: null }])
    await alertRepository.cross(tx, [of], 0)
  })
  await restFor(orgId, 36)
  const kept = () =>
    db.database.inOrg(orgId, async (tx) => ({
      alerts: (await alertRepository.newest(tx, 10)).map(({ threshold, subject }) => [threshold, subject]),
      days: (await budgetRepository.history(tx, 'Budget/b', 'old', 1)).map(({ chargedNanoUsd }) => chargedNanoUsd),
    }))
  const before = await kept()
  t.same(before, { alerts: [[5, 'old']], days: [String(usd('0.10'))] })
  t.equal(await createEndedPeriods({ database: db.database }).sweep(orgId), 1)
  t.same(await left(orgId), [])
  t.same(await kept(), before)
  t.match(await verify(db.database, orgId), {
    ok: true,
    ledger: { wrong: 0, chargedByEventsNanoUsd: String(usd('0.10')), settledByLeasesNanoUsd: String(usd('0.10')) },
  })
})

t.test('what holds money, was used lately, or has not ended for so long, stays', async (t) => {
  const orgId = await organisation()
  await held(orgId, 'gone', 40)
  await held(orgId, 'young', 34)
  const open = await newHolder(orgId)
  await open.sync(counter('b', 'open', TODAY), { need: usd('0.40') })
  await age(orgId, 40, 'open')
  await restFor(orgId, 36)
  await held(orgId, 'used', 40)
  await db.owner`
    UPDATE acc.leases SET expires_at = now() - interval '34 days' WHERE org_id = ${orgId} AND subject = 'used'`
  await (await newHolder(orgId)).sync(counter('b', 'today', TODAY), { need: usd('0.10') })
  const ended = createEndedPeriods({ database: db.database, pageMax: 2 })
  t.equal(await ended.sweep(orgId), 1)
  t.same(await left(orgId), ['open', 'today', 'used', 'young'])
  t.equal(await ended.sweep(orgId), 0)
  t.equal(await wrongOf(orgId), 0)
})

t.test('what is charged to a removed counter after all is booked, and held against the events', async (t) => {
  const orgId = await organisation()
  const holder = await held(orgId, 'old', 40)
  const ended = createEndedPeriods({ database: db.database })
  await restFor(orgId, 36)
  for (let times = 0; times < 2; times++) {
    t.equal(await ended.sweep(orgId), 1)
    await book(holder, counter('b', 'old', OLD), '0.05')
    t.equal(await wrongOf(orgId), 0)
    await restFor(orgId, 36)
  }
  t.equal(await ended.sweep(orgId), 1)
  t.match(await verify(db.database, orgId), { ok: true, ledger: { settledByLeasesNanoUsd: String(usd('0.20')) } })
  await db.owner`UPDATE acc.ended_periods SET settled_nano = settled_nano - 1 WHERE org_id = ${orgId}`
  t.equal(await wrongOf(orgId), 1, 'one that was lost would be found')
})

t.test('a holder that comes back after all closes what was removed, and is no sign of a lost ledger', async (t) => {
  const orgId = await organisation()
  const holder = await held(orgId, 'old', 40)
  await restFor(orgId, 36)
  await createEndedPeriods({ database: db.database }).sweep(orgId)
  t.match(await holder.hello(), { generation: holder.generation, continuity: 'same', ledgerEpoch: 1 })
  const old = counter('b', 'old', OLD)
  holder.lease(old).granted = usd('0.40')
  t.match(await holder.sync(old, { need: 1n }), { verdict: 'exhausted' }, 'and it is granted nothing')
  await holder.sync(old, { close: true })
  t.match(await holder.hello(), { ledgerEpoch: 1 })
  const lost = counter('b', 'lost', dayBefore(41))
  holder.lease(lost).granted = 1n
  await t.rejects(holder.sync(lost, { close: true }), { code: 'acc_api_stale_holder' }, 'of another period it is')
})

t.test('what a reset left behind goes like what time did', async (t) => {
  const orgId = await organisationWith(db.database, [published('r', '1.00', 'rolling-24h')])
  const holder = await newHolder(orgId)
  const of = counter('r', '*', 'rolling-24h')
  await holder.sync(of, { need: usd('0.40') })
  await book(holder, of, '0.40')
  await restFor(orgId, 36)
  const ended = createEndedPeriods({ database: db.database })
  t.equal(await ended.sweep(orgId), 0, 'it is in force')
  await db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('r', '1.00', 'rolling-24h', 1)]))
  t.equal(await ended.sweep(orgId), 0, 'it was begun anew just now')
  await db.owner`UPDATE acc.budgets SET reset_at = now() - interval '36 days' WHERE org_id = ${orgId}`
  t.equal(await ended.sweep(orgId), 1)
  const [buckets] = await db.owner`SELECT count(*)::int AS left FROM acc.counter_buckets WHERE org_id = ${orgId}`
  t.equal(buckets?.left, 0)
  t.equal(await wrongOf(orgId), 0)
  holder.lease(of).granted = usd('0.40')
  t.match(await holder.hello(), { ledgerEpoch: 1 }, 'and who held it is no sign of a lost ledger')
})

t.test('a sweep looks at so many and the next one goes on; two replicas remove each counter once', async (t) => {
  const orgId = await organisation()
  for (const subject of ['a', 'b', 'c', 'd', 'e']) await held(orgId, subject, 40)
  await restFor(orgId, 36)
  const bounded = createEndedPeriods({ database: db.database, pageMax: 1, pagesMax: 2 })
  t.same([await bounded.sweep(orgId), await bounded.sweep(orgId)], [2, 2])
  const replicas = [bounded, createEndedPeriods({ database: db.database })]
  const gone = await Promise.all(replicas.map((replica) => replica.sweep(orgId)))
  t.equal(
    gone.reduce((sum, each) => sum + each, 0),
    1,
  )
  t.equal(await wrongOf(orgId), 0)
})
