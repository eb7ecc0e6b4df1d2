import type { Holder, LeaseSyncItem, LeaseSyncResult } from '@agentcostcontrol/contract'
import type { Hello, Welcome } from '../budget/lease-source.ts'
import type { SettledEvents } from './settled-events.ts'

/** What the main thread asks of the storage worker. */
export type StorageRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'sync'; readonly holder: Holder; readonly items: readonly LeaseSyncItem[] }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'settledAfter'; readonly seq: number; readonly limit: number }
  | { readonly kind: 'close' }

/** The answers, by kind. */
export interface StorageAnswers {
  /** Whether the ledger was found damaged, and is a new one. */
  readonly open: { readonly damaged: { readonly keptAs: string; readonly reason: string } | null }
  readonly hello: Welcome
  readonly sync: readonly LeaseSyncResult[]
  readonly checkpoint: null
  readonly settledAfter: SettledEvents | null
  readonly close: null
}

/** A request on its way. */
export interface StorageCall {
  readonly id: number
  readonly request: StorageRequest
}

/** A reply on its way. */
export type StorageReply =
  | { readonly id: number; readonly ok: true; readonly answer: StorageAnswers[keyof StorageAnswers] }
  | { readonly id: number; readonly ok: false; readonly reason: string }

/** What the worker is started with. */
export interface StorageWorkerData {
  readonly ledgerFile: string
  readonly outboxFile: string
}
