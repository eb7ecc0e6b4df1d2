/** A ledger that went back to a copy of its files: nothing but the word of its holders tells it. */
import { counterKey, parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { holdLedgerClock } from '../../test/support/ledger-clock.ts'
import { createLedgerOperator } from '../ledger/operator.ts'
import { ledgerRepository } from '../ledger/repository.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { attempt, batchOf, charge, usageEvent } from './support/events.ts'
import { counter, ledgerOn, organisationWith, published, TestHolder } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
const ledger = ledgerOn(db.database)
const operator = createLedgerOperator({ database: db.database })
const ingest = createIngestService({
  database: db.database,
  record: recordOn(db.database),
  book: ledger.book,
  onBatch: () => {},
})
const usd = (text: string): bigint => parseUsd(text)
const STALE = { code: 'acc_api_stale_holder' }
const FIRST_NOON_MS = Date.UTC(2026, 9, 12, 12)
const DAY_MS = 86_400_000
const clock = await holdLedgerClock(db.owner, FIRST_NOON_MS)

/** Goes on to noon of a day, and tells the counter of that day. */
async function noonOf(days: number) {
  const atMs = FIRST_NOON_MS + days * DAY_MS
  await clock.set(atMs)
  return counter('b', '*', new Date(atMs).toISOString().slice(0, 10))
}

const organisation = (): Promise<string> => organisationWith(db.database, [published('b', '1.00', 'daily')])

async function newHolder(orgId: string): Promise<TestHolder> {
  const holder = new TestHolder(ledger, orgId)
  await holder.hello()
  return holder
}

/** Copies an organisation's ledger as it is now. @returns what puts the copy back */
async function copyOf(orgId: string): Promise<() => Promise<void>> {
  const tables = ['ledgers', 'holders', 'budget_periods', 'counters', 'leases']
  const copied = await Promise.all(
    tables.map(async (table) => {
      const [row] = await db.owner<{ rows: string }[]>`
        SELECT coalesce(json_agg(r), '[]')::text AS rows FROM ${db.owner(`acc.${table}`)} AS r WHERE org_id = ${orgId}`
      return { table: db.owner(`acc.${table}`), rows: row?.rows ?? '[]' }
    }),
  )
  return () =>
    db.owner.begin(async (tx) => {
      for (const { table } of copied.toReversed()) await tx`DELETE FROM ${table} WHERE org_id = ${orgId}`
      for (const { table, rows } of copied)
        await tx`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, ${rows}::text::json)`
    })
}

const stateOf = async (orgId: string) => {
  const { epoch, recovering, begunBy } = await operator.overview({ kind: 'admin', orgId, keyId: '' })
  return { epoch, recovering, begunBy }
}

t.test(
  'a lease that was lost of a period that has ended is taken over, charged and closed, in one epoch',
  async (t) => {
    const orgId = await organisation()
    const holder = await newHolder(orgId)
    const yesterday = await noonOf(0)
    const putBack = await copyOf(orgId)
    await holder.sync(yesterday, { need: usd('0.40') })
    const today = await noonOf(1)
    await putBack()
    Object.assign(holder.lease(yesterday), { charged: usd('0.10'), returned: usd('0.30') })
    await t.rejects(holder.sync(yesterday, { close: true }), STALE)
    t.match(await holder.hello(), {
      continuity: 'same',
      ledgerEpoch: 2,
      leases: [{ counter: yesterday, granted: String(usd('0.40')), returned: String(usd('0.30')) }],
    })
    await holder.sync(yesterday, { close: true })
    const nanoUsd = String(usd('0.10'))
    const event = usageEvent({
      instanceId: holder.caller.instanceId,
      attempts: [attempt({ costNanoUsd: nanoUsd, chargedNanoUsd: nanoUsd })],
      charges: [charge({ ...yesterday, generation: holder.generation, nanoUsd })],
    })
    t.match(await ingest.ingest(holder.caller, batchOf([event]).events), { stored: 1 })
    holder.held.delete(counterKey(yesterday))
    t.match(await holder.hello(), { continuity: 'same', ledgerEpoch: 2 })
    t.match(await holder.sync(today, { need: usd('0.40') }), { verdict: 'pending' }, 'others may hold all of it')
    t.match(await stateOf(orgId), { epoch: 2, begunBy: holder.caller.instanceId })
    const counters = await operator.counters({ kind: 'admin', orgId, keyId: '' }, null, 10)
    t.match(
      counters.find(({ periodId }) => periodId === yesterday.periodId),
      { settledNanoUsd: nanoUsd, escrowNanoUsd: '0', overrunNanoUsd: '0', leases: 0 },
      'nothing is stuck, and nothing was above a lease',
    )
    t.match(await verify(db.database, orgId), { ledger: { wrong: 0 } })
  },
)

t.test('of a holder that has left but a lease of a period that has ended a hello tells as much', async (t) => {
  const orgId = await organisation()
  const [holder, away] = [await newHolder(orgId), await newHolder(orgId)]
  const yesterday = await noonOf(0)
  const putBack = await copyOf(orgId)
  await holder.sync(yesterday, { need: usd('0.40') })
  const today = await noonOf(1)
  await away.sync(today, { need: usd('0.90') })
  await putBack()
  t.match(await holder.hello(), { continuity: 'same', ledgerEpoch: 2 })
  t.match(await holder.sync(today, { need: usd('0.40') }), { verdict: 'pending' }, 'who is away holds most of it')
})

t.test(
  'while the ledger recovers nobody’s word begins an epoch, and what it grants again it goes on to grant',
  async (t) => {
    const orgId = await organisation()
    const [one, other] = [await newHolder(orgId), await newHolder(orgId)]
    const first = await noonOf(0)
    one.lease(first).granted = 1n
    await t.rejects(one.sync(first), STALE)
    const begun = { epoch: 2, recovering: true, begunBy: one.caller.instanceId }
    t.match(await stateOf(orgId), begun)
    const second = await noonOf(1)
    await other.hello()
    t.match(
      await other.sync(second, { need: usd('0.10') }),
      { verdict: 'granted' },
      'a period that nobody was granted from',
    )
    // As many as enrol: each says by another message that it holds what it was never granted.
    for (let times = 0; times < 3; times++) {
      const asking = await newHolder(orgId)
      asking.lease(second).granted = 1n
      await t.rejects(asking.sync(second, { need: 1n }), STALE)
      const greeting = await newHolder(orgId)
      greeting.lease(second).granted = 1n
      t.match(await greeting.hello(), { ledgerEpoch: 2 })
      const ahead = new TestHolder(ledger, orgId)
      t.match(await Object.assign(ahead, { generation: 1, ledgerEpoch: 900 }).hello(), { ledgerEpoch: 2 })
      t.match(await (await newHolder(orgId)).hello(), { ledgerEpoch: 2 })
      t.match(await stateOf(orgId), begun)
    }
    t.match(await other.sync(second, { need: usd('0.10') }), { verdict: 'granted' })
    await operator.endRecovery({ kind: 'admin', orgId, keyId: '' }, [])
    other.lease(first).granted = 1n
    await t.rejects(other.sync(first), STALE)
    t.match(
      await stateOf(orgId),
      { epoch: 3, recovering: true, begunBy: other.caller.instanceId },
      'then another is heard',
    )
  },
)

t.test('of many who say at the same moment that the ledger went back, one is heard', async (t) => {
  const orgId = await organisation()
  const epochs: number[] = []
  const told = ledgerOn(db.database, (epoch) => epochs.push(epoch))
  const holders = Array.from({ length: 6 }, () => new TestHolder(told, orgId))
  await Promise.all(
    holders.map((each, at) => Object.assign(each, { generation: 1, ledgerEpoch: (at + 1) * 100 }).hello()),
  )
  t.equal(epochs.length, 1)
  t.match(await stateOf(orgId), { epoch: epochs[0], recovering: true })
})

t.test('a copy that is restored twice begins an epoch that nobody has heard of each time', async (t) => {
  const orgId = await organisation()
  const holder = await newHolder(orgId)
  const putBack = await copyOf(orgId)
  const epochs = new Set<number>()
  for (let times = 0; times < 3; times++) {
    await putBack()
    await db.database.inOrg(orgId, (tx) => ledgerRepository.raiseEpoch(tx, null, 0))
    await t.rejects(holder.sync(await noonOf(0)), STALE, 'what it knows is another one')
    const { ledgerEpoch } = await holder.hello()
    t.match(await stateOf(orgId), { epoch: ledgerEpoch, recovering: true, begunBy: null })
    epochs.add(ledgerEpoch)
  }
  t.equal(epochs.size, 3)
})

t.test('a ledger that went back by many millions of epochs takes over what its holders know', async (t) => {
  const LOST = 2 ** 24
  for (const isMoved of [false, true])
    for (const epochs of [LOST, LOST + 1, LOST + 2, 2 * LOST, 2 * LOST + 1, 2 * LOST + 2, 2 ** 40]) {
      const name = `${epochs} epochs${isMoved ? ', on another server' : ''}`
      const orgId = await organisation()
      const [holder, other] = [await newHolder(orgId), await newHolder(orgId)]
      const today = await noonOf(0)
      const putBack = await copyOf(orgId)
      await db.owner`UPDATE acc.ledgers SET epoch = epoch + ${epochs} WHERE org_id = ${orgId}`
      for (const each of [holder, other]) t.match(await each.hello(), { ledgerEpoch: 1 + epochs }, name)
      await holder.sync(today, { need: usd('0.40') })
      await putBack()
      if (isMoved) await db.owner`UPDATE acc.ledgers SET timeline = timeline - 1 WHERE org_id = ${orgId}`
      const granted = String(usd('0.40'))
      const { ledgerEpoch, ...welcome } = await holder.hello()
      t.match(welcome, { generation: 1, continuity: 'same', leases: [{ counter: today, granted }] }, name)
      t.not(ledgerEpoch, 1 + epochs, `${name}: it hears of another one, and brings its events up again`)
      const begun = { epoch: ledgerEpoch, recovering: true, begunBy: isMoved ? null : holder.caller.instanceId }
      t.match(await stateOf(orgId), begun, name)
      t.match(await other.hello(), { continuity: 'same', ledgerEpoch }, name)
      await operator.endRecovery({ kind: 'admin', orgId, keyId: '' }, [])
      t.match(await other.sync(today, { need: usd('0.61') }), { verdict: 'pending' }, name)
      t.match(await other.sync(today, { need: usd('0.60') }), { verdict: 'granted' }, name)
      t.match(await verify(db.database, orgId), { ledger: { wrong: 0 } }, name)
    }
})
