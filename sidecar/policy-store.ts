import type { CompiledPolicy, PolicyProblem } from '@agentcostcontrol/policy'
import type { Clock } from './clock.ts'
import type { Logger } from './log.ts'

/** The policy in force, wherever it comes from. */
export interface PolicyStore {
  /** What requests are held to: `null` while there is none, or while it is too old to be held to. */
  current(): CompiledPolicy | null
  /** The same without regard to its age. */
  inForce(): CompiledPolicy | null
  status(): PolicyStatus
  close(): void
}

/** For /readyz, /metrics and the log. */
export interface PolicyStatus {
  readonly revision: string | null
  /** The control plane's number of it; 0 without one. */
  readonly generation: number
  /** Where the policy in force came from. */
  readonly source: 'folder' | 'control plane' | 'last-known-good' | 'none'
  /** When it came into force, ms since the epoch. */
  readonly sinceMs: number | null
  /** What is wrong with what should be in force now; empty when it is. */
  readonly problems: readonly PolicyProblem[]
  /** How often a policy came into force, and how often one was refused, since the start. */
  readonly loads: number
  readonly refusals: number
  /** What is done about its age. */
  readonly staleness: Staleness
  /** Requests that passed without budgets and inspection because of that. */
  readonly unheld: number
}

/** `fresh`: nothing; `open`: requests pass without budgets and inspection; `closed`: they are refused. */
export type Staleness = 'fresh' | 'open' | 'closed'

/** A policy that comes into force. */
export interface NewPolicy {
  readonly policy: CompiledPolicy
  readonly generation: number
  readonly files: number
}

/** The most mistakes of one policy that are logged; the first ones are those that matter. */
const LOGGED_MAX = 20

/** What every source of policy shares: the policy in force, swapped whole, and what is told of it. */
export class PolicyInForce {
  readonly #clock: Clock
  readonly #log: Logger
  #policy: CompiledPolicy | null = null
  /** The same as requests are held to it: kept ready, so that a request costs nothing more. */
  #held: CompiledPolicy | null = null
  #unheld = 0
  #status: Omit<PolicyStatus, 'unheld'> = {
    revision: null,
    generation: 0,
    source: 'none',
    sinceMs: null,
    problems: [],
    loads: 0,
    refusals: 0,
    staleness: 'fresh',
  }

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock
    this.#log = log
  }

  current(): CompiledPolicy | null {
    return this.#held
  }

  inForce(): CompiledPolicy | null {
    return this.#policy
  }

  status(): PolicyStatus {
    return { ...this.#status, unheld: this.#unheld }
  }

  /** A policy comes into force. */
  enact({ policy, generation, files }: NewPolicy, source: 'folder' | 'control plane'): void {
    const { revision } = policy
    const loads = this.#status.loads + 1
    this.#swap(policy, { generation, source, problems: [], loads })
    const numbered = generation === 0 ? {} : { generation }
    this.#log.info('policy in force', { revision, ...numbered, files, budgets: policy.budgets.length })
  }

  /** Takes the policy that was in force when the last process ended. */
  restore(policy: CompiledPolicy, generation: number): void {
    const { revision } = policy
    this.#swap(policy, { generation, source: 'last-known-good' })
    this.#log.warn('the last known good policy is in force', { revision })
  }

  /** What should be in force is. */
  confirm(source: 'folder' | 'control plane'): void {
    this.#status = { ...this.#status, source, problems: [] }
  }

  /** What should be in force is not taken; the last good policy stays. */
  refuse(problems: readonly PolicyProblem[]): void {
    const inForce = this.#policy?.revision ?? null
    if (sameProblems(problems, this.#status.problems)) return
    this.#status = { ...this.#status, problems, refusals: this.#status.refusals + 1 }
    for (const { file, line, path, message } of problems.slice(0, LOGGED_MAX))
      this.#log.error('policy refused', { file, line, path, reason: message, inForce, problems: problems.length })
  }

  /** Says what is done about the age of the policy. */
  age(staleness: Staleness): void {
    if (staleness === this.#status.staleness) return
    this.#status = { ...this.#status, staleness }
    this.#hold()
  }

  #swap(policy: CompiledPolicy, changes: Partial<PolicyStatus>): void {
    this.#policy = policy
    this.#status = { ...this.#status, ...changes, revision: policy.revision, sinceMs: this.#clock.nowMs() }
    this.#hold()
  }

  #hold(): void {
    const { staleness } = this.#status
    this.#held = staleness === 'fresh' ? this.#policy : staleness === 'closed' ? null : this.#open(this.#policy)
  }

  /** A policy that no budget and no inspection is left of. Its revision says so in each event. */
  #open(policy: CompiledPolicy | null): CompiledPolicy | null {
    if (policy === null) return null
    return {
      ...policy,
      revision: `stale-open:${policy.revision}`,
      budgetsFor: () => [],
      securityFor: () => {
        this.#unheld++
        return null
      },
    }
  }
}

const sameProblems = (one: readonly PolicyProblem[], other: readonly PolicyProblem[]): boolean =>
  one.length > 0 && JSON.stringify(one) === JSON.stringify(other)
