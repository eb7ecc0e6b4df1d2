/**
 * The words of the budget protocol (docs/adr and docs/guarantees tell the rules). A lease is escrow: money set aside
 * for one holder. Every number is cumulative and has one writer, so messages may be lost, repeated or reordered.
 */
import type { NanoUsd } from './money.ts'

/** How long before a period begins its leases are fetched at the earliest (H1), ms. */
export const LEASE_AHEAD_MS = 60_000

/** The kinds of periods; `rolling` counts what was booked in the time before now. */
export const BUDGET_PERIODS = ['daily', 'weekly', 'monthly', 'rolling', 'total'] as const
/** One of {@link BUDGET_PERIODS}. */
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

/** What money is counted against: one budget, for one subject, in one period. */
export interface Counter {
  /** Survives edits of the budget. */
  readonly budgetUid: string
  /** Whom the budget counts: `*` for everybody, `(none)` when the attribute is missing, `(other)` beyond `maxSubjects`. */
  readonly subject: string
  /** The id of a period (period.ts). Never goes back. */
  readonly periodId: string
}

/** Subject of a request that lacks the attribute a budget counts by. */
export const SUBJECT_NONE = '(none)'
/** Subject of all requests beyond a budget's `maxSubjects`. */
export const SUBJECT_OTHER = '(other)'

/** The canonical text of a counter: the key in maps and tables. */
export const counterKey = (counter: Counter): string =>
  `${counter.budgetUid}\u001f${counter.subject}\u001f${counter.periodId}`

/** Who holds a lease. */
export interface Holder {
  /** Made together with the outbox. */
  readonly instanceId: string
  /** Raised by the grantor when the holder's state cannot be trusted any more. */
  readonly generation: number
}

/** What a holder tells of one lease; all amounts cumulative. */
export interface LeaseSyncItem {
  readonly counter: Counter
  /** The budget's limit as the holder's policy has it. */
  readonly limit: NanoUsd
  readonly granted: NanoUsd
  readonly returned: NanoUsd
  readonly charged: NanoUsd
  /** Sum of the bounds of uncharged intents. */
  readonly uncharged: NanoUsd
  /** The smallest grant of use, the one needed now, and the one wished for. */
  readonly least: NanoUsd
  readonly need: NanoUsd
  readonly want: NanoUsd
  readonly close: boolean
}

/**
 * `granted`: at least `need` was added. `pending`: uncharged money in live leases would cover it, ask again.
 * `exhausted`: it would not; what was left was granted if it was at least `least`.
 */
export type GrantVerdict = 'granted' | 'pending' | 'exhausted'

/** The grantor's answer to one item. */
export interface LeaseSyncResult {
  readonly counter: Counter
  readonly granted: NanoUsd
  readonly verdict: GrantVerdict
  /** Limit − settled − escrow: what is left to grant; negative where a limit was lowered or overrun. */
  readonly available: NanoUsd
  /** Settled, charged by this holder beyond that, and open in leases that ended without a word (C4): never escrow. */
  readonly spent: NanoUsd
  /** How long the answer is believed, never beyond the end of the period; durations count from sending the request. */
  readonly ttlMs: number
  readonly retryAfterMs: number
}
