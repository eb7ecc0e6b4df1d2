/**
 * Each mark of a budget, in each kind of period, through two replicas that book at the same moment: one alert for each
 * subject and period, again in the next period, and again after a reset. By the database's clock, which tests hold.
 */
import { join } from 'node:path'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { openDatabase } from '../db/database.ts'
import { budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clockedDatabaseFor } from './support/clock.ts'
import { clusterFor } from './support/database.ts'
import { counter } from './support/ledger.ts'

const db = await clockedDatabaseFor(t, await (await clusterFor(t))())
const keyFile = join(folderFor(t), 'key.pem')
const one = await budgetReplicaFor(t, db, { keyFile })
const database = openDatabase(db.clockedUrl, 6)
t.teardown(() => database.close())
const two = await budgetReplicaFor(t, { ...db, database }, { keyFile })

const CENT = 10_000_000n
const NOON = '2026-11-23T12:00:00Z'

/** How a period is cut; its id on a Monday noon; when the next one has begun, and its id. */
interface PeriodCase {
  readonly spec: Readonly<Record<string, unknown>>
  readonly id: string
  readonly next: { readonly at: string; readonly id: string } | null
}

const PERIODS: readonly PeriodCase[] = [
  {
    spec: { period: 'daily', timeZone: 'Pacific/Kiritimati' },
    id: '2026-11-24@Pacific/Kiritimati',
    next: { at: '2026-11-24T10:00:00Z', id: '2026-11-25@Pacific/Kiritimati' },
  },
  {
    spec: { period: 'weekly', timeZone: 'Europe/Berlin' },
    id: '2026-W48@Europe/Berlin',
    next: { at: '2026-11-29T23:00:00Z', id: '2026-W49@Europe/Berlin' },
  },
  {
    spec: { period: 'monthly', timeZone: 'Asia/Kathmandu' },
    id: '2026-11@Asia/Kathmandu',
    next: { at: '2026-11-30T18:15:00Z', id: '2026-12@Asia/Kathmandu' },
  },
  // Its alerts begin anew with each stretch of its length, of which one begins at midnight of UTC.
  {
    spec: { period: 'rolling', window: '24h' },
    id: 'rolling-24h',
    next: { at: '2026-11-24T12:15:00Z', id: 'rolling-24h' },
  },
  { spec: { period: 'total' }, id: 'total', next: null },
]

/** What a budget says of its marks, and what they are, in per cent. */
const MARKS = [
  {
    name: 'the standard ones',
    spec: {},
    marks: ['50 threshold', '75 threshold', '80 warning', '90 threshold', '100 critical'],
  },
  {
    name: 'with a warning and a critical one of its own',
    spec: { thresholds: [50, 75, 90, 100], warning: 60, critical: 95 },
    marks: ['50 threshold', '60 warning', '75 threshold', '90 threshold', '95 critical', '100 threshold'],
  },
  {
    name: 'where a warning and a critical one are thresholds too',
    spec: { thresholds: [100, 50, 75, 90, 50], warning: 75, critical: 90 },
    marks: ['50 threshold', '75 warning', '90 critical', '100 threshold'],
  },
] as const

let names = 0
for (const { spec, id, next } of PERIODS)
  for (const { name: which, spec: said, marks } of MARKS)
    t.test(`${spec.period}, ${which}: two replicas at once tell each mark once, and anew in each period`, async (t) => {
      const name = `marks-${names++}`
      await db.setClock(NOON)
      const { orgId, key } = await tenantOf(db)
      const document = { scope: 'per_agent', selector: { agent: '*' }, ...spec, ...said }
      t.match(await one.ask(key, 'POST', '/budgets', budgetBody(name, '1.00', document)), { status: 201 })
      const told = (): readonly string[] =>
        [...one.told, ...two.told]
          .filter((alert) => alert.name === name)
          .map(({ subject, periodId, threshold, kind }) => `${subject} ${periodId} ${threshold} ${kind}`)
          .toSorted()
      const expected: string[] = []
      const expect = (subject: string, periodId: string, ...more: readonly string[]): void => {
        for (const mark of more) expected.push(`${subject} ${periodId} ${mark}`)
      }
      const isTold = (when: string): void => void t.same(told(), expected.toSorted(), when)
      /** Both replicas at the same moment, each so many times, so many cents each time. */
      const both = (subject: string, periodId: string, times: number, amount: bigint) =>
        Promise.all(
          Array.from({ length: 2 * times }, (_, at) =>
            (at % 2 ? one : two).spend(orgId, [counter(name, subject, periodId)], amount * CENT),
          ),
        )

      let cents = 0
      for (const mark of marks) {
        const percent = Number.parseInt(mark, 10)
        await one.spend(orgId, [counter(name, 'a', id)], BigInt(percent - 1 - cents) * CENT)
        isTold(`nothing before ${percent} %`)
        await both('a', id, 1, 1n)
        expect('a', id, mark)
        isTold(`${mark}, once`)
        cents = percent + 1
      }
      await both('b', id, 6, 9n)
      expect('b', id, ...marks)
      isTold('somebody else passes all of them, each once')

      if (next !== null) {
        await db.setClock(next.at)
        await both('a', next.id, 2, 10n)
        isTold('nothing below the first mark of the next period')
        await both('a', next.id, 4, 8n)
        expect('a', next.id, ...marks)
        isTold('in the next period all of them again, each once')
      }
      t.match(await two.ask(key, 'POST', `/budgets/${name}/reset`, { reason: 'again' }), { status: 200 })
      const anew = `${next?.id ?? id}#000001`
      await both('a', anew, 6, 9n)
      expect('a', anew, ...marks)
      isTold('after a reset all of them again, each once')

      await Promise.all([one.alerts.sweep(orgId), two.alerts.sweep(orgId)])
      isTold('and nobody tells any of them again')
      const { alerts } = (await one.ask(key, 'GET', '/budgets/status/summary?alerts=500')).body
      t.equal(alerts.length, expected.length, 'the API shows the same')
      const [{ thresholds }] = (await two.ask(key, 'GET', `/budgets/${name}/status`)).body.subjects
      t.same(
        thresholds.map(({ threshold, kind, crossedAt }: Readonly<Record<string, unknown>>) => [
          threshold,
          kind,
          crossedAt !== null,
        ]),
        marks.map((mark) => [Number.parseInt(mark, 10), mark.split(' ')[1], true]),
      )
    })
