import { join } from 'node:path'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { projectedBreachMs } from '../budgets/forecast.ts'
import { budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { counter, TestHolder } from './support/ledger.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const one = await budgetReplicaFor(t, db, { keyFile: join(folderFor(t), 'key.pem') })

const CENT = 10_000_000n
const day = (back: number): string => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10)

/** An organisation with a budget of one dollar. */
async function house(spec: Readonly<Record<string, unknown>> = {}) {
  const tenant = await tenantOf(db)
  await one.ask(tenant.key, 'POST', '/budgets', budgetBody('house', '1.00', spec))
  const get = async (path: string) => (await one.ask(tenant.key, 'GET', path)).body
  return { ...tenant, get }
}

t.test('a budget that nobody spent from has no subjects, and its period is told', async (t) => {
  const { get } = await house({ period: 'daily' })
  t.match(await get('/budgets/house/status'), {
    id: 'house',
    limitNanoUsd: '1000000000',
    period: { id: day(0), startsAt: `${day(0)}T00:00:00.000Z`, endsAt: `${day(-1)}T00:00:00.000Z` },
    hard: true,
    softBecause: [],
    subjects: [],
    nextCursor: null,
  })
  t.match((await get('/budgets/status/summary')).budgets, [{ id: 'house', state: 'ok', subjects: 0, top: null }])
})

t.test('settled, set aside, unreported and left add up to the limit, with who holds what', async (t) => {
  const { orgId, get } = await house()
  const [a, b] = [new TestHolder(one.ledger, orgId), new TestHolder(one.ledger, orgId)]
  for (const [holder, cents] of [
    [a, 20n],
    [b, 10n],
  ] as const) {
    await holder.hello()
    await holder.sync(counter('house'), { need: cents * CENT })
  }
  await one.spend(orgId, [counter('house')], 30n * CENT)
  await b.hello('broken')
  const { subjects } = await get('/budgets/house/status')
  t.match(subjects, [
    {
      subject: '*',
      limitNanoUsd: '1000000000',
      settledNanoUsd: '300000000',
      escrowNanoUsd: '300000000',
      unreportedNanoUsd: '100000000',
      availableNanoUsd: '400000000',
      excess: { overrunNanoUsd: '300000000', aboveLimitNanoUsd: '0' },
      worstCaseOverspendNanoUsd: '0',
      holders: 2,
      leases: [
        { instanceId: a.caller.instanceId, state: 'active', expired: false, openNanoUsd: '200000000' },
        { instanceId: b.caller.instanceId, state: 'fenced', openNanoUsd: '100000000' },
      ],
    },
  ])
  t.match((await get('/budgets/status/summary')).budgets, [
    {
      settledNanoUsd: '300000000',
      escrowNanoUsd: '300000000',
      unreportedNanoUsd: '100000000',
      top: { subject: '*', spentNanoUsd: '400000000', sharePercent: 40 },
    },
  ])
})

t.test('a lowered limit is shown as what is committed above it, and a soft budget has no worst case', async (t) => {
  const { orgId, key, get } = await house()
  await one.spend(orgId, [counter('house')], 90n * CENT)
  await one.ask(key, 'PUT', '/budgets/house', budgetBody('house', '0.50'), '*')
  const [lowered] = (await get('/budgets/house/status')).subjects
  // What was charged without a lease is overrun already.
  t.match(lowered, {
    availableNanoUsd: '-400000000',
    worstCaseOverspendNanoUsd: '400000000',
    excess: { overrunNanoUsd: '900000000', aboveLimitNanoUsd: '0' },
  })
  await one.ask(key, 'PUT', '/budgets/house', budgetBody('house', '0.50', { mode: 'audit' }), '*')
  const soft = await get('/budgets/house/status')
  t.match(soft, { hard: false, softBecause: ['mode'], subjects: [{ worstCaseOverspendNanoUsd: null }] })
  for (const [spec, softBecause] of [
    [{ action: 'alert_only' }, ['action']],
    [{ onDisconnect: 'allow' }, ['onDisconnect']],
    [{ action: 'downgrade_model', downgrade: ['gpt-4.1-nano'] }, []],
  ] as const) {
    await one.ask(key, 'PUT', '/budgets/house', budgetBody('house', '0.50', spec), '*')
    t.match(await get('/budgets/house/status'), { hard: softBecause.length === 0, softBecause })
  }
})

t.test('thresholds tell when they were crossed, and the summary how it stands', async (t) => {
  const { orgId, get } = await house()
  await one.spend(orgId, [counter('house')], 82n * CENT)
  const [{ thresholds }] = (await get('/budgets/house/status')).subjects
  t.match(thresholds, [
    { threshold: 50, kind: 'threshold', crossedAt: String },
    { threshold: 75, kind: 'threshold', crossedAt: String },
    { threshold: 80, kind: 'warning', crossedAt: String },
    { threshold: 90, kind: 'threshold', crossedAt: null },
    { threshold: 100, kind: 'critical', crossedAt: null },
  ])
  const state = async () => (await get('/budgets/status/summary')).budgets[0].state
  t.equal(await state(), 'warning')
  await one.spend(orgId, [counter('house')], 18n * CENT)
  t.equal(await state(), 'critical')
  const { alerts } = await get('/budgets/status/summary?alerts=2')
  t.same(
    alerts.map(({ threshold, kind }: Readonly<Record<string, unknown>>) => `${threshold} ${kind}`),
    ['100 critical', '90 threshold'],
  )
})

