import type { BudgetPeriod } from './lease.ts'

/** A period of a budget in which an instant lies; boundaries are UTC. */
export interface Period {
  readonly kind: BudgetPeriod
  /** `2026-11-23`, `2026-W48` (ISO 8601 week), `2026-11` or `total`: of one kind they sort as they follow each other. */
  readonly id: string
  /** Begin, ms since the epoch; `-Infinity` for `total`. */
  readonly startsAtMs: number
  /** End, exclusive, ms since the epoch; `Infinity` for `total`. */
  readonly endsAtMs: number
}

const DAY_MS = 86_400_000
const TOTAL: Period = {
  kind: 'total',
  id: 'total',
  startsAtMs: Number.NEGATIVE_INFINITY,
  endsAtMs: Number.POSITIVE_INFINITY,
}

/** The period of a kind at an instant, in ms since the epoch. */
export function periodAt(kind: BudgetPeriod, atMs: number): Period {
  const day = Math.floor(atMs / DAY_MS)
  switch (kind) {
    case 'total':
      return TOTAL
    case 'daily':
      return { kind, id: isoDay(day * DAY_MS), startsAtMs: day * DAY_MS, endsAtMs: (day + 1) * DAY_MS }
    case 'weekly':
      return weekOf(day)
    case 'monthly': {
      const date = new Date(atMs)
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
      return {
        kind,
        id: date.toISOString().slice(0, 7),
        startsAtMs: Date.UTC(year, month, 1),
        endsAtMs: Date.UTC(year, month + 1, 1),
      }
    }
  }
}

const isoDay = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

/** ISO 8601 week of a day (days since the epoch, which was a Thursday): it belongs to the year of its Thursday. */
function weekOf(day: number): Period {
  const monday = day - ((((day + 3) % 7) + 7) % 7)
  const year = new Date((monday + 3) * DAY_MS).getUTCFullYear()
  const firstOfYear = Date.UTC(year, 0, 1) / DAY_MS
  const week = Math.floor((monday + 3 - firstOfYear) / 7) + 1
  return {
    kind: 'weekly',
    id: `${year}-W${String(week).padStart(2, '0')}`,
    startsAtMs: monday * DAY_MS,
    endsAtMs: (monday + 7) * DAY_MS,
  }
}

/** The period that an id names: the reverse of {@link periodAt}. @throws RangeError for an id that names none */
export function periodOf(id: string): Period {
  const found = id === TOTAL.id ? TOTAL : periodAt(kindOf(id), startOf(id))
  if (found.id !== id) throw new RangeError(`"${id}" is not the id of a period`)
  return found
}

function kindOf(id: string): BudgetPeriod {
  if (id.includes('W')) return 'weekly'
  return id.length === 7 ? 'monthly' : 'daily'
}

function startOf(id: string): number {
  const week = /^(\d{4})-W(\d{2})$/.exec(id)
  // 4 January lies in the first week of its year.
  const atMs = week
    ? Date.UTC(Number(week[1]), 0, 4) + (Number(week[2]) - 1) * 7 * DAY_MS
    : Date.parse(`${id.length === 7 ? `${id}-01` : id}T00:00:00Z`)
  if (Number.isNaN(atMs)) throw new RangeError(`"${id}" is not the id of a period`)
  return atMs
}
