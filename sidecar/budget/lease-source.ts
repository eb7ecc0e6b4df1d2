import type { Counter, Holder, LeaseSyncItem, LeaseSyncResult, NanoUsd } from '@agentcostcontrol/contract'

/** What a holder says when it starts. */
export interface Hello {
  readonly instanceId: string
  readonly generation: number
  /** `same`: its state on disk can be trusted (H7). `broken`: it cannot; its old leases are fenced and their open money stands. */
  readonly continuity: 'same' | 'broken'
  /** The epoch of the ledger that it last heard of; 0 if that was its own, or none. */
  readonly ledgerEpoch: number
  /** Every lease that its disk knows, of any generation: a ledger that was rolled back takes the larger figures. */
  readonly leases: readonly HeldLease[]
}

/** A lease as its holder's disk has it. */
export interface HeldLease {
  /** The counter's key. */
  readonly key: string
  readonly counter: Counter
  readonly generation: number
  readonly granted: NanoUsd
  readonly returned: NanoUsd
  readonly charged: NanoUsd
}

/** A lease as the grantor has it. */
export interface GrantedLease {
  /** The counter's key. */
  readonly key: string
  readonly granted: NanoUsd
  readonly returned: NanoUsd
  readonly settled: NanoUsd
}

/** The newest period of its kind in which a budget was granted money. */
export interface KnownPeriod {
  readonly budgetUid: string
  readonly periodId: string
}

/** The answer to a {@link Hello}. */
export interface Welcome {
  readonly generation: number
  /** `broken` also where the holder says `same` and is behind what it told before: its disk was rolled back. */
  readonly continuity: 'same' | 'broken'
  /** 0 for a ledger of its own. */
  readonly ledgerEpoch: number
  /** The holder's leases of this generation. */
  readonly leases: readonly GrantedLease[]
  readonly periods: readonly KnownPeriod[]
}

/** Thrown for a message of a holder, or of a generation or epoch, that leases are no longer granted to. */
export class StaleHolderError extends Error {
  override readonly name = 'StaleHolderError'
}

/** Where leases come from: a ledger in this process's storage worker, or a control plane. */
export interface LeaseSource {
  /** True for a control plane, which may be away. */
  readonly isRemote: boolean
  /**
   * @param reread the leases as the disk has them now, where a hello takes several messages; throws once nobody waits for
   *   the answer any more: no further message is sent then
   */
  hello(hello: Hello, reread?: () => Promise<readonly HeldLease[]>): Promise<Welcome>
  /**
   * All amounts are cumulative, so a message may be repeated. One is under way at a time.
   * @throws StaleHolderError if the holder is not the one that the last {@link Welcome} named
   */
  sync(holder: Holder, items: readonly LeaseSyncItem[]): Promise<readonly LeaseSyncResult[]>
}
