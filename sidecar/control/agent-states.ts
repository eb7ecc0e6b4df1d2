import { readFile } from 'node:fs/promises'
import {
  AGENT_COMMANDS_MAX,
  AGENT_STATES,
  type AgentCommand,
  type AgentCommands,
  agentCommandSchema,
  SUBJECT_NONE,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import { createKeptFile } from '../kept-file.ts'
import type { Logger } from '../log.ts'

/** Why an agent's requests are refused. */
export interface Stop {
  readonly state: Exclude<AgentCommand['state'], 'active'>
  /** `told`: by people, through the control plane. `own`: by this sidecar, which saw a loop. */
  readonly by: 'told' | 'own'
  readonly reason: string
  /** Milliseconds until it ends by itself; `null`: by a word of the control plane alone. */
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
  /** What holds up an agent's requests; what people said comes first. Asked of every request. */
  of(agent: string | null): Stop | null
  /** Agents that are stopped, by whom. */
  stats(): Readonly<Record<Stop['by'], number>>
  close(): void
}

/** What it needs. */
export interface AgentStatesOptions {
  readonly file: string
  /** Whether there is a control plane: nobody else can end what it said, so without one it does not count. */
  readonly hasControlPlane: boolean
  readonly clock: Clock
  readonly log: Logger
}

/** A stop in memory: its end is on the monotonic clock, and for the next start on the other one. */
interface Entry {
  readonly state: Stop['state']
  readonly reason: string
  readonly endsMonotonicMs: number
  readonly endsWallMs: number | null
  /** How long it was to last when it began: a clock that was turned back makes it no longer. */
  readonly forMs: number | null
}

/** Agents that it can stop itself; names come from requests. */
const OWN_MAX = AGENT_COMMANDS_MAX

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
  const states = new KnownStates(options)
  await states.open()
  return states
}

class KnownStates implements AgentStates {
  readonly #options: AgentStatesOptions
  readonly #kept: ReturnType<typeof createKeptFile>
  #told = new Map<string, Entry>()
  readonly #own = new Map<string, Entry>()
  #version = 0
  /** The last change that was told: what is newer ends pauses of the sidecar's own. */
  #resumedThrough = 0
  #changed = false
  #saving: Promise<void> | null = null

  constructor(options: AgentStatesOptions) {
    this.#options = options
    this.#kept = createKeptFile(options.file, 'which agents are stopped', options.log)
  }

  async open(): Promise<void> {
    const { file, hasControlPlane, clock, log } = this.#options
    const text = await readFile(file, 'utf8').catch(() => null)
    if (text === null) return
    const kept = readKept(text)
    if (kept === null) {
      log.error('which agents were stopped is not known: the file is not whole; the control plane tells it again', {
        file,
      })
      return
    }
    this.#resumedThrough = kept.resumedThrough
    const restore = (into: Map<string, Entry>, entries: readonly z.infer<typeof keptEntry>[]): void => {
      for (const { agent, ...entry } of entries) {
        const leftMs = leftOf(entry, clock.nowMs())
        if (leftMs > 0) into.set(agent, { ...entry, endsMonotonicMs: clock.monotonicMs() + leftMs })
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
    for (const { agent, state, reason, endsInMs, version: changed } of agents) {
      if (state !== 'active') told.set(agent, this.#entry(state, reason, endsInMs))
      else if (changed > this.#resumedThrough) this.#own.delete(agent)
      resumedThrough = Math.max(resumedThrough, changed)
    }
    this.#told = told
    this.#version = version
    this.#resumedThrough = resumedThrough
    this.#options.log.info('the list of agents that are stopped has changed', { version, stopped: told.size })
    await this.#keep()
  }

  pauseHere(agent: string | null, reason: string, forMs: number): void {
    const name = agent ?? SUBJECT_NONE
    const [oldest] = this.#own.keys()
    if (this.#own.size >= OWN_MAX && oldest !== undefined) this.#own.delete(oldest)
    this.#own.delete(name)
    this.#own.set(name, this.#entry('paused', reason, forMs))
    this.#options.log.warn('an agent was paused by this sidecar', { agent: name, reason, forMs })
    void this.#keep()
  }

  of(agent: string | null): Stop | null {
    if (this.#told.size === 0 && this.#own.size === 0) return null
    const name = agent ?? SUBJECT_NONE
    return this.#stop(this.#told, name, 'told') ?? this.#stop(this.#own, name, 'own')
  }

  stats(): Readonly<Record<Stop['by'], number>> {
    const now = this.#options.clock.monotonicMs()
    const count = (of: ReadonlyMap<string, Entry>): number =>
      [...of.values()].filter(({ endsMonotonicMs }) => endsMonotonicMs > now).length
    return { told: count(this.#told), own: count(this.#own) }
  }

  readonly close = (): void => this.#kept.close()

  #entry(state: Stop['state'], reason: string, forMs: number | null): Entry {
    const { clock } = this.#options
    return {
      state,
      reason,
      forMs,
      endsMonotonicMs: forMs === null ? Number.POSITIVE_INFINITY : clock.monotonicMs() + forMs,
      endsWallMs: forMs === null ? null : clock.nowMs() + forMs,
    }
  }

  #stop(from: Map<string, Entry>, name: string, by: Stop['by']): Stop | null {
    const entry = from.get(name)
    if (entry === undefined) return null
    const leftMs = entry.endsMonotonicMs - this.#options.clock.monotonicMs()
    if (leftMs <= 0) {
      from.delete(name)
      return null
    }
    return { state: entry.state, by, reason: entry.reason, leftMs: entry.forMs === null ? null : leftMs }
  }

  /** One write at a time, and what changed meanwhile in the next. */
  #keep(): Promise<void> {
    this.#changed = true
    this.#saving ??= this.#save().finally(() => {
      this.#saving = null
    })
    return this.#saving
  }

  async #save(): Promise<void> {
    while (this.#changed) {
      this.#changed = false
      await this.#kept.keep(this.#text())
    }
  }

  #text(): string {
    const list = (of: ReadonlyMap<string, Entry>): z.infer<typeof keptEntry>[] =>
      [...of].map(([agent, { endsMonotonicMs: _, ...entry }]) => ({ agent, ...entry }))
    const kept: z.infer<typeof keptSchema> = {
      resumedThrough: this.#resumedThrough,
      told: list(this.#told),
      own: list(this.#own),
    }
    return JSON.stringify(kept)
  }
}

/** Milliseconds that something kept still lasts. */
const leftOf = ({ endsWallMs, forMs }: Pick<Entry, 'endsWallMs' | 'forMs'>, nowMs: number): number =>
  endsWallMs === null || forMs === null ? Number.POSITIVE_INFINITY : Math.min(endsWallMs - nowMs, forMs)

function readKept(text: string): z.infer<typeof keptSchema> | null {
  try {
    return keptSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
