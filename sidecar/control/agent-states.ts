import {
  AGENT_COMMANDS_MAX,
  AGENT_REASON_MAX,
  AGENT_STATES,
  type AgentCommand,
  type AgentCommands,
  agentCommandSchema,
  SUBJECT_NONE,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import type { Logger } from '../log.ts'
import { createKeptList, type KeptList, readKeptList } from './kept-list.ts'
import { type Lasting, lasting, leftOf, restored } from './lasting.ts'

/** Why an agent's requests are refused. */
export interface Stop {
  readonly state: Exclude<AgentCommand['state'], 'active'>
  /** `told`: by people, or by a finding at any sidecar, through the control plane. `own`: by this sidecar. */
  readonly by: 'told' | 'own'
  readonly reason: string
  /** Milliseconds until it ends by itself; `null`: by a word of people alone. */
  readonly leftMs: number | null
}

/**
 * Which agents are stopped: by the control plane, whose list is followed whole, and by this sidecar itself. Kept on disk,
 * so that a restart without the control plane lets nobody go.
 */
export interface AgentStates {
  /** Of the list that is followed; 0 until one was told since the start. */
  readonly version: number
  /** Follows a list at once; resolves when the next start knows it too. Never rejects. */
  take(commands: AgentCommands): Promise<void>
  /** Stops an agent here for a while; a word of the control plane ends it sooner. */
  pauseHere(agent: string | null, reason: string, forMs: number): void
  /** Stops an agent here until people release it, at the control plane or at this sidecar. Whatever paused it is no matter. */
  quarantineHere(agent: string | null, reason: string): void
  /** Ends quarantines of this sidecar's own. @returns those that there were, when the next start knows it too */
  releaseHere(agents: readonly string[]): Promise<readonly string[]>
  /** What holds up an agent's requests; a quarantine comes first, then what people said. Asked of every request. */
  of(agent: string | null): Stop | null
  stats(): AgentStateStats
  close(): void
}

/** Agents that are stopped, by whom; and how many of these are quarantined. */
export interface AgentStateStats extends Readonly<Record<Stop['by'], number>> {
  readonly quarantined: Readonly<Record<Stop['by'], number>>
}

/** What it needs. */
export interface AgentStatesOptions {
  readonly file: string
  /** Whether there is a control plane: nobody else can end what it said, so without one it does not count. */
  readonly hasControlPlane: boolean
  readonly clock: Clock
  readonly log: Logger
}

/** A stop in memory. */
interface Entry extends Lasting {
  readonly state: Stop['state']
  readonly reason: string
}

type Entries = ReadonlyMap<string, Entry>

/** Agents that it can stop itself; names come from requests. */
const OWN_MAX = AGENT_COMMANDS_MAX
const WHAT = 'which agents are stopped'

const keptEntry = z.strictObject({
  agent: z.string(),
  state: z.enum(AGENT_STATES).exclude(['active']),
  reason: agentCommandSchema.shape.reason,
  endsWallMs: z.number().nullable(),
  forMs: z.number().nullable(),
})
const keptSchema = z.strictObject({
  resumedThrough: z.number(),
  told: z.array(keptEntry).max(AGENT_COMMANDS_MAX),
  own: z.array(keptEntry).max(OWN_MAX),
})

/** Opens them as the last process left them. */
export async function openAgentStates(options: AgentStatesOptions): Promise<AgentStates> {
  const kept = await readKeptList(options.file, WHAT, options.log, keptSchema)
  return new KnownStates(options, kept)
}

class KnownStates implements AgentStates {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #kept: KeptList
  #told = new Map<string, Entry>()
  readonly #own = new Map<string, Entry>()
  #version = 0
  /** The last change that was told: what is newer ends stops of the sidecar's own. */
  #resumedThrough = 0

  constructor({ file, hasControlPlane, clock, log }: AgentStatesOptions, kept: z.infer<typeof keptSchema> | null) {
    this.#clock = clock
    this.#log = log
    this.#kept = createKeptList(file, WHAT, log, () => this.#text())
    if (kept === null) return
    this.#resumedThrough = kept.resumedThrough
    const restore = (into: Map<string, Entry>, entries: readonly z.infer<typeof keptEntry>[]): void => {
      for (const { agent, ...entry } of entries) {
        const still = restored(clock, entry)
        if (still !== null) into.set(agent, { ...entry, ...still })
      }
    }
    if (hasControlPlane) restore(this.#told, kept.told)
    restore(this.#own, kept.own)
  }

  get version(): number {
    return this.#version
  }

  async take({ version, agents }: AgentCommands): Promise<void> {
    const told = new Map<string, Entry>()
    let resumedThrough = this.#resumedThrough
    for (const command of agents) {
      const { agent, state, reason, endsInMs } = command
      if (state !== 'active') told.set(agent, { state, reason, ...lasting(this.#clock, endsInMs) })
      if (this.#endsOwn(command)) this.#own.delete(agent)
      resumedThrough = Math.max(resumedThrough, command.version)
    }
    this.#told = told
    this.#version = version
    this.#resumedThrough = resumedThrough
    this.#log.info('the list of agents that are stopped has changed', { version, stopped: told.size })
    await this.#kept.keep()
  }

  pauseHere(agent: string | null, reason: string, forMs: number): void {
    const name = agent ?? SUBJECT_NONE
    if (this.#own.get(name)?.state === 'quarantined') return
    this.#stopHere(name, { state: 'paused', reason, ...lasting(this.#clock, forMs) })
    this.#log.warn('an agent was paused by this sidecar', { agent: name, reason, forMs })
  }

  quarantineHere(agent: string | null, reason: string): void {
    const name = agent ?? SUBJECT_NONE
    if (this.#own.get(name)?.state === 'quarantined') return
    const told = reason.slice(0, AGENT_REASON_MAX)
    this.#stopHere(name, { state: 'quarantined', reason: told, ...lasting(this.#clock, null) })
    this.#log.warn('an agent was quarantined by this sidecar', { agent: name, reason: told })
  }

  async releaseHere(agents: readonly string[]): Promise<readonly string[]> {
    const released = agents.filter((agent) => this.#own.get(agent)?.state === 'quarantined' && this.#own.delete(agent))
    if (released.length > 0) await this.#kept.keep()
    return released
  }

  of(agent: string | null): Stop | null {
    if (this.#told.size === 0 && this.#own.size === 0) return null
    const name = agent ?? SUBJECT_NONE
    const told = this.#stop(this.#told, name, 'told')
    const own = this.#stop(this.#own, name, 'own')
    return told?.state !== 'quarantined' && own?.state === 'quarantined' ? own : (told ?? own)
  }

  stats(): AgentStateStats {
    const count = (of: Entries, is: (entry: Entry) => boolean): number =>
      [...of.values()].filter((entry) => leftOf(entry, this.#clock) > 0 && is(entry)).length
    const any = () => true
    const quarantined = ({ state }: Entry) => state === 'quarantined'
    return {
      told: count(this.#told, any),
      own: count(this.#own, any),
      quarantined: { told: count(this.#told, quarantined), own: count(this.#own, quarantined) },
    }
  }

  readonly close = (): void => this.#kept.close()

  /** Whether something was said since then that ends what this sidecar holds its agent to; a resume ends no quarantine. */
  #endsOwn({ agent, state, version, release }: AgentCommand): boolean {
    if (this.#own.get(agent)?.state === 'quarantined') return release > this.#resumedThrough
    return state === 'active' && version > this.#resumedThrough
  }

  #stopHere(name: string, entry: Entry): void {
    if (!this.#own.has(name) && this.#own.size >= OWN_MAX) this.#forgetOne()
    this.#own.delete(name)
    this.#own.set(name, entry)
    void this.#kept.keep()
  }

  /** The oldest pause, so that nobody gets out of quarantine by names that are made up. */
  #forgetOne(): void {
    const names = [...this.#own.keys()]
    const forgotten = names.find((name) => this.#own.get(name)?.state === 'paused') ?? names[0]
    if (forgotten !== undefined) this.#own.delete(forgotten)
  }

  #stop(from: Map<string, Entry>, name: string, by: Stop['by']): Stop | null {
    const entry = from.get(name)
    if (entry === undefined) return null
    const leftMs = leftOf(entry, this.#clock)
    if (leftMs <= 0) {
      from.delete(name)
      return null
    }
    return { state: entry.state, by, reason: entry.reason, leftMs: entry.forMs === null ? null : leftMs }
  }

  #text(): string {
    const list = (of: Entries): z.infer<typeof keptEntry>[] =>
      [...of].map(([agent, { endsMonotonicMs: _, ...entry }]) => ({ agent, ...entry }))
    const kept: z.infer<typeof keptSchema> = {
      resumedThrough: this.#resumedThrough,
      told: list(this.#told),
      own: list(this.#own),
    }
    return JSON.stringify(kept)
  }
}
