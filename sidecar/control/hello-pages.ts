import { HELLO_PAGE_LEASES } from '@agentcostcontrol/contract'
import type { HeldLease } from '../budget/lease-source.ts'

/** Part of a hello. */
export interface HelloPage {
  readonly leases: readonly HeldLease[]
  /** Keys of counters; `null` where it is the whole hello. */
  readonly page: { readonly after: string | null; readonly through: string | null } | null
}

/** A hello of very many leases, cut between counters: those of one, of several generations, stand in one page. */
export function helloPages(leases: readonly HeldLease[]): readonly HelloPage[] {
  if (leases.length <= HELLO_PAGE_LEASES) return [{ leases, page: null }]
  const sorted = leases.toSorted((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  const pages: HelloPage[] = []
  let after: string | null = null
  for (let from = 0; from < sorted.length; ) {
    let to = Math.min(from + HELLO_PAGE_LEASES, sorted.length)
    while (to < sorted.length && sorted[to]?.key === sorted[to - 1]?.key) to++
    const through: string | null = to < sorted.length ? (sorted[to - 1]?.key ?? null) : null
    pages.push({ leases: sorted.slice(from, to), page: { after, through } })
    after = through
    from = to
  }
  return pages
}
