import { type BudgetPeriod, nanoUsd, periodRule } from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'

/** A budget of the organisation, of 1000 nano-USD without an end; what a test cares about put in. */
export const budgetOf = (
  fields: Partial<Omit<CompiledBudget, 'limit' | 'period'>> & {
    readonly limit?: number
    readonly period?: BudgetPeriod | CompiledBudget['period']
  } = {},
) => {
  const { name = 'org', limit = 1_000, period = 'total', ...rest } = fields
  const budget: CompiledBudget = {
    uid: `Budget/${name}`,
    name,
    scope: 'global',
    countsBy: rest.scope === undefined || rest.scope === 'global' ? [] : ['agent'],
    mode: 'enforce',
    isHard: rest.mode !== 'audit',
    steps: [{ at: 100, action: 'block' }],
    downgrade: [],
    throttledPerMinute: null,
    thresholds: [50, 75, 90, 100],
    warning: 80,
    critical: 100,
    onDisconnect: 'spend-lease',
    maxSubjects: 1_000,
    ...rest,
    period: typeof period === 'string' ? periodRule(period) : period,
    limit: nanoUsd(BigInt(limit)),
  }
  return budget
}

/** What matches a request: these budgets, for `*` or this subject. */
export const linesOf = (subject: string, ...budgets: readonly CompiledBudget[]): readonly MatchedBudget[] =>
  budgets.map((budget) => ({ budget, subject: budget.scope === 'global' ? '*' : subject }))
