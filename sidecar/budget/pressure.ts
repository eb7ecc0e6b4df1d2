import { type BudgetAction, maxUsd, type NanoUsd, nanoUsd, ZERO_USD } from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import type { Account } from './account.ts'
import type { Slot } from './books.ts'

/** A budget of which so much is spent that it warns, or does something. */
export interface Pressure {
  readonly budget: CompiledBudget
  readonly subject: string
  /** The counter's key. */
  readonly key: string
  readonly limit: NanoUsd
  /** What is not spent of it, leases and running requests aside; never negative. */
  readonly remaining: NanoUsd
  /** Spent per cent of the limit, rounded down. */
  readonly percent: number
  /** What it does at that share. */
  readonly actions: readonly BudgetAction[]
  /** When the period ends, ms since the epoch; `null` for one that does not end. */
  readonly resetsAtMs: number | null
}

const NONE: readonly Pressure[] = []
const NO_ACTIONS: readonly BudgetAction[] = []
const ALL = 100

/**
 * The budgets of a request that are spent to where they warn or do something, by the grantor's last answer and what was
 * charged here since.
 */
export function pressureOf(slots: readonly Slot[]): readonly Pressure[] {
  let pressed: Pressure[] | null = null
  for (const slot of slots) {
    if (spentOf(slot.account) < slot.account.pressedAt) continue
    pressed ??= []
    pressed.push(pressureOfSlot(slot))
  }
  return pressed ?? NONE
}

/** From what on a budget warns or does something, at a limit. */
export function pressedAt({ warning, steps }: CompiledBudget, limit: NanoUsd): NanoUsd {
  const first = steps[0]?.at ?? ALL
  return nanoUsd((limit * BigInt(Math.min(warning, first))) / BigInt(ALL))
}

const spentOf = ({ spent, charged, toldCharged }: Account): NanoUsd => nanoUsd(spent + charged - toldCharged)

function pressureOfSlot({ account, book, subject }: Slot): Pressure {
  const { budget } = book
  const { limit, period, key } = account
  const spent = spentOf(account)
  const percent = limit === ZERO_USD ? ALL : Number((spent * BigInt(ALL)) / limit)
  const due = budget.steps.filter(({ at }) => percent >= at)
  return {
    budget,
    subject,
    key,
    limit,
    remaining: maxUsd(ZERO_USD, nanoUsd(limit - spent)),
    percent,
    actions: due.length === 0 ? NO_ACTIONS : due.map(({ action }) => action),
    resetsAtMs: Number.isFinite(period.endsAtMs) ? period.endsAtMs : null,
  }
}
