/** How a budget refuses: in words, and as figures for the client's program. */
import {
  type BudgetDecision,
  type BudgetEffect,
  formatUsd,
  maxUsd,
  type NanoUsd,
  nanoUsd,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { Clock } from '../clock.ts'
import { type Denial, denial } from '../exchange.ts'
import type { Pressure } from './pressure.ts'
import type { ReserveOutcome, Shortage } from './types.ts'

/** The refusal of a reservation for a model. @param isBounded false where nothing tells what the request may cost */
export function refusalOf(
  clock: Clock,
  model: string,
  isBounded: boolean,
  outcome: Extract<ReserveOutcome, { readonly shortage: Shortage }>,
): Denial {
  const { shortage } = outcome
  const details = shortageDecision(EFFECTS[outcome.kind], shortage, isBounded)
  const named = `This request for "${model.slice(0, 100)}"`
  const ask =
    details.requested_usd === null
      ? `${named} is bounded by nothing`
      : `${named} may cost up to $${details.requested_usd}`
  switch (outcome.kind) {
    case 'busy':
      return denial(
        'acc_budget_busy',
        `${ask}; the budget "${shortage.budgetName}" has $${details.remaining_usd} that is not held by running requests. Try again shortly.`,
        decided(details, Math.max(1, Math.ceil(outcome.retryAfterMs / 1_000))),
      )
    case 'disconnected':
      return denial(
        'acc_budget_disconnected',
        `The control plane cannot be reached, and onDisconnect of the budget "${shortage.budgetName}" is deny. This ends by itself when it answers.`,
        decided(details, DISCONNECTED_RETRY_S),
      )
    case 'exhausted':
      return denial(
        'acc_budget_exceeded',
        `${ask}; the budget "${shortage.budgetName}" of $${details.limit_usd} has $${details.remaining_usd} left${resetsIn(details)}.`,
        decided(details, secondsTo(clock, shortage.resetsAtMs)),
      )
  }
}

const EFFECTS = { busy: 'busy', disconnected: 'disconnected', exhausted: 'block' } as const

const decided = (budgetDecision: BudgetDecision, retryAfterS: number | null) => ({
  details: budgetDecision,
  budgetDecision,
  retryAfterS,
})

/** What a budget that was short did with a request. @param isBounded false where nothing tells what the request may cost */
export const shortageDecision = (action: BudgetEffect, shortage: Shortage, isBounded: boolean): BudgetDecision =>
  decisionOf(action, shortage, isBounded ? shortage.asked : null, maxUsd(ZERO_USD, shortage.available))

/** The refusal of a budget that blocks before it is spent. */
export function blockedEarly(clock: Clock, pressure: Pressure, asked: NanoUsd | null): Denial {
  const details = pressureDecision('block', pressure, asked)
  return denial(
    'acc_budget_exceeded',
    `The budget "${details.budget}" of $${details.limit_usd} is spent to ${pressure.percent} %, where it blocks; $${details.remaining_usd} are left${resetsIn(details)}.`,
    decided(details, secondsTo(clock, pressure.resetsAtMs)),
  )
}

/** The refusal of a budget that lets some requests a minute pass. */
export function throttled(pressure: Pressure, asked: NanoUsd | null, waitMs: number): Denial {
  const details = pressureDecision('throttle', pressure, asked)
  return denial(
    'acc_budget_throttled',
    `The budget "${details.budget}" of $${details.limit_usd} is spent to ${pressure.percent} % and lets ${pressure.budget.throttledPerMinute} requests a minute pass. Try again when Retry-After says.`,
    decided(details, Math.max(1, Math.ceil(waitMs / 1_000))),
  )
}

const DISCONNECTED_RETRY_S = 5

/** What a budget that is spent so far did with a request. @param asked the most that it can cost; `null` where nothing tells */
export const pressureDecision = (
  action: BudgetEffect,
  { budget, subject, limit, remaining, resetsAtMs }: Pressure,
  asked: NanoUsd | null,
): BudgetDecision => decisionOf(action, { budgetName: budget.name, subject, limit, resetsAtMs }, asked, remaining)

const decisionOf = (
  action: BudgetEffect,
  { budgetName, subject, limit, resetsAtMs }: Pick<Shortage, 'budgetName' | 'subject' | 'limit' | 'resetsAtMs'>,
  asked: NanoUsd | null,
  left: NanoUsd,
): BudgetDecision => ({
  action,
  budget: budgetName,
  subject,
  limit_usd: formatUsd(limit),
  remaining_usd: formatUsd(nanoUsd(left)),
  requested_usd: asked === null ? null : formatUsd(asked),
  resets_at: resetsAtMs === null ? null : new Date(resetsAtMs).toISOString(),
})

const resetsIn = ({ resets_at }: BudgetDecision): string => (resets_at === null ? '' : ` and resets at ${resets_at}`)

const secondsTo = (clock: Clock, atMs: number | null): number | null =>
  atMs === null ? null : Math.max(1, Math.ceil((atMs - clock.nowMs()) / 1_000))
