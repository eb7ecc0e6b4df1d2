/** What budgets tell of themselves: what they did with a request, and how far they are spent. */
import * as z from 'zod'

/**
 * What a budget does with a request that it does not just let pass. `busy`: what is left is held by running requests;
 * `disconnected`: nobody who grants leases can be reached, and it refuses then; `clamp`: the output limit was lowered.
 */
export const BUDGET_EFFECTS = ['block', 'busy', 'disconnected', 'throttle', 'clamp', 'downgrade_model'] as const
/** One of {@link BUDGET_EFFECTS}. */
export type BudgetEffect = (typeof BUDGET_EFFECTS)[number]

/**
 * What a budget decided of a request: of a refusal in the client's answer under `details`, and in the request's event
 * wherever it did not just pass. The members are as the wire has them.
 */
export type BudgetDecision = {
  readonly action: BudgetEffect
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
  /** Of `downgrade_model` alone: the model that was asked for. */
  readonly asked_model?: string
}

const usd = z.string().regex(/^\d{1,12}(\.\d{1,9})?$/, 'expected decimal USD')
const line = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !text.includes('\u0000'), 'holds a NUL character')

/** A {@link BudgetDecision} as JSON. */
export const budgetDecisionSchema = z.object({
  action: z.enum(BUDGET_EFFECTS),
  budget: line(256),
  subject: line(256),
  limit_usd: usd,
  remaining_usd: usd,
  requested_usd: usd.nullable(),
  resets_at: z.iso.datetime().nullable(),
  asked_model: line(256).exactOptional(),
})

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
