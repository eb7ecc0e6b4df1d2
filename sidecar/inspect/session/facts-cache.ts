import type { TextFacts } from './text-facts.ts'

/** What a text weighs beside its values. */
const TEXT_WEIGHT = 4

/** Facts by the key of the unit that the texts are in, within a bound on what they hold together. */
export class FactsCache {
  readonly #weightMax: number
  readonly #units = new Map<string, { readonly facts: readonly TextFacts[]; readonly weight: number }>()
  #weight = 0

  /** @param weightMax most values, names and shingles that are kept */
  constructor(weightMax: number) {
    this.#weightMax = weightMax
  }

  get(key: string): readonly TextFacts[] | undefined {
    const known = this.#units.get(key)
    if (!known) return undefined
    this.#units.delete(key)
    this.#units.set(key, known)
    return known.facts
  }

  set(key: string, facts: readonly TextFacts[]): void {
    const weight = facts.reduce((sum, one) => sum + weigh(one), 0)
    if (weight > this.#weightMax / 8) return
    this.#units.set(key, { facts, weight })
    this.#weight += weight
    for (const [oldest, its] of this.#units) {
      if (this.#weight <= this.#weightMax) break
      this.#units.delete(oldest)
      this.#weight -= its.weight
    }
  }

  /** For the metrics. */
  get weight(): number {
    return this.#weight
  }
}

const weigh = ({ values, names, secrets, prompt }: TextFacts): number =>
  TEXT_WEIGHT +
  names.length +
  secrets.length +
  (prompt?.size ?? 0) +
  values.reduce((sum, { near }) => sum + 2 + near.length, 0)