t.test('subjects come in pages, each once', async (t) => {
  const { orgId, get } = await house({ scope: 'per_agent', selector: { agent: '*' } })
  const names = ['(none)', 'a', 'b', 'c', 'd']
  await one.spend(
    orgId,
    names.map((name) => counter('house', name)),
    CENT,
  )
  const first = await get('/budgets/house/status?limit=3')
  const second = await get(`/budgets/house/status?limit=3&cursor=${encodeURIComponent(first.nextCursor)}`)
  const seen = [...first.subjects, ...second.subjects].map(({ subject }: { subject: string }) => subject)
  t.same(seen.toSorted(), names)
  t.equal(second.nextCursor, null)
})

t.test('how fast it goes and when it ends is told from the last hour', async (t) => {
  const { orgId, get } = await house({ scope: 'per_agent', selector: { agent: '*' } })
  // Of the agent of these events: it is charged 25 nano-dollars of each, as its attempts say.
  await one.spend(orgId, [counter('house', 'researcher')], 50n * CENT)
  const [subject] = (await get('/budgets/house/status')).subjects
  t.match(subject.burnRate, { nanoUsdPerHour: '24975', overHours: 1 })
  const hours = 500_000_000 / 24_975
  t.ok(Math.abs(Date.parse(subject.projectedBreachAt) - Date.now() - hours * 3_600_000) < 60_000)
})

t.test('a forecast beyond the period, or of nothing, is none', (t) => {
  const nowMs = Date.UTC(2026, 10, 29, 12)
  const period = { endsAtMs: nowMs + 2 * 3_600_000, windowMs: null }
  const rolling = { endsAtMs: Number.POSITIVE_INFINITY, windowMs: 24 * 3_600_000 }
  const burn = (nanoPerHour: bigint) => ({ nanoPerHour, overHours: 1 })
  t.equal(projectedBreachMs({ nowMs, limit: 100n, spent: 0n, burn: burn(100n), period }), nowMs + 3_600_000)
  t.equal(projectedBreachMs({ nowMs, limit: 200n, spent: 0n, burn: burn(100n), period }), null)
  t.equal(projectedBreachMs({ nowMs, limit: 100n, spent: 0n, burn: burn(0n), period }), null)
  t.equal(projectedBreachMs({ nowMs, limit: 100n, spent: 0n, burn: null, period }), null)
  t.equal(projectedBreachMs({ nowMs, limit: 0n, spent: 0n, burn: null, period }), nowMs)
  t.equal(
    projectedBreachMs({ nowMs, limit: 10n ** 18n, spent: 0n, burn: burn(1n), period: { ...rolling, windowMs: null } }),
    null,
  )
  t.equal(projectedBreachMs({ nowMs, limit: 2_400n, spent: 2_300n, burn: burn(100n), period: rolling }), null)
  t.equal(
    projectedBreachMs({ nowMs, limit: 2_300n, spent: 2_200n, burn: burn(100n), period: rolling }),
    nowMs + 3_600_000,
  )
  t.end()
})

t.test('history has a row for each day, of one subject or of all, and stays when the budget goes', async (t) => {
  const { orgId, key, get } = await house({ scope: 'per_agent', selector: { agent: '*' } })
  await one.spend(orgId, [counter('house', 'a'), counter('house', 'b')], CENT)
  await db.owner`
    INSERT INTO budget_days (org_id, budget_uid, subject, day, charged_nano)
    VALUES (${orgId}, 'Budget/house', 'a', ${day(2)}, 7), (${orgId}, 'Budget/house', 'a', ${day(364)}, 9)`
  t.same((await get('/budgets/house/history?days=3')).days, [
    { day: day(2), chargedNanoUsd: '7' },
    { day: day(1), chargedNanoUsd: '0' },
    { day: day(0), chargedNanoUsd: '20000000' },
  ])
  t.same((await get('/budgets/house/history?days=1&subject=b')).days, [{ day: day(0), chargedNanoUsd: '10000000' }])
  const year = (await get('/budgets/house/history?days=365')).days
  t.match([year.length, year[0]], [365, { day: day(364), chargedNanoUsd: '9' }])
  t.equal((await get('/budgets/house/history')).days.length, 30)
  await one.ask(key, 'DELETE', '/budgets/house', undefined, '*')
  t.equal((await get('/budgets/house/history?days=1')).days[0].chargedNanoUsd, '20000000')
  t.match(await one.ask(key, 'GET', '/budgets/house/status'), { status: 404 })
  t.match(await one.ask(key, 'GET', '/budgets/nothing/history'), { status: 404 })
})

t.test('what left a rolling window counts no more, also before anybody took it out of the ledger', async (t) => {
  const { orgId, get } = await house({ period: 'rolling', window: '24h' })
  const of = counter('house', '*', 'rolling-24h')
  await one.spend(orgId, [of], 40n * CENT)
  await db.owner`UPDATE counter_buckets SET ends_at = now() - interval '25 hours' WHERE org_id = ${orgId}`
  await one.spend(orgId, [of], 30n * CENT)
  const shown = async () => {
    const [{ settledNanoUsd, availableNanoUsd, thresholds }] = (await get('/budgets/house/status')).subjects
    const [{ top }] = (await get('/budgets/status/summary')).budgets
    const crossed = thresholds.filter(({ crossedAt }: Readonly<Record<string, unknown>>) => crossedAt !== null)
    return [settledNanoUsd, availableNanoUsd, top.sharePercent, crossed.length]
  }
  t.same(await shown(), ['300000000', '700000000', 30, 0])
  const holder = new TestHolder(one.ledger, orgId)
  await holder.hello()
  await holder.sync(of, { need: 1n })
  t.same((await shown())[0], '300000000', 'nor after it was')
  await one.spend(orgId, [of], 20n * CENT)
  t.same((await shown()).slice(2), [50, 1])
})
