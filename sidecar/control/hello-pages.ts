import { HELLO_PAGE_LEASES } from '@agentcostcontrol/contract'
import type { HeldLease } from '../budget/lease-source.ts'

/** Part of a hello. */
export interface HelloPage {
  readonly leases: readonly HeldLease[]
  /** The key of its last counter; `null` where nothing is left to tell: the last page. */
  readonly through: string | null
}

/**
 * The page that follows a counter's key, of leases as they stand now. It is cut between counters: the leases of one, of
 * several generations, stand in one page.
 */
export function pageAfter(leases: readonly HeldLease[], after: string | null): HelloPage {
  const left = leases
    .filter(({ key }) => after === null || key > after)
    .toSorted((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  let to = Math.min(left.length, HELLO_PAGE_LEASES)
  while (to < left.length && left[to]?.key === left[to - 1]?.key) to++
  return { leases: left.slice(0, to), through: left[to - 1]?.key ?? null }
}
