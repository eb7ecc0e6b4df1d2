import { hash } from 'node:crypto'
import type { Finding } from '@agentcostcontrol/contract'

/** Findings of one text; most are none. */
export type Verdict = readonly Finding[]

/** Verdicts of texts that were judged together, in their order; none at all if all are clean. */
export type Verdicts = readonly Verdict[]

/** What names a text, in a scope of detectors, their versions and the text's source. */
export interface VerdictKey {
  /** SHA-256, a character a byte. */
  readonly digest: string
  readonly scope: string
}

const CLEAN: Verdicts = []
const WORDS = 8
/** A verdict may stand in any slot of its set; of a full set the one goes that was not asked for longest. */
const SET_SLOTS = 4
/** Where the detectors find something the verdicts themselves are kept, a tenth as many. */
const WITH_FINDINGS = 10

/**
 * Verdicts by the whole SHA-256 of the text, so that nobody can forge a clean one. Bounded. Clean ones, which are nearly
 * all, are nothing but their key in a table of numbers: as strings in a map they would be what a garbage collector has
 * most to do with.
 */
export class VerdictCache {
  readonly #sets: number
  readonly #keys: Int32Array
  /** When each slot was last asked for, by a count of all that was; 0 is an empty one. */
  readonly #usedAt: Uint32Array
  readonly #scopes = new Map<string, Int32Array>()
  readonly #key = new Int32Array(WORDS)
  readonly #findings = new Map<string, Verdicts>()
  readonly #findingsMax: number
  #now = 0
  #clean = 0
  #hits = 0
  #misses = 0

  constructor(entriesMax: number) {
    this.#findingsMax = Math.ceil(entriesMax / WITH_FINDINGS)
    this.#sets = Math.max(1, Math.floor((entriesMax - this.#findingsMax) / SET_SLOTS))
    this.#keys = new Int32Array(this.#sets * SET_SLOTS * WORDS)
    this.#usedAt = new Uint32Array(this.#sets * SET_SLOTS)
  }

  /** The key of a text. Costs about a microsecond and half a nanosecond a byte. */
  static key(text: string, scope: string): VerdictKey {
    return { digest: digestOf(text), scope }
  }

  get(key: VerdictKey): Verdicts | undefined {
    const verdicts = this.#findSlot(key) === -1 ? this.#findings.get(key.scope + key.digest) : CLEAN
    if (verdicts === undefined) this.#misses++
    else this.#hits++
    return verdicts
  }

  set(key: VerdictKey, verdicts: Verdicts): void {
    if (verdicts.length === 0) this.#setClean(key)
    else {
      const [oldest] = this.#findings.keys()
      if (oldest !== undefined && this.#findings.size >= this.#findingsMax) this.#findings.delete(oldest)
      this.#findings.set(key.scope + key.digest, verdicts)
    }
  }

  /** For the metrics. */
  stats(): { readonly entries: number; readonly hits: number; readonly misses: number } {
    return { entries: this.#clean + this.#findings.size, hits: this.#hits, misses: this.#misses }
  }

  /** The slot of a clean verdict, which counts as asked for now; -1 if there is none. */
  #findSlot(key: VerdictKey): number {
    const first = this.#firstSlot(key)
    for (let slot = first; slot < first + SET_SLOTS; slot++) {
      if (this.#usedAt[slot] === 0 || !this.#isIn(slot)) continue
      this.#touch(slot)
      return slot
    }
    return -1
  }

  #setClean(key: VerdictKey): void {
    const first = this.#firstSlot(key)
    let chosen = first
    for (let slot = first; slot < first + SET_SLOTS; slot++) {
      // Two scans under way may come to the same verdict.
      if (this.#isIn(slot)) return
      if (this.#age(slot) > this.#age(chosen)) chosen = slot
    }
    if (this.#usedAt[chosen] === 0) this.#clean++
    this.#keys.set(this.#key, chosen * WORDS)
    this.#touch(chosen)
  }

  /** Puts the key's words in place, and gives the first slot of its set. */
  #firstSlot({ digest, scope }: VerdictKey): number {
    const key = this.#key
    const own = this.#scopeWords(scope)
    for (let word = 0; word < WORDS; word++) key[word] = wordOf(digest, word) ^ (own[word] ?? 0)
    return (((key[0] ?? 0) >>> 0) % this.#sets) * SET_SLOTS
  }

  #scopeWords(scope: string): Int32Array {
    let words = this.#scopes.get(scope)
    if (!words) {
      const digest = digestOf(scope)
      words = Int32Array.from({ length: WORDS }, (_, word) => wordOf(digest, word))
      this.#scopes.set(scope, words)
    }
    return words
  }

  #isIn(slot: number): boolean {
    const from = slot * WORDS
    for (let word = 0; word < WORDS; word++) if (this.#keys[from + word] !== this.#key[word]) return false
    return true
  }

  #touch(slot: number): void {
    // The count goes round; 0 is left out.
    this.#now = (this.#now + 1) >>> 0 || 1
    this.#usedAt[slot] = this.#now
  }

  #age(slot: number): number {
    const usedAt = this.#usedAt[slot] ?? 0
    return usedAt === 0 ? Number.POSITIVE_INFINITY : (this.#now - usedAt) >>> 0
  }
}

const digestOf = (text: string): string => hash('sha256', text, 'binary')

function wordOf(digest: string, word: number): number {
  const at = word * 4
  return (
    digest.charCodeAt(at) |
    (digest.charCodeAt(at + 1) << 8) |
    (digest.charCodeAt(at + 2) << 16) |
    (digest.charCodeAt(at + 3) << 24)
  )
}
