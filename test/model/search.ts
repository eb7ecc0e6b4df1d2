/** An exhaustive breadth-first search: the first violation that is found has the shortest trace. */
import { type Broken, brokenIn, type Invariant } from './invariants.ts'
import type { Rules } from './rules.ts'
import { type Instance, initialState, type State } from './state.ts'
import { stepsFrom } from './steps.ts'

/** Where a search ends by itself. */
export interface Bounds {
  /** Most steps from the beginning. */
  readonly depth: number
  /** Most states that are kept in memory. */
  readonly states: number
}

/** What a search found. */
export interface Found {
  /** Different states that were seen. */
  readonly states: number
  /** The longest shortest way to one of them. */
  readonly depth: number
  /** True if there is no other state at all. */
  readonly complete: boolean
  readonly violation: (Broken & { readonly trace: readonly string[] }) | null
}

/** Looks for a state in which an invariant does not hold. @param only the one to look for; all of them by default */
export function search(instance: Instance, rules: Rules, bounds: Bounds, only: Invariant | null = null): Found {
  const texts = new Texts()
  const start = initialState(instance)
  const seen = new Set<string>([texts.of(start)])
  const parents: number[] = [-1]
  const labels: string[] = ['']
  let level: { readonly state: State; readonly at: number }[] = [{ state: start, at: 0 }]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === bounds.depth) return { states: seen.size, depth, complete: false, violation: null }
    const next: typeof level = []
    for (const { state, at } of level) {
      for (const step of stepsFrom(instance, rules, state)) {
        const text = texts.of(step.state)
        if (seen.has(text)) continue
        if (seen.size >= bounds.states) return { states: seen.size, depth, complete: false, violation: null }
        seen.add(text)
        parents.push(at)
        labels.push(step.label)
        const here = parents.length - 1
        const broken = brokenIn(instance, step.state, state).find(({ invariant }) => !only || invariant === only)
        if (broken) {
          const violation = { ...broken, trace: traceTo(here, parents, labels) }
          return { states: seen.size, depth: depth + 1, complete: false, violation }
        }
        next.push({ state: step.state, at: here })
      }
    }
    level = next
    if (level.length === 0) return { states: seen.size, depth, complete: true, violation: null }
  }
  return { states: seen.size, depth: 0, complete: true, violation: null }
}

function traceTo(at: number, parents: readonly number[], labels: readonly string[]): readonly string[] {
  const trace: string[] = []
  for (let here = at; here > 0; here = parents[here] ?? 0) trace.unshift(labels[here] ?? '')
  return trace
}

/** Short texts of states: equal parts have the same number. */
class Texts {
  readonly #known = new WeakMap<object, number>()
  readonly #numbers = new Map<string, number>()

  of({ sidecars, ledger, backup, read, requests, network, period, left }: State): string {
    let text = `${period}`
    for (const part of [ledger, backup, read, left, ...requests, null, ...sidecars, null, ...network])
      text += `,${part === null ? '' : this.#number(part)}`
    return text
  }

  #number(part: object): number {
    const known = this.#known.get(part)
    if (known !== undefined) return known
    const text = JSON.stringify(part)
    const number = this.#numbers.get(text) ?? this.#numbers.size
    this.#numbers.set(text, number)
    this.#known.set(part, number)
    return number
  }
}
