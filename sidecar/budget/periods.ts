import type { BudgetPeriod } from '@agentcostcontrol/contract'

/** A period of a budget in which an instant lies; boundaries are UTC. */
export interface Period {
  /** `2026-11-23`, `2026-W48` (ISO 8601 week), `2026-11` or `total`: of one kind they sort as they follow each other. */
  readonly id: string
  /** End, exclusive, ms since the epoch; `Infinity` for `total`. */
  readonly endsAtMs: number
}

const DAY_MS = 86_400_000

/** The period of a kind at an instant, in ms since the epoch. */
export function periodAt(kind: BudgetPeriod, atMs: number): Period {
  const day = Math.floor(atMs / DAY_MS)
  switch (kind) {
    case 'total':
      return { id: 'total', endsAtMs: Number.POSITIVE_INFINITY }
    case 'daily':
      return { id: new Date(day * DAY_MS).toISOString().slice(0, 10), endsAtMs: (day + 1) * DAY_MS }
    case 'weekly':
      return weekOf(day)
    case 'monthly': {
      const date = new Date(atMs)
      const endsAtMs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
      return { id: date.toISOString().slice(0, 7), endsAtMs }
    }
  }
}

/** ISO 8601 week of a day (days since the epoch, which was a Thursday): it belongs to the year of its Thursday. */
function weekOf(day: number): Period {
  const monday = day - ((((day + 3) % 7) + 7) % 7)
  const year = new Date((monday + 3) * DAY_MS).getUTCFullYear()
  const firstOfYear = Date.UTC(year, 0, 1) / DAY_MS
  const week = Math.floor((monday + 3 - firstOfYear) / 7) + 1
  return { id: `${year}-W${String(week).padStart(2, '0')}`, endsAtMs: (monday + 7) * DAY_MS }
}

/** The period that an id names: the reverse of {@link periodAt}. An id that names none never ends. */
export function periodOf(id: string): Period {
  const week = /^(\d{4})-W(\d{2})$/.exec(id)
  if (week) {
    // 4 January lies in the first week of its year.
    const inWeek = Date.UTC(Number(week[1]), 0, 4) + (Number(week[2]) - 1) * 7 * DAY_MS
    return { id, endsAtMs: periodAt('weekly', inWeek).endsAtMs }
  }
  const startMs = /^\d{4}-\d{2}(?:-\d{2})?$/.test(id)
    ? Date.parse(`${id.length === 7 ? `${id}-01` : id}T00:00:00Z`)
    : Number.NaN
  if (Number.isNaN(startMs)) return { id, endsAtMs: Number.POSITIVE_INFINITY }
  return { id, endsAtMs: periodAt(id.length === 7 ? 'monthly' : 'daily', startMs).endsAtMs }
}
