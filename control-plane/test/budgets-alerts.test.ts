import { join } from 'node:path'
import type { BudgetAlert, Counter } from '@agentcostcontrol/contract'
import { compilePolicy } from '@agentcostcontrol/policy'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { budgetYaml } from '../../test/support/sidecar.ts'
import { until } from '../../test/support/until.ts'
import { startBudgetJobs } from '../budgets/jobs.ts'
import { type BudgetReplicaOptions, budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clusterFor, databaseFor, QUIET } from './support/database.ts'
import { counter, TestHolder } from './support/ledger.ts'

const newDatabase = await clusterFor(t)
const url = await newDatabase()
const db = await databaseFor(t, url)
const keyFile = join(folderFor(t), 'key.pem')
const replica = async (options: BudgetReplicaOptions = {}) =>
  budgetReplicaFor(t, await databaseFor(t, url), { keyFile, ...options })
const [one, two] = [await replica(), await replica()]

/** As a line each. */
const lines = (alerts: readonly BudgetAlert[]): readonly string[] =>
  alerts.map(({ subject, periodId, threshold, kind }) => `${subject} ${periodId} ${threshold} ${kind}`)
/** Of this organisation's, what both replicas told. */
const told = (name: string): readonly BudgetAlert[] => [...one.told, ...two.told].filter((alert) => alert.name === name)
const CENT = 10_000_000n

let names = 0
/** An organisation with a budget of one dollar of a name of its own. */
async function house(spec: Readonly<Record<string, unknown>> = {}) {
  const name = `house-${names++}`
  const tenant = await tenantOf(db)
  const made = await one.ask(tenant.key, 'POST', '/budgets', budgetBody(name, '1.00', spec))
  t.equal(made.status, 201, JSON.stringify(made.body))
  const shown = async () => (await two.ask(tenant.key, 'GET', '/budgets/status/summary')).body
  return { ...tenant, name, counter: counter(name), shown }
}

t.test('each mark is told once: those of the budget, its warning and its critical one', async (t) => {
  const { orgId, name, counter: of, shown } = await house()
  const steps: readonly (readonly [bigint, readonly string[]])[] = [
    [49n, []],
    [1n, ['* total 50 threshold']],
    [10n, []],
    [15n, ['* total 75 threshold']],
    [4n, []],
    [12n, ['* total 80 warning', '* total 90 threshold']],
    [20n, ['* total 100 critical']],
    [900n, []],
  ]
  const expected: string[] = []
  let at = 0
  for (const [cents, passed] of steps) {
    await (at++ % 2 ? one : two).spend(orgId, [of], cents * CENT)
    expected.push(...passed)
    t.same(lines(told(name)).toSorted(), expected.toSorted(), `after ${cents} more`)
  }
  const { alerts } = await shown()
  t.same(new Set(alerts.map(({ threshold }: BudgetAlert) => threshold)), new Set([50, 75, 80, 90, 100]))
  t.match(alerts.at(-1), {
    budgetUid: `Budget/${name}`,
    name,
    subject: '*',
    periodId: 'total',
    threshold: 50,
    kind: 'threshold',
    spentNanoUsd: '500000000',
    limitNanoUsd: '1000000000',
    crossedAt: /^\d{4}-\d\d-\d\dT/,
  })
})

t.test('several marks passed at once are all told, and each subject and period has its own', async (t) => {
  const { orgId, name } = await house({ scope: 'per_agent', selector: { agent: '*' }, period: 'daily' })
  const of = (subject: string, day: string): Counter => counter(name, subject, day)
  await one.spend(orgId, [of('a', '2026-11-23'), of('b', '2026-11-23')], 80n * CENT)
  await two.spend(orgId, [of('a', '2026-11-23'), of('a', '2026-11-24')], 10n * CENT)
  await two.spend(orgId, [of('a', '2026-11-24')], 40n * CENT)
  t.same(lines(told(name)).toSorted(), [
    'a 2026-11-23 50 threshold',
    'a 2026-11-23 75 threshold',
    'a 2026-11-23 80 warning',
    'a 2026-11-23 90 threshold',
    'a 2026-11-24 50 threshold',
    'b 2026-11-23 50 threshold',
    'b 2026-11-23 75 threshold',
    'b 2026-11-23 80 warning',
  ])
})

