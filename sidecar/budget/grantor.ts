/**
 * The grantor's arithmetic (C1 of the budget protocol), pure: what a counter with these leases answers to an item.
 */
import {
  type GrantVerdict,
  type LeaseSyncItem,
  maxUsd,
  minUsd,
  type NanoUsd,
  nanoUsd,
  ZERO_USD,
} from '@agentcostcontrol/contract'

/** A lease in the ledger. */
export interface LedgerLease {
  readonly granted: NanoUsd
  readonly returned: NanoUsd
  readonly settled: NanoUsd
}

/** What a sync does to the asking holder's lease, and the answer to it. */
export interface Grant {
  readonly lease: LedgerLease
  readonly verdict: GrantVerdict
  readonly available: NanoUsd
}

/** Open money of a lease: set aside and neither returned nor settled. */
export const openOf = ({ granted, returned, settled }: LedgerLease): NanoUsd =>
  maxUsd(ZERO_USD, nanoUsd(granted - returned - settled))

/**
 * Answers one item.
 * @param own the asking holder's lease before the message
 * @param others every other lease of the counter, in any state
 */
export function grant(item: LeaseSyncItem, own: LedgerLease, others: readonly LedgerLease[]): Grant {
  const reported: LedgerLease = {
    granted: own.granted,
    returned: maxUsd(own.returned, item.returned),
    settled: maxUsd(own.settled, item.charged),
  }
  const lease = item.close
    ? { ...reported, returned: maxUsd(reported.returned, nanoUsd(own.granted - reported.settled)) }
    : reported
  const committed = [lease, ...others].reduce((sum, each) => sum + each.settled + openOf(each), 0n)
  const available = maxUsd(ZERO_USD, nanoUsd(item.limit - committed))
  if (item.close) return { lease, verdict: 'granted', available }
  // What an earlier answer granted and the holder has not seen yet counts for this need: a repeated message gets it once.
  const unseen = maxUsd(ZERO_USD, nanoUsd(own.granted - item.granted))
  const need = maxUsd(ZERO_USD, nanoUsd(item.need - unseen))
  const want = maxUsd(need, nanoUsd(item.want - unseen))
  if (need <= available) {
    const beyond = minUsd(nanoUsd(want - need), nanoUsd((available - need) / 2n))
    return add(lease, nanoUsd(need + beyond), 'granted', available)
  }
  const covered = available + item.uncharged >= need
  const rest = available >= item.least ? available : ZERO_USD
  return add(lease, rest, covered ? 'pending' : 'exhausted', available)
}

const add = (lease: LedgerLease, amount: NanoUsd, verdict: GrantVerdict, available: NanoUsd): Grant => ({
  lease: { ...lease, granted: nanoUsd(lease.granted + amount) },
  verdict,
  available: nanoUsd(available - amount),
})
