import fc from 'fast-check'
import t from 'tap'
import { BUDGET_PERIODS } from '../lease.ts'
import { isLater, type PeriodRule, periodAt, periodOf, periodRule, ruleOf, windowMs } from '../period.ts'

const DAY_MS = 86_400_000
const at = (iso: string): number => Date.parse(iso)
/** Any millisecond from 1970 to 2100. */
const anyTimeMs = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) })
const DAILY = periodRule('daily')
const WEEKLY = periodRule('weekly')
const MONTHLY = periodRule('monthly')
const TOTAL = periodRule('total')
/** Zones with half hours, no midnight on some days, two midnights on others, and a day that never was. */
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Africa/Cairo',
  'America/Sao_Paulo',
  'Asia/Beirut',
  'America/Havana',
  'America/St_Johns',
  'Atlantic/Azores',
  'Pacific/Apia',
  'Australia/Lord_Howe',
  'Pacific/Kiritimati',
]
const anyRule: fc.Arbitrary<PeriodRule> = fc
  .tuple(fc.constantFrom(...BUDGET_PERIODS), fc.constantFrom(...ZONES), fc.constantFrom(0, 0, 1, 9, 10, 999_999))
  .map(([kind, timeZone, resets]) => periodRule(kind, { window: '24h', timeZone, resets }))

t.test('days, months and the total', async (t) => {
  t.equal(periodAt(DAILY, at('2026-11-23T23:59:59.999Z')).id, '2026-11-23')
  t.equal(periodAt(DAILY, at('2026-11-24T00:00:00Z')).id, '2026-11-24')
  t.equal(periodAt(MONTHLY, at('2026-12-31T23:59:59.999Z')).id, '2026-12')
  t.equal(periodAt(MONTHLY, at('2026-12-31T23:59:59.999Z')).endsAtMs, at('2027-01-01T00:00:00Z'))
  t.match(periodAt(TOTAL, 0), { id: 'total', endsAtMs: Number.POSITIVE_INFINITY })
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
  for (const [day, week] of Object.entries(weeks)) t.equal(periodAt(WEEKLY, at(`${day}T12:00:00Z`)).id, week, day)
})

t.test('every instant lies in its period, and an id says which it is', async (t) => {
  fc.assert(
    fc.property(anyRule, anyTimeMs, (rule, atMs) => {
      const period = periodAt(rule, atMs)
      if (!(period.startsAtMs <= atMs && atMs < period.endsAtMs)) throw new Error('outside')
      if (JSON.stringify(periodOf(period.id)) !== JSON.stringify(period)) throw new Error('another one')
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('periods follow each other without a gap, and their ids sort as they do', async (t) => {
  fc.assert(
    fc.property(anyRule, anyTimeMs, (rule, atMs) => {
      fc.pre(rule.kind !== 'total' && rule.kind !== 'rolling')
      const period = periodAt(rule, atMs)
      const next = periodAt(rule, period.endsAtMs)
      if (next.startsAtMs !== period.endsAtMs) throw new Error('a gap')
      if (!(period.id < next.id)) throw new Error(`${period.id} does not sort before ${next.id}`)
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('what is no id of a period is refused', async (t) => {
  for (const id of [
    '',
    'never',
    '2026',
    '2026-13',
    '2026-02-30',
    '2026-W54',
    '2027-W53',
    '2026-W00',
    '2026-1-1',
    'W',
    'rolling',
    'rolling-1s',
    'rolling-91d',
    '2026-11-23@',
    '2026-11-23@Mars/Olympus',
    '2026-11-23@+02:00',
    '2026-11-23@UTC',
    '2026-11-23#1',
    '2026-11-23#000000',
    'total@Europe/Berlin',
  ])
    t.throws(() => periodOf(id), RangeError, id)
})

t.test('days in a zone begin at its midnight, of 23 and 25 hours where clocks are changed', async (t) => {
  const hours = (id: string): number => (periodOf(id).endsAtMs - periodOf(id).startsAtMs) / 3_600_000
  t.equal(periodOf('2026-07-01@Europe/Berlin').startsAtMs, at('2026-06-30T22:00:00Z'))
  t.equal(hours('2026-03-29@Europe/Berlin'), 23)
  t.equal(hours('2026-10-25@Europe/Berlin'), 25)
  t.equal(hours('2026-W13@Europe/Berlin'), 7 * 24 - 1)
  t.equal(hours('2026-10@Europe/Berlin'), 31 * 24 + 1)
  t.equal(hours('2026-10-04@Australia/Lord_Howe'), 23.5)
})

t.test('a day without a midnight begins with its first second', async (t) => {
  t.equal(periodOf('2026-04-24@Africa/Cairo').startsAtMs, at('2026-04-23T22:00:00Z'))
  t.equal(
    periodAt(periodRule('daily', { timeZone: 'Africa/Cairo' }), at('2026-04-23T22:00:00Z')).id,
    '2026-04-24@Africa/Cairo',
  )
  t.equal(
    periodAt(periodRule('daily', { timeZone: 'Africa/Cairo' }), at('2026-04-23T21:59:59.999Z')).id,
    '2026-04-23@Africa/Cairo',
  )
})

t.test('a period that is begun anew follows the one of before, and is followed by the next', async (t) => {
  const [first, again, next] = [periodOf('2026-11-23'), periodOf('2026-11-23#000001'), periodOf('2026-11-24#000001')]
  t.ok(isLater(again, first))
  t.ok(isLater(next, again))
  t.notOk(isLater(first, again))
  t.notOk(isLater(first, first))
  t.ok(isLater(periodOf('total#000010'), periodOf('total#000009')))
})

t.test('a rolling period has no end and says how long it looks back', async (t) => {
  t.match(periodAt(periodRule('rolling', { window: '90m' }), 0), {
    id: 'rolling-90m',
    windowMs: 90 * 60_000,
    endsAtMs: Number.POSITIVE_INFINITY,
  })
  t.same(['10m', '90d', '9m', '91d', '1s', '24', '', '0h'].map(windowMs), [
    600_000,
    90 * DAY_MS,
    null,
    null,
    null,
    null,
    null,
    null,
  ])
})

t.test('a rule is read back from its text', async (t) => {
  for (const spec of ['daily', 'weekly@Asia/Kolkata', 'rolling-7d', 'total']) t.equal(ruleOf(spec, 3).spec, spec)
  for (const spec of ['hourly', 'rolling', 'daily@Nowhere', '']) t.throws(() => ruleOf(spec, 0), RangeError)
})