t.test('two replicas that book at the same moment find each crossing once', async (t) => {
  for (let round = 0; round < 5; round++) {
    const { orgId, name, counter: of, shown } = await house()
    await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? one : two).spend(orgId, [of], 5n * CENT)))
    t.same(
      told(name)
        .map(({ threshold }) => threshold)
        .toSorted((a, b) => a - b),
      [50, 75, 80, 90, 100],
    )
    t.equal((await shown()).alerts.length, 5)
  }
})

t.test(
  'money that is set aside crosses nothing; what an ended lease holds does, and is found without a booking',
  async (t) => {
    const { orgId, name, counter: of } = await house()
    const holder = new TestHolder(one.ledger, orgId)
    await holder.hello()
    t.match(await holder.sync(of, { need: 90n * CENT }), { verdict: 'granted' })
    await one.spend(orgId, [of], CENT)
    await one.alerts.sweep(orgId)
    t.same(told(name), [])
    await db.owner`UPDATE leases SET expires_at = now() WHERE org_id = ${orgId}`
    await Promise.all([one.alerts.sweep(orgId), two.alerts.sweep(orgId)])
    await Promise.all([one.alerts.idle(), two.alerts.idle()])
    t.same(
      told(name)
        .map(({ threshold, spentNanoUsd }) => `${threshold} ${spentNanoUsd}`)
        .toSorted(),
      ['50 910000000', '75 910000000', '80 910000000', '90 910000000'],
    )
  },
)

t.test('a batch that is taken back crosses nothing', async (t) => {
  const { orgId, name, counter: of, shown } = await house()
  await t.rejects(
    db.database.inOrg(orgId, async (tx) => {
      await one.ledger.book(tx, '00000000-0000-4000-8000-000000000001', [
        { ...of, generation: 1, nanoUsd: String(60n * CENT) },
      ])
      throw new Error('the batch fails')
    }),
    { message: 'the batch fails' },
  )
  t.same([told(name), (await shown()).alerts], [[], []])
  await one.spend(orgId, [of], 60n * CENT)
  t.same(lines(told(name)), ['* total 50 threshold'])
})

t.test('an alert whose process died between the commit and the callback is told by another', async (t) => {
  const { orgId, name, counter: of } = await house()
  const dying = await replica({ onAlert: () => Promise.reject(new Error('killed')), handWithinMs: 0 })
  await dying.spend(orgId, [of], 60n * CENT)
  t.same(told(name), [])
  await one.alerts.sweep(orgId)
  await one.alerts.idle()
  t.same(lines(told(name)), ['* total 50 threshold'])
  await Promise.all([one.alerts.sweep(orgId), two.alerts.sweep(orgId)])
  t.equal(told(name).length, 1, 'and by nobody any more')
})

t.test('what one replica is telling, no other tells meanwhile', async (t) => {
  const { orgId, name, counter: of } = await house()
  const held = Promise.withResolvers<void>()
  const slow = await replica({ onAlert: () => held.promise })
  const spent = slow.spend(orgId, [of], 60n * CENT)
  await until('it is written down', async () => {
    const [row] = await db.owner`SELECT 1 FROM budget_alerts WHERE org_id = ${orgId}`
    return row ?? null
  })
  await one.alerts.sweep(orgId)
  held.resolve()
  await spent
  t.same(told(name), [])
  t.match(await db.owner`SELECT handed_at IS NOT NULL AS handed FROM budget_alerts WHERE org_id = ${orgId}`, [
    { handed: true },
  ])
})

