import { nanoUsd } from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'

/** A budget of the organisation, of 1000 nano-USD without an end; what a test cares about put in. */
export const budgetOf = (fields: Partial<Omit<CompiledBudget, 'limit'>> & { readonly limit?: number } = {}) => {
  const { name = 'org', limit = 1_000, ...rest } = fields
  const budget: CompiledBudget = {
    uid: `Budget/${name}`,
    name,
    scope: 'global',
    period: 'total',
    mode: 'enforce',
    maxSubjects: 1_000,
    ...rest,
    limit: nanoUsd(BigInt(limit)),
  }
  return budget
}

/** What matches a request: these budgets, for `*` or this subject. */
export const linesOf = (subject: string, ...budgets: readonly CompiledBudget[]): readonly MatchedBudget[] =>
  budgets.map((budget) => ({ budget, subject: budget.scope === 'global' ? '*' : subject }))
