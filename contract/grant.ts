/**
 * The grantor's arithmetic (C1 of the budget protocol), pure: what a counter with these leases answers to an item.
 */
import type { GrantVerdict, LeaseSyncItem } from './lease.ts'
import { maxUsd, minUsd, NANO_USD_MAX, type NanoUsd, nanoUsd, ZERO_USD } from './money.ts'

/** A lease in the ledger. */
export interface LedgerLease {
  readonly granted: NanoUsd
  readonly returned: NanoUsd
  readonly settled: NanoUsd
}

/** A lease of another holder, or of another generation. */
export interface OtherLease extends LedgerLease {
  /** Whether its open money may still come back: neither fenced nor closed. */
  readonly live: boolean
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

/** What a lease takes of the limit: settled, and escrow. */
export const committedOf = (lease: LedgerLease): NanoUsd => nanoUsd(lease.settled + openOf(lease))

/**
 * Answers one item.
 * @param own the asking holder's lease before the message
 * @param others every other lease of the counter, in any state
 */
export function grant(item: LeaseSyncItem, own: LedgerLease, others: readonly OtherLease[]): Grant {
  const lease = report(item, own)
  const committed = others.reduce((sum, other) => sum + committedOf(other), committedOf(lease) as bigint)
  const available = nanoUsd(item.limit - committed)
  if (item.close) return { lease, verdict: 'granted', available }
  // What an earlier answer granted and the holder has not seen yet counts for this need: a repeated message gets it once.
  const unseen = maxUsd(ZERO_USD, nanoUsd(own.granted - item.granted))
  const need = maxUsd(ZERO_USD, nanoUsd(item.need - unseen))
  const want = maxUsd(need, nanoUsd(item.want - unseen))
  // An overrun took its money already: as much of a grant as makes up for it moves no escrow.
  const overrun = maxUsd(ZERO_USD, nanoUsd(lease.returned + lease.settled - lease.granted))
  const storable = nanoUsd(NANO_USD_MAX - lease.granted)
  const room = available < 0n ? ZERO_USD : minUsd(nanoUsd(available + overrun), storable)
  const live = others.filter((other) => other.live)
  if (need <= room) {
    const share = nanoUsd((room - need) / BigInt(2 * (live.length + 1)))
    return add(lease, nanoUsd(need + minUsd(nanoUsd(want - need), share)), 'granted', available)
  }
  const mayComeBack = live.reduce((sum, other) => sum + openOf(other), item.uncharged as bigint)
  if (room + mayComeBack >= need) return { lease, verdict: 'pending', available }
  return add(lease, room >= item.least ? room : ZERO_USD, 'exhausted', available)
}

/** The lease with what the holder says of it. Both figures only grow, so an old message changes nothing. */
function report(item: LeaseSyncItem, own: LedgerLease): LedgerLease {
  const { granted } = own
  const settled = maxUsd(own.settled, item.charged)
  const returned = maxUsd(own.returned, item.returned)
  return { granted, settled, returned: item.close ? maxUsd(returned, nanoUsd(granted - settled)) : returned }
}

function add(lease: LedgerLease, amount: NanoUsd, verdict: GrantVerdict, available: NanoUsd): Grant {
  const raised = { ...lease, granted: nanoUsd(lease.granted + amount) }
  return { lease: raised, verdict, available: nanoUsd(available - (committedOf(raised) - committedOf(lease))) }
}