t.test('the jobs look by themselves, again after they could not, and end with what they began', async (t) => {
  const job = () => {
    const looks: string[] = []
    const swept = Promise.withResolvers<void>()
    const sweep = async (orgId: string): Promise<void> => {
      looks.push(orgId)
      if (looks.length === 1) throw new Error('no database')
      swept.resolve()
    }
    return { looks, swept, sweep }
  }
  const [alerts, ended] = [job(), job()]
  const stop = startBudgetJobs({
    orgId: 'org',
    alerts: { sweep: alerts.sweep, idle: async () => {} },
    ended: { sweep: (orgId) => ended.sweep(orgId).then(() => 0) },
    log: QUIET,
    everyMs: 1,
    endedEveryMs: 1,
  })
  await Promise.all([alerts.swept.promise, ended.swept.promise])
  await stop()
  const looks = [alerts.looks.length, ended.looks.length]
  await new Promise((resolve) => setImmediate(resolve))
  t.same([alerts.looks.length, ended.looks.length], looks)
  t.ok(looks.every((count) => count >= 2))
})

t.test(
  'a limit that is raised crosses its marks no second time, and one that is lowered crosses at once',
  async (t) => {
    const { orgId, key, name, counter: of } = await house()
    await one.spend(orgId, [of], 60n * CENT)
    await two.ask(key, 'PUT', `/budgets/${name}`, budgetBody(name, '10.00'), '*')
    await one.spend(orgId, [of], 445n * CENT)
    t.same(lines(told(name)), ['* total 50 threshold'])
    await two.ask(key, 'PUT', `/budgets/${name}`, budgetBody(name, '5.80'), '*')
    await one.spend(orgId, [of], CENT)
    t.same(lines(told(name)).toSorted(), ['* total 50 threshold', '* total 75 threshold', '* total 80 warning'])
  },
)

t.test(
  'a budget that is not in force any more tells nothing, and one of a version that knew no marks does',
  async (t) => {
    const { orgId, key, name, counter: of } = await house()
    await one.ask(key, 'DELETE', `/budgets/${name}`, undefined, '*')
    await one.spend(orgId, [of], 60n * CENT)
    t.same(told(name), [])
    const other = await tenantOf(db)
    const files = [{ path: 'a.yaml', text: budgetYaml({ name, limit: '1.00' }) }]
    const compiled = compilePolicy(files)
    if (!compiled.ok) return t.fail('a good folder')
    await one.folder(other.orgId, files)
    await db.owner`DELETE FROM budget_marks WHERE org_id = ${other.orgId}`
    await one.spend(other.orgId, [of], 60n * CENT)
    t.same(told(name), [])
    await db.database.inOrg(other.orgId, (tx) => one.alerts.adoptBudgets(tx, compiled.policy.budgets))
    await one.spend(other.orgId, [of], CENT)
    t.same(lines(told(name)), ['* total 50 threshold'])
  },
)

t.test('a budget says itself at which marks it alerts, and after a reset all of them are new', async (t) => {
  const { orgId, key, name } = await house({ thresholds: [10, 30], warning: 30, critical: 60 })
  await one.spend(orgId, [counter(name)], 70n * CENT)
  const first = ['* total 10 threshold', '* total 30 warning', '* total 60 critical']
  t.same(lines(told(name)).toSorted(), first)
  await two.ask(key, 'POST', `/budgets/${name}/reset`, { reason: 'again' })
  const again = counter(name, '*', 'total#000001')
  await one.spend(orgId, [again], 5n * CENT)
  t.equal(told(name).length, 3)
  await two.spend(orgId, [again], 65n * CENT)
  t.same(
    lines(told(name)).toSorted(),
    [...first, ...first.map((line) => line.replace('total', 'total#000001'))].toSorted(),
  )
})

t.test('of a rolling window each mark alerts once in each stretch of its length', async (t) => {
  const { orgId, name } = await house({ period: 'rolling', window: '24h' })
  const of = counter(name, '*', 'rolling-24h')
  await one.spend(orgId, [of], 60n * CENT)
  await two.spend(orgId, [of], CENT)
  t.same(lines(told(name)), ['* rolling-24h 50 threshold'])
  await db.owner`UPDATE budget_alerts SET stretch = stretch - 1 WHERE org_id = ${orgId}`
  await two.spend(orgId, [of], CENT)
  t.same(lines(told(name)), ['* rolling-24h 50 threshold', '* rolling-24h 50 threshold'])
})
