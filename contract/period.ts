import { BUDGET_PERIODS, type BudgetPeriod } from './lease.ts'
import { DAY_MS, isTimeZone, localDay, startOfDay } from './zone.ts'

/** How a budget's time is cut into periods. */
export interface PeriodRule {
  readonly kind: BudgetPeriod
  /** Length of a rolling window, ms; `null` for every other kind. */
  readonly windowMs: number | null
  /** IANA name; `UTC` for kinds that know no midnight. */
  readonly timeZone: string
  /** How often it was begun anew by hand. */
  readonly resets: number
  /** All of it but the resets, as a text: `daily`, `monthly@Europe/Berlin`, `rolling-24h`, `total`. */
  readonly spec: string
}

/** A period of a budget in which an instant lies. */
export interface Period extends PeriodRule {
  /**
   * `2026-11-23`, `2026-W48` (ISO 8601 week), `2026-11`, `total` or `rolling-24h`; then `@` and the zone where that is
   * not UTC; then `#` and the number of resets, of six digits, where there were any. Of one rule they sort as they
   * follow each other.
   */
  readonly id: string
  /** Begin, ms since the epoch; `-Infinity` where it has none. */
  readonly startsAtMs: number
  /** End, exclusive, ms since the epoch; `Infinity` where it has none. */
  readonly endsAtMs: number
}

