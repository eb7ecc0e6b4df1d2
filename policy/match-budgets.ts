import type { Look } from './budget-selector.ts'
import type { BudgetRule } from './compile-budget.ts'
import type { MatchedBudget, Spender } from './types.ts'

/** Requests whose matches are remembered; what they show comes from outside, so there is a bound. */
const REMEMBERED_MAX = 10_000
/** Stands for what a request does not show: no value holds it. */
const ABSENT = '\u0000'
const SEPARATOR = '\u001e'

/**
 * Tells which budgets hold for a request. The answer for requests that show the same, as far as any budget looks, is the
 * same array as long as it is remembered.
 */
export function createBudgetMatch(rules: readonly BudgetRule[]): (spender: Spender) => readonly MatchedBudget[] {
  const looks = [...new Map(rules.flatMap(({ selector }) => selector.looks).map((look) => [look.name, look])).values()]
  const known = new Map<string, readonly MatchedBudget[]>()
  return (spender) => {
    const key = shown(looks, spender)
    const remembered = known.get(key)
    if (remembered) return remembered
    const matched = Object.freeze(rules.flatMap((rule) => match(rule, spender)))
    const [oldest] = known.size >= REMEMBERED_MAX ? known.keys() : []
    if (oldest !== undefined) known.delete(oldest)
    known.set(key, matched)
    return matched
  }
}

function match({ budget, selector }: BudgetRule, spender: Spender): readonly MatchedBudget[] {
  const subject = selector.subjectOf(spender)
  return subject === null ? [] : [Object.freeze({ budget, subject })]
}

function shown(looks: readonly Look[], spender: Spender): string {
  const [first, ...more] = looks
  if (first === undefined) return ''
  let key = first.see(spender) ?? ABSENT
  for (const look of more) key += SEPARATOR + (look.see(spender) ?? ABSENT)
  return key
}
