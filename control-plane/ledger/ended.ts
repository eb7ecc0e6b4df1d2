import type { Counter } from '@agentcostcontrol/contract'
import type { Database } from '../db/database.ts'
import { endedRepository, type SeenCounter } from './ended-repository.ts'
import { readPeriod } from './figures.ts'

/** Removes counters and leases of periods that ended long ago. */
export interface EndedPeriods {
  /**
   * Looks at some counters of an organisation, where it stopped the last time, and from the first one again behind the
   * last. One replica at a time looks. @returns how many were removed
   */
  sweep(orgId: string): Promise<number>
}

/** What it needs. */
export interface EndedPeriodsOptions {
  readonly database: Database
  /** How long a period stays behind its end, and behind the last word of whoever held a lease of it, ms. */
  readonly keepMs?: number
  /** Most counters that one transaction looks at, and most transactions of a sweep. */
  readonly pageMax?: number
  readonly pagesMax?: number
}

const KEEP_MS = 35 * 86_400_000
const PAGE_MAX = 500
const PAGES_MAX = 40

/** Makes it. */
export function createEndedPeriods(options: EndedPeriodsOptions): EndedPeriods {
  const { database, keepMs = KEEP_MS, pageMax = PAGE_MAX, pagesMax = PAGES_MAX } = options
  let after: Counter | null = null

  /** @returns how many went; `null` where another replica looks */
  const look = (orgId: string): Promise<number | null> =>
    database.inOrg(orgId, async (tx) => {
      if (!(await endedRepository.tryLock(tx))) return null
      const page = await endedRepository.page(tx, after, pageMax)
      const ended = page.filter((seen) => hasEnded(seen, keepMs)).map(({ counter }) => counter)
      const removed = ended.length === 0 ? 0 : await endedRepository.remove(tx, ended, keepMs)
      after = page.length < pageMax ? null : (page.at(-1)?.counter ?? null)
      return removed
    })

  return {
    sweep: async (orgId) => {
      let removed = 0
      for (let pages = 0; pages < pagesMax; pages++) {
        const gone = await look(orgId)
        removed += gone ?? 0
        if (gone === null || after === null) break
      }
      return removed
    },
  }
}

/** A period without an end is over once it was begun anew. */
function hasEnded({ counter: { periodId }, resets, resetAtMs, nowMs }: SeenCounter, keepMs: number): boolean {
  const period = readPeriod(periodId)
  if (period === null) return false
  if (period.endsAtMs + keepMs <= nowMs) return true
  return resets > period.resets && resetAtMs !== null && resetAtMs + keepMs <= nowMs
}
