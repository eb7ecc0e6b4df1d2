import fc from 'fast-check'
import t from 'tap'
import { BUDGET_PERIODS } from '../lease.ts'
import { periodAt, periodOf } from '../period.ts'

const DAY_MS = 86_400_000
const at = (iso: string): number => Date.parse(iso)
/** Any millisecond from 1970 to 2100. */
const anyTimeMs = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) })
const anyKind = fc.constantFrom(...BUDGET_PERIODS)

t.test('days, months and the total', async (t) => {
  t.equal(periodAt('daily', at('2026-11-23T23:59:59.999Z')).id, '2026-11-23')
  t.equal(periodAt('daily', at('2026-11-24T00:00:00Z')).id, '2026-11-24')
  t.equal(periodAt('monthly', at('2026-12-31T23:59:59.999Z')).id, '2026-12')
  t.equal(periodAt('monthly', at('2026-12-31T23:59:59.999Z')).endsAtMs, at('2027-01-01T00:00:00Z'))
  t.match(periodAt('total', 0), { id: 'total', endsAtMs: Number.POSITIVE_INFINITY })
})

t.test('a month of February ends after 28 or 29 days', async (t) => {
  const days = (id: string): number => (periodOf(id).endsAtMs - periodOf(id).startsAtMs) / DAY_MS
  t.same(['2026-02', '2028-02', '2000-02', '2100-02'].map(days), [28, 29, 29, 28])
})

t.test('weeks are those of ISO 8601, also where a year begins', async (t) => {
  // Examples of the standard's own kind: the week belongs to the year of its Thursday.
  const weeks: Readonly<Record<string, string>> = {
    '2024-12-29': '2024-W52',
    '2024-12-30': '2025-W01',
    '2026-12-31': '2026-W53',
    '2027-01-01': '2026-W53',
    '2027-01-03': '2026-W53',
    '2027-01-04': '2027-W01',
    '2020-12-31': '2020-W53',
    '2021-01-03': '2020-W53',
    '2021-01-04': '2021-W01',
    '2016-01-03': '2015-W53',
    '2028-02-29': '2028-W09',
    '1970-01-01': '1970-W01',
  }
  for (const [day, week] of Object.entries(weeks)) t.equal(periodAt('weekly', at(`${day}T12:00:00Z`)).id, week, day)
})

t.test('every instant lies in its period, and an id says which it is', async (t) => {
  fc.assert(
    fc.property(anyKind, anyTimeMs, (kind, atMs) => {
      const period = periodAt(kind, atMs)
      if (!(period.startsAtMs <= atMs && atMs < period.endsAtMs)) throw new Error('outside')
      if (JSON.stringify(periodOf(period.id)) !== JSON.stringify(period)) throw new Error('another one')
    }),
    { numRuns: 20_000 },
  )
  t.pass()
})

t.test('periods follow each other without a gap, and their ids sort as they do', async (t) => {
  fc.assert(
    fc.property(anyKind, anyTimeMs, (kind, atMs) => {
      fc.pre(kind !== 'total')
      const period = periodAt(kind, atMs)
      const next = periodAt(kind, period.endsAtMs)
      if (next.startsAtMs !== period.endsAtMs) throw new Error('a gap')
      if (!(period.id < next.id)) throw new Error(`${period.id} does not sort before ${next.id}`)
    }),
    { numRuns: 20_000 },
  )
  t.pass()
})

t.test('what is no id of a period is refused', async (t) => {
  for (const id of ['', 'never', '2026', '2026-13', '2026-02-30', '2026-W54', '2027-W53', '2026-W00', '2026-1-1', 'W'])
    t.throws(() => periodOf(id), RangeError, id)
})
