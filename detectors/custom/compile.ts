import type { CustomRuleDocument } from '@agentcostcontrol/contract'
import { compileCondition } from './condition.ts'
import { compilePattern } from './pattern.ts'

/** What is wrong in a rule of one's own, beyond what its schema sees. */
export function customRuleMistakes({ spec }: CustomRuleDocument): readonly {
  readonly path: readonly string[]
  readonly message: string
}[] {
  const pattern = spec.pattern === undefined ? null : compilePattern(spec.pattern, spec.ignoreCase)
  const condition = spec.condition === undefined ? null : compileCondition(spec.condition)
  return [
    pattern === null || pattern.ok ? [] : [{ path: ['spec', 'pattern'], message: pattern.message }],
    condition === null || condition.ok ? [] : [{ path: ['spec', 'condition'], message: condition.message }],
  ].flat()
}
