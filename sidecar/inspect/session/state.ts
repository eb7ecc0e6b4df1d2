import type { Finding } from '@agentcostcontrol/contract'
import type { Delegated } from '@agentcostcontrol/detectors'
import { FingerprintTable } from './fingerprint-table.ts'
import { KNOWN } from './grade.ts'
import { addPrompt, type ShingleSet } from './prompt-shingles.ts'
import { SecretIndex } from './secret-facts.ts'
import type { TextFacts, ValueFact } from './text-facts.ts'

/** Most values that one session keeps; the oldest go first. */
const SESSION_VALUES_MAX = 4_096
const NAMES_MAX = 2_048
const UNITS_MAX = 4_096
const CALLS_MAX = 2_048

/** A finding, and the text of its unit that it stands in. */
export interface UnitFinding {
  readonly at: number
  readonly finding: Finding
}

const NOTHING_FOUND: readonly UnitFinding[] = []
const NO_FINDINGS: readonly Finding[] = []

/** What is kept of one conversation: fingerprints, and no text. */
export class SessionState {
  readonly #values = new FingerprintTable(SESSION_VALUES_MAX)
  readonly #names = new FingerprintTable(NAMES_MAX)
  readonly #shown = new FingerprintTable(NAMES_MAX)
  readonly #units = new FingerprintTable(UNITS_MAX)
  readonly #calls = new FingerprintTable(CALLS_MAX)
  /** Of the few units and calls in which there is something. */
  readonly #inUnits = new Map<number, UnitFinding[]>()
  readonly #inCalls = new Map<number, readonly Finding[]>()
  readonly #owed = new Set<number>()
  readonly secrets = new SecretIndex()
  readonly delegated = new Set<Delegated>()
  readonly prompts: ShingleSet[] = []
  /** Personal data or a secret was seen. */
  isPrivate = false
  /** A text that anybody may have written was seen. */
  isExposed = false
  /** The last call before a result named what the user had named. */
  #asked = false
  get valueCount(): number {
    return this.#values.size
  }

  /** What is known of a value, as bits of {@link KNOWN}. */
  knows(key: number): number {
    return this.#values.bitsOf(key)
  }

  /** What was found in a unit of texts; `undefined` the first time that it is seen. */
  unit(id: number): readonly UnitFinding[] | undefined {
    return this.#units.has(id) ? (this.#inUnits.get(id) ?? NOTHING_FOUND) : undefined
  }

  /** Remembers that a unit was seen. */
  addUnit(id: number): void {
    const gone = this.#units.add(id)
    if (gone !== null) this.#inUnits.delete(gone)
  }

  /** Remembers what was found in a unit. */
  addInUnit(id: number, finding: UnitFinding): void {
    const known = this.#inUnits.get(id)
    if (known) known.push(finding)
    else if (this.#units.has(id)) this.#inUnits.set(id, [finding])
  }

  /** What was found in a call when it was first seen. */
  judged(call: number): readonly Finding[] | undefined {
    return this.#calls.has(call) ? (this.#inCalls.get(call) ?? NO_FINDINGS) : undefined
  }

  /** Remembers what was found in a call, so that what comes after it does not count against it. */
  judge(call: number, findings: readonly Finding[]): void {
    const gone = this.#calls.add(call)
    if (gone !== null) this.#inCalls.delete(gone)
    if (findings.length > 0) this.#inCalls.set(call, findings)
    else this.#inCalls.delete(call)
  }

  /** A call of an answer is to be taken for the model's own as soon as what stands in front of it was read. */
  owe(call: number): void {
    if (this.#owed.size < CALLS_MAX) this.#owed.add(call)
  }

  /** Whether that is so; not any more from now on. */
  settleOwed(call: number): boolean {
    return this.#owed.delete(call)
  }

  /** Takes a text in, after all that stands in front of it. */
  absorb(facts: TextFacts): void {
    this.isPrivate ||= facts.isPrivate
    switch (facts.source) {
      case 'user':
        for (const name of facts.names) this.#names.add(name)
        for (const one of facts.delegated) this.delegated.add(one)
        this.#shown.drain((key) => this.#mark(key, KNOWN.NAMED))
        this.#trust(facts)
        break
      case 'system':
      case 'tool_definition':
        if (facts.prompt) this.addPrompt(facts.prompt)
        this.#trust(facts)
        break
      case 'assistant':
        for (const { key } of facts.values) this.#shown.add(key)
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
    addPrompt(this.prompts, prompt)
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
    this.#values.add(key, bits)
  }
}

/** Whether anybody may have written what a tool gives. */
const isOpen = (tool: string | undefined): boolean => tool === undefined || OPEN.test(tool)

const OPEN =
  /web|browse|http|url|page|site|search|mail|inbox|message|slack|chat|channel|issue|pull|review|comment|post|calendar|event|news|rss|feed|article|ticket|tweet|download|fetch/i
