/**
 * The vocabulary of the budget stage. Reservations live in memory, over all matching counters or none; leases and
 * intents live on disk (events/). The rules are those of the budget protocol, quoted as H1 to H8.
 */
import type { Counter, NanoUsd } from '@agentcostcontrol/contract'
import type { MatchedBudget } from '@agentcostcontrol/policy'
import type { Pressure } from './pressure.ts'

/** What the pipeline asks before an attempt is sent. */
export interface ReserveRequest {
  /** Every budget that matches; each counter once. */
  readonly lines: readonly MatchedBudget[]
  /** The bound U: the attempt costs at most this. */
  readonly bound: NanoUsd
  /** The smallest amount of use: the bound with the output limit clamped to its minimum. At most `bound`. */
  readonly least: NanoUsd
  /** Aborted when the client leaves; a waiting reservation then ends as `abandoned`. */
  readonly signal: AbortSignal
}

/** Money taken out of leases for one attempt; ends by exactly one settlement. */
export interface Reservation {
  readonly bound: NanoUsd
  /** The counters it was taken from, with the lease generation of each; `key` is the counter's. */
  readonly holds: readonly {
    readonly counter: Counter
    readonly key: string
    readonly generation: number
    readonly budgetName: string
  }[]
}

/** A refusal names the budget that was short. Amounts are of that budget, at the time of the refusal. */
export interface Shortage {
  readonly budgetName: string
  readonly subject: string
  readonly limit: NanoUsd
  /** What this request could still reserve from it. */
  readonly available: NanoUsd
  readonly asked: NanoUsd
  /** When the period ends, ms since the epoch; `null` for a period that does not end. */
  readonly resetsAtMs: number | null
}

/**
 * - `reserved`: go on.
 * - `exhausted`: the budget is spent for that much; the pipeline may clamp the output to `shortage.available` and ask again, once.
 * - `busy`: money is held by running requests and may come back; ask again after `retryAfterMs`.
 * - `disconnected`: the grantor cannot be reached, and a budget refuses then.
 * - `abandoned`: the client left while its request waited; nothing is held.
 */
export type ReserveOutcome =
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  | { readonly kind: 'exhausted'; readonly shortage: Shortage }
  | { readonly kind: 'busy'; readonly shortage: Shortage; readonly retryAfterMs: number }
  | { readonly kind: 'disconnected'; readonly shortage: Shortage }
  | { readonly kind: 'abandoned' }

/** The budget stage as the pipeline sees it. */
export interface BudgetGate {
  /** The budgets that are spent to where they warn or do something. */
  pressure(lines: readonly MatchedBudget[]): readonly Pressure[]
  /** Answers at once, without a promise, while healthy leases cover the bound. */
  reserve(request: ReserveRequest): ReserveOutcome | Promise<ReserveOutcome>
  /**
   * Takes back a reservation whose intent was never committed, or whose attempt was certainly not sent; a second time
   * changes nothing.
   * Attempts whose intent was committed end through {@link Outbox.settle} alone.
   */
  release(reservation: Reservation): void
}
