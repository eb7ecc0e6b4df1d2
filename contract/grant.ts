/**
 * The grantor's arithmetic (C1 of the budget protocol), pure: what a counter with these leases answers to an item.
 */
import type { GrantVerdict, LeaseSyncItem } from './lease.ts'
import { maxUsd, minUsd, NANO_USD_MAX, type NanoUsd, nanoUsd, ZERO_USD } from './money.ts'

/** A lease in a ledger; all amounts cumulative. */
export interface LedgerLease {
  readonly granted: NanoUsd
  readonly returned: NanoUsd
  readonly settled: NanoUsd
  /** Written off by an operator. */
  readonly released: NanoUsd
}

/** A lease of another holder, or of another generation. */
export interface OtherLease extends LedgerLease {
  /** Whether its open money may still come back: neither fenced nor closed. */
  readonly live: boolean
}

/** A counter as the grantor sees it beside the asking holder's lease. */
export interface CounterState {
  readonly limit: NanoUsd
  /** Settled and escrow of every other lease, in any state. */
  readonly committed: NanoUsd
  /** Other holders whose leases are live. */
  readonly holders: number
  /** What those leases hold that is not spent as far as is known. */
  readonly mayComeBack: NanoUsd
}

/** What a sync does to the asking holder's lease, and the answer to it. */
export interface Grant {
  readonly lease: LedgerLease
  readonly verdict: GrantVerdict
  readonly available: NanoUsd
}

/** Open money of a lease: set aside and neither returned, settled nor released. */
export const openOf = ({ granted, returned, settled, released }: LedgerLease): NanoUsd =>
  maxUsd(ZERO_USD, nanoUsd(granted - returned - settled - released))

/** What a lease takes of the limit: settled, and escrow. */
export const committedOf = (lease: LedgerLease): NanoUsd => nanoUsd(lease.settled + openOf(lease))

/** What a lease was charged above what it held. */
export const overrunOf = ({ granted, returned, settled, released }: LedgerLease): NanoUsd =>
  maxUsd(ZERO_USD, nanoUsd(returned + settled + released - granted))

/** The counter with these other leases. */
export function counterState(limit: NanoUsd, others: readonly OtherLease[]): CounterState {
  const live = others.filter((other) => other.live)
  return {
    limit,
    committed: nanoUsd(others.reduce((sum, other) => sum + committedOf(other), 0n)),
    holders: live.length,
    mayComeBack: nanoUsd(live.reduce((sum, other) => sum + openOf(other), 0n)),
  }
}

/** The lease with what its holder says that it was charged: where no events tell it. */
export const withCharged = (lease: LedgerLease, charged: NanoUsd): LedgerLease => ({
  ...lease,
  settled: maxUsd(lease.settled, charged),
})

/**
 * Answers one item.
 * @param own the asking holder's lease before the message
 */
export function grant(item: LeaseSyncItem, own: LedgerLease, counter: CounterState): Grant {
  const lease = { ...own, returned: returnedBy(item, own) }
  const available = nanoUsd(counter.limit - counter.committed - committedOf(lease))
  if (item.close) return { lease, verdict: 'granted', available }
  // What an earlier answer granted and the holder has not seen yet counts for this need: a repeated message gets it once.
  const unseen = maxUsd(ZERO_USD, nanoUsd(own.granted - item.granted))
  const need = maxUsd(ZERO_USD, nanoUsd(item.need - unseen))
  const want = maxUsd(need, nanoUsd(item.want - unseen))
  const storable = nanoUsd(NANO_USD_MAX - lease.granted)
  // An overrun took its money already: as much of a grant as makes up for it moves no escrow.
  const room = available < 0n ? ZERO_USD : minUsd(nanoUsd(available + overrunOf(lease)), storable)
  if (need <= room) {
    const share = nanoUsd((room - need) / BigInt(2 * (counter.holders + 1)))
    return add(lease, nanoUsd(need + minUsd(nanoUsd(want - need), share)), 'granted', available)
  }
  if (room + counter.mayComeBack + item.uncharged >= need) return { lease, verdict: 'pending', available }
  return add(lease, room >= item.least ? room : ZERO_USD, 'exhausted', available)
}

/** Only grows, so an old message changes nothing; and nobody returns what was never granted. */
function returnedBy(item: LeaseSyncItem, { granted, returned, settled }: LedgerLease): NanoUsd {
  const said = maxUsd(returned, item.returned)
  const all = item.close ? maxUsd(said, nanoUsd(granted - maxUsd(settled, item.charged))) : said
  return minUsd(granted, all)
}

function add(lease: LedgerLease, amount: NanoUsd, verdict: GrantVerdict, available: NanoUsd): Grant {
  const raised = { ...lease, granted: nanoUsd(lease.granted + amount) }
  return { lease: raised, verdict, available: nanoUsd(available - (committedOf(raised) - committedOf(lease))) }
}