/** Longest id of a period, in characters. */
export const PERIOD_ID_CHARS_MAX = 64
/** Shortest and longest rolling window, ms. */
const WINDOW_MS_MIN = 10 * 60_000
const WINDOW_MS_MAX = 90 * DAY_MS
const UNITS_MS = { m: 60_000, h: 3_600_000, d: DAY_MS } as const
const WINDOW = /^([1-9]\d{0,4})([mhd])$/
const ID = /^([^@#]+)(?:@([^#]+))?(?:#(\d{6}))?$/
/** So that ids of one rule sort as the periods follow each other. */
const RESETS_DIGITS = 6
/** Most resets of a budget. */
export const RESETS_MAX = 999_999

/** Length of a window like `24h`, `90m` or `7d`, ms; `null` unless it is one from ten minutes to ninety days. */
export function windowMs(text: string): number | null {
  const [, count, unit] = WINDOW.exec(text) ?? []
  if (unit !== 'm' && unit !== 'h' && unit !== 'd') return null
  const ms = Number(count) * UNITS_MS[unit]
  return ms >= WINDOW_MS_MIN && ms <= WINDOW_MS_MAX ? ms : null
}

/** A rule of what a policy says. @throws RangeError for a window or a zone that there is not */
export function periodRule(
  kind: BudgetPeriod,
  {
    window,
    timeZone = 'UTC',
    resets = 0,
  }: { readonly window?: string | undefined; readonly timeZone?: string; readonly resets?: number } = {},
): PeriodRule {
  if (kind === 'rolling') {
    const ms = windowMs(window ?? '')
    if (ms === null) throw new RangeError(`"${window}" is not the length of a rolling window`)
    return { kind, windowMs: ms, timeZone: 'UTC', resets, spec: `rolling-${window}` }
  }
  if (kind === 'total') return { kind, windowMs: null, timeZone: 'UTC', resets, spec: kind }
  if (!isTimeZone(timeZone)) throw new RangeError(`"${timeZone}" is not a time zone`)
  return { kind, windowMs: null, timeZone, resets, spec: timeZone === 'UTC' ? kind : `${kind}@${timeZone}` }
}

/** The rule that a spec text names. @throws RangeError for one that names none */
export function ruleOf(spec: string, resets: number): PeriodRule {
  const [base = '', timeZone = 'UTC'] = spec.split('@')
  const kind = BUDGET_PERIODS.find((each) => each === base || (each === 'rolling' && base.startsWith('rolling-')))
  if (kind === undefined) throw new RangeError(`"${spec}" is not a kind of period`)
  return periodRule(kind, { window: base.slice('rolling-'.length), timeZone, resets })
}

/** The period of a rule at an instant, in ms since the epoch. */
export function periodAt(rule: PeriodRule, atMs: number): Period {
  const { kind, timeZone } = rule
  switch (kind) {
    case 'total':
    case 'rolling':
      return named(rule, rule.spec, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
    case 'daily': {
      const day = localDay(timeZone, atMs)
      return between(rule, isoDay(day), day, day + 1)
    }
    case 'weekly':
      return weekOf(rule, localDay(timeZone, atMs))
    case 'monthly': {
      const date = new Date(localDay(timeZone, atMs) * DAY_MS)
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
      const [first, next] = [Date.UTC(year, month, 1) / DAY_MS, Date.UTC(year, month + 1, 1) / DAY_MS]
      return between(rule, date.toISOString().slice(0, 7), first, next)
    }
  }
}

/** The period that an id names: the reverse of {@link periodAt}. @throws RangeError for an id that names none */
export function periodOf(id: string): Period {
  const known = read.get(id)
  if (known) return known
  const period = readPeriodId(id)
  const [oldest] = read.size >= READ_MAX ? read.keys() : []
  if (oldest !== undefined) read.delete(oldest)
  read.set(id, period)
  return period
}

/** Ids that were read lately: a zone's midnights are looked for. */
const READ_MAX = 4_096
const read = new Map<string, Period>()

function readPeriodId(id: string): Period {
  const [, base = '', timeZone = 'UTC', resets = '0'] = ID.exec(id) ?? []
  const rule = ruleOf(isEndless(base) ? base : `${kindOf(base)}@${timeZone}`, Number(resets))
  const found = periodAt(rule, startOf(base, rule.timeZone))
  if (found.id !== id) throw new RangeError(`"${id}" is not the id of a period`)
  return found
}

/** Whether a period follows another of the same budget: it begins later, or is the same one begun anew. */
export const isLater = (period: Period, than: Period): boolean =>
  period.startsAtMs > than.startsAtMs || (period.startsAtMs === than.startsAtMs && period.resets > than.resets)

const isEndless = (base: string): boolean => base === 'total' || base.startsWith('rolling-')

const isoDay = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10)

function between(rule: PeriodRule, id: string, first: number, next: number): Period {
  const { timeZone } = rule
  const full = timeZone === 'UTC' ? id : `${id}@${timeZone}`
  return named(rule, full, startOfDay(timeZone, first), startOfDay(timeZone, next))
}

const named = (rule: PeriodRule, id: string, startsAtMs: number, endsAtMs: number): Period => ({
  ...rule,
  id: rule.resets === 0 ? id : `${id}#${String(rule.resets).padStart(RESETS_DIGITS, '0')}`,
  startsAtMs,
  endsAtMs,
})

/** ISO 8601 week of a day (days since the epoch, which was a Thursday): it belongs to the year of its Thursday. */
function weekOf(rule: PeriodRule, day: number): Period {
  const monday = day - ((((day + 3) % 7) + 7) % 7)
  const year = new Date((monday + 3) * DAY_MS).getUTCFullYear()
  const firstOfYear = Date.UTC(year, 0, 1) / DAY_MS
  const week = Math.floor((monday + 3 - firstOfYear) / 7) + 1
  return between(rule, `${year}-W${String(week).padStart(2, '0')}`, monday, monday + 7)
}

function kindOf(base: string): BudgetPeriod {
  if (base.includes('W')) return 'weekly'
  return base.length === 7 ? 'monthly' : 'daily'
}

/** An instant in the period that an id without zone and resets names. */
function startOf(base: string, timeZone: string): number {
  if (isEndless(base)) return 0
  const week = /^(\d{4})-W(\d{2})$/.exec(base)
  // 4 January lies in the first week of its year.
  const atMs = week
    ? Date.UTC(Number(week[1]), 0, 4) + (Number(week[2]) - 1) * 7 * DAY_MS
    : Date.parse(`${base.length === 7 ? `${base}-01` : base}T00:00:00Z`)
  if (Number.isNaN(atMs)) throw new RangeError(`"${base}" is not the id of a period`)
  return startOfDay(timeZone, Math.floor(atMs / DAY_MS))
}
