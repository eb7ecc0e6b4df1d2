/** What budgets tell of themselves: why a request was refused, and how far they are spent. */

/** Why a budget refused a request, in the client's answer under `details`: its members are as the wire has them. */
export type BudgetDecision = {
  /** Name of the budget that was short. */
  readonly budget: string
  readonly subject: string
  /** This and the next two are decimal USD. */
  readonly limit_usd: string
  readonly remaining_usd: string
  /** The most that the request could cost; `null` where nothing bounds that. */
  readonly requested_usd: string | null
  /** RFC 3339 UTC; `null` for a budget whose period does not end. */
  readonly resets_at: string | null
}

/** `warning` and `critical` are the budget's own two; every other mark is a `threshold`. */
export const BUDGET_ALERT_KINDS = ['threshold', 'warning', 'critical'] as const
/** One of {@link BUDGET_ALERT_KINDS}. */
export type BudgetAlertKind = (typeof BUDGET_ALERT_KINDS)[number]

/** A subject of a budget was spent to a share of its limit, for the first time in a period. */
export interface BudgetAlert {
  readonly budgetUid: string
  readonly name: string
  readonly subject: string
  readonly periodId: string
  /** Per cent of the limit. */
  readonly threshold: number
  readonly kind: BudgetAlertKind
  /** Settled, and what leases that ended hold unreported; nano-USD, decimal, when it was found. */
  readonly spentNanoUsd: string
  readonly limitNanoUsd: string
  /** RFC 3339 UTC, by the clock of the database. */
  readonly crossedAt: string
}
