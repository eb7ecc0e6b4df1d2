/** What the API and the alerts look at of a budget in force: the one place that reads it. */
import { type Period, PROVIDER_NAMES, periodAt } from '@agentcostcontrol/contract'
import type { CompiledBudget, CompiledPolicy } from '@agentcostcontrol/policy'
import type { BudgetMarks } from './alert-repository.ts'

/** At which shares of its limit a budget alerts. */
export function marksOf({ uid, thresholds, warning, critical, period: { windowMs } }: CompiledBudget): BudgetMarks {
  const marks = [...new Set([...thresholds, warning, critical])].sort((a, b) => a - b)
  return { uid, marks, warning, critical, windowMs }
}

/** Why more than its limit can be spent of a budget: the keys of policy that let it. */
export const SOFTNESS = ['mode', 'action', 'onDisconnect', 'onUnbounded'] as const
/** One of {@link SOFTNESS}. */
export type Softness = (typeof SOFTNESS)[number]

/** Why more than the limit can be spent; nothing for a budget that holds. */
export function softnessOf(
  { mode, isHard, onDisconnect }: CompiledBudget,
  policy: CompiledPolicy,
): readonly Softness[] {
  const uncovered = PROVIDER_NAMES.some((name) => policy.provider(name).onUnbounded === 'allowCounted')
  const why: readonly [Softness, boolean][] = [
    ['mode', mode === 'audit'],
    ['action', mode === 'enforce' && !isHard],
    ['onDisconnect', onDisconnect === 'allow'],
    ['onUnbounded', uncovered],
  ]
  return why.flatMap(([key, holds]) => (holds ? [key] : []))
}

/** The period of a budget at an instant. */
export const periodOfBudget = ({ period }: CompiledBudget, atMs: number): Period => periodAt(period, atMs)

/** Of which agents the budget is everything that they spend: `all`, `each` by its name, or `null` for anything else. */
export const countsBy = ({ countsBy: [part, ...more] }: CompiledBudget): 'all' | 'agent' | null => {
  if (part === undefined) return 'all'
  return part === 'agent' && more.length === 0 ? 'agent' : null
}

/** How often a budget was reset, by its document and through the API. */
export const resetsOf = ({ period }: CompiledBudget): number => period.resets
