import type { Finding } from '@agentcostcontrol/contract'
import type { Delegated } from '@agentcostcontrol/detectors'
import { KNOWN } from './grade.ts'
import type { ShingleSet } from './prompt-shingles.ts'
import { SecretIndex } from './secret-facts.ts'
import type { TextFacts, ValueFact } from './text-facts.ts'

/** Most values that one session keeps; the oldest go first. */
const SESSION_VALUES_MAX = 4_096
const NAMES_MAX = 2_048
/** Most system prompts that one conversation has. */
export const PROMPTS_MAX = 8
const UNITS_MAX = 4_096
const CALLS_MAX = 2_048

/** A finding, and the text of its unit that it stands in. */
export interface UnitFinding {
  readonly at: number
  readonly finding: Finding
}

/** What is kept of one conversation: fingerprints, and no text. */
export class SessionState {
  readonly #values = new Map<number, number>()
  readonly #names = new Set<number>()
  readonly #units = new Map<string, readonly UnitFinding[]>()
  readonly #calls = new Map<number, readonly Finding[]>()
  readonly #shown = new Set<number>()
  readonly secrets = new SecretIndex()
  readonly delegated = new Set<Delegated>()
  readonly prompts: ShingleSet[] = []
  /** Personal data or a secret was seen. */
  isPrivate = false
  /** A text that anybody may have written was seen. */
  isExposed = false
  /** The last call before a result named what the user had named. */
  #asked = false
  /** Values were dropped for want of room: what is not known may have been one. */
  overflowed = false

  get valueCount(): number {
    return this.#values.size
  }

  /** What is known of a value, as bits of {@link KNOWN}. */
  knows(key: number): number {
    return this.#values.get(key) ?? 0
  }

  /** What was found in a unit of texts; `undefined` the first time that it is seen. */
  unit(key: string): readonly UnitFinding[] | undefined {
    return this.#units.get(key)
  }

  /** Remembers that a unit was seen. */
  setUnit(key: string, findings: readonly UnitFinding[]): void {
    boundedSet(this.#units, key, findings, UNITS_MAX)
  }

  /** What was found in a call when it was first seen. */
  judged(call: number): readonly Finding[] | undefined {
    return this.#calls.get(call)
  }

  /** Remembers what was found in a call, so that what comes after it does not count against it. */
  judge(call: number, findings: readonly Finding[]): void {
    boundedSet(this.#calls, call, findings, CALLS_MAX)
  }

  /** Takes a text in, after all that stands in front of it. */
  absorb(facts: TextFacts): void {
    this.isPrivate ||= facts.isPrivate
    switch (facts.source) {
      case 'user':
        for (const name of facts.names) boundedAdd(this.#names, name, NAMES_MAX)
        for (const one of facts.delegated) this.delegated.add(one)
        for (const key of this.#shown) this.#mark(key, KNOWN.NAMED)
        this.#shown.clear()
        this.#trust(facts)
        break
      case 'system':
      case 'tool_definition':
        if (facts.prompt) this.addPrompt(facts.prompt)
        this.#trust(facts)
        break
      case 'assistant':
        for (const { key } of facts.values) boundedAdd(this.#shown, key, NAMES_MAX)
        break
      case 'tool_call':
        this.#asked =
          facts.names.some((name) => this.#names.has(name)) ||
          facts.values.some(({ key }) => (this.knows(key) & KNOWN.TRUSTED) !== 0)
        break
      case 'tool_result':
        this.isExposed ||= facts.isHostile || isOpen(facts.tool)
        for (const secret of facts.secrets) this.secrets.add(secret, false)
        for (const value of facts.values) this.#mark(value.key, this.#bitsOf(value))
        break
    }
  }

  /** Takes a system prompt in, once. */
  addPrompt(prompt: ShingleSet): void {
    if (this.prompts.length < PROMPTS_MAX && !this.prompts.some((known) => known === prompt || known.isSame(prompt)))
      this.prompts.push(prompt)
  }

  /** What a call was given that no text had said came from the model or from the user in other words. */
  own(facts: TextFacts): void {
    for (const { key } of facts.values) if (this.knows(key) === 0) this.#mark(key, KNOWN.OWN)
  }

  #trust(facts: TextFacts): void {
    for (const secret of facts.secrets) this.secrets.add(secret, true)
    for (const { key, domain } of facts.values) {
      this.#mark(key, KNOWN.TRUSTED)
      if (domain !== 0) this.#mark(domain, KNOWN.ORGANISATION)
    }
  }

  #bitsOf(value: ValueFact): number {
    let bits: number = value.isField ? KNOWN.FIELD : KNOWN.PROSE
    if (value.isCued) bits |= KNOWN.HOSTILE
    if (value.isOnly) bits |= this.#asked ? KNOWN.ONLY | KNOWN.ASKED : KNOWN.ONLY
    if (value.near.some((name) => this.#names.has(name))) bits |= KNOWN.NAMED
    if (value.domain !== 0 && (this.knows(value.domain) & KNOWN.ORGANISATION) !== 0) bits |= KNOWN.ORGANISATION
    return bits
  }

  #mark(key: number, bits: number): void {
    const known = this.#values.get(key)
    if (known === undefined && this.#values.size >= SESSION_VALUES_MAX) {
      const [oldest] = this.#values.keys()
      if (oldest !== undefined) this.#values.delete(oldest)
      this.overflowed = true
    }
    this.#values.set(key, (known ?? 0) | bits)
  }
}

/** Whether anybody may have written what a tool gives. */
const isOpen = (tool: string | undefined): boolean => tool === undefined || OPEN.test(tool)

const OPEN =
  /web|browse|http|url|page|site|search|mail|inbox|message|slack|chat|channel|issue|pull|review|comment|post|calendar|event|news|rss|feed|article|ticket|tweet|download|fetch/i

function boundedAdd<T>(into: Set<T>, value: T, max: number): void {
  if (into.size >= max && !into.has(value)) {
    const [oldest] = into
    if (oldest !== undefined) into.delete(oldest)
  }
  into.add(value)
}

function boundedSet<K, V>(into: Map<K, V>, key: K, value: V, max: number): void {
  if (into.size >= max && !into.has(key)) {
    const [oldest] = into.keys()
    if (oldest !== undefined) into.delete(oldest)
  }
  into.set(key, value)
}
