import { type BudgetDocument, periodRule } from '@agentcostcontrol/contract'
import { type BudgetSelector, selectorOf } from './budget-selector.ts'
import type { BudgetStep, CompiledBudget } from './types.ts'

/** A budget, and which requests it holds for. */
export interface BudgetRule {
  readonly budget: CompiledBudget
  readonly selector: BudgetSelector
}

const BREACH = 100

/** Compiles a validated document. */
export function compileBudget({ metadata: { name }, spec }: BudgetDocument): BudgetRule {
  const { scope, limit, period, window, timeZone, resets, mode, maxSubjects, onDisconnect } = spec
  const steps = stepsOf(spec)
  const selector = selectorOf(spec.selector ?? {})
  const budget: CompiledBudget = Object.freeze({
    uid: `Budget/${name}`,
    name,
    scope,
    countsBy: Object.freeze(selector.looks.map((look) => look.name)),
    limit,
    period: Object.freeze(periodRule(period, { window, timeZone, resets })),
    mode,
    isHard: mode === 'enforce' && steps.some(({ action }) => REFUSING.has(action)),
    steps,
    downgrade: Object.freeze([...(spec.downgrade ?? [])]),
    throttledPerMinute: spec.throttle?.requestsPerMinute ?? null,
    thresholds: Object.freeze([...new Set(spec.thresholds)].sort((a, b) => a - b)),
    warning: spec.warning,
    critical: spec.critical,
    onDisconnect,
    maxSubjects,
  })
  return { budget, selector }
}

const REFUSING: ReadonlySet<string> = new Set(['block', 'downgrade_model'])

const stepsOf = ({ steps, action }: BudgetDocument['spec']): readonly BudgetStep[] =>
  Object.freeze([...steps, { at: BREACH, action }].sort((a, b) => a.at - b.at).map((step) => Object.freeze(step)))
