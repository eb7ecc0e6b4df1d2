import type { Holder, LeaseSyncItem, LeaseSyncResult, NanoUsd } from '@agentcostcontrol/contract'

/** What a holder says when it starts. */
export interface Hello {
  readonly instanceId: string
  readonly generation: number
  /** `same`: its state on disk can be trusted (H7). `broken`: it cannot; its old leases are fenced and their open money stands. */
  readonly continuity: 'same' | 'broken'
}

/** A lease as the grantor knows it. */
export interface GrantedLease {
  /** The counter's key. */
  readonly key: string
  readonly granted: NanoUsd
}

/** Where leases come from: a ledger in this process's storage worker, or a control plane. */
export interface LeaseSource {
  hello(hello: Hello): Promise<{ readonly generation: number; readonly leases: readonly GrantedLease[] }>
  /** All amounts are cumulative, so a message may be repeated. One is under way at a time. */
  sync(holder: Holder, items: readonly LeaseSyncItem[]): Promise<readonly LeaseSyncResult[]>
}
