import type { ToolDefinition } from './definition.ts'
import type { Pieces } from './pieces.ts'

/** What is kept of a definition that was seen first. */
export type Pin = ToolDefinition

/** An agent's tools by their names. A name that had several definitions at first sight has as many pins. */
export type PinnedTools = ReadonlyMap<string, readonly Pin[]>

/** Bounds of all pins. */
export interface PinBounds {
  /** Names of all agents together; beyond, the agent that was not seen longest is forgotten. */
  readonly toolsMax: number
  /** Names of one agent; beyond, further ones are not pinned. */
  readonly toolsOfAgentMax: number
  /** Values and pieces of all definitions; beyond, of further ones only the hash is kept. */
  readonly leavesMax: number
}

/** What a sidecar keeps: some 15 MB at most. */
export const PIN_BOUNDS: PinBounds = { toolsMax: 10_000, toolsOfAgentMax: 512, leavesMax: 100_000 }

/** For the metrics. */
export interface PinStoreStats {
  readonly agents: number
  readonly tools: number
  readonly leaves: number
  /** Agents that went for want of room. */
  readonly evicted: number
}

interface Agent {
  readonly tools: PinnedTools
  readonly leaves: number
  readonly epoch: number
}

/** Pieces that are kept of what a definition says of the tool itself, and of the rest: some 1 500 characters each. */
const PIECES_MAX = 128
const NO_TOOLS: PinnedTools = new Map()

/** The pins of all agents, in the order in which agents were seen last. */
export class PinStore {
  readonly #bounds: PinBounds
  readonly #agents = new Map<string, Agent>()
  #epochs = 0
  #tools = 0
  #leaves = 0
  #evicted = 0

  constructor(bounds: PinBounds = PIN_BOUNDS) {
    this.#bounds = bounds
  }

  /** An agent's tools, as they are now: what is added later makes another map. */
  tools(agent: string): PinnedTools {
    return this.#agents.get(agent)?.tools ?? NO_TOOLS
  }

  /** Another number after any change of an agent's tools. */
  epoch(agent: string): number {
    return this.#agents.get(agent)?.epoch ?? 0
  }

  /** Notes that an agent was seen. */
  touch(agent: string): void {
    const known = this.#agents.get(agent)
    if (!known) return
    this.#agents.delete(agent)
    this.#agents.set(agent, known)
  }

  /** How many more names of an agent are pinned. */
  room(agent: string): number {
    return this.#bounds.toolsOfAgentMax - this.tools(agent).size
  }

  /** Pins names that are new to an agent, as far as there is room. @returns how many */
  add(agent: string, named: ReadonlyMap<string, readonly Pin[]>): number {
    const before = this.#agents.get(agent) ?? { tools: NO_TOOLS, leaves: 0, epoch: 0 }
    const room = Math.max(0, this.room(agent))
    const added = [...named].filter(([tool]) => !before.tools.has(tool)).slice(0, room)
    if (added.length === 0) return 0
    const leavesBefore = this.#leaves
    const tools = new Map(before.tools)
    for (const [tool, pins] of added) tools.set(tool, Object.freeze(pins.map((pin) => this.#take(pin))))
    this.#tools += added.length
    this.#agents.delete(agent)
    const leaves = before.leaves + this.#leaves - leavesBefore
    this.#agents.set(agent, { tools, leaves, epoch: ++this.#epochs })
    this.#evict()
    return added.length
  }

  /** All of it, the agent that was seen last at the end. */
  entries(): Iterable<readonly [agent: string, epoch: number, tools: PinnedTools]> {
    return [...this.#agents].map(([agent, { epoch, tools }]) => [agent, epoch, tools] as const)
  }

  stats(): PinStoreStats {
    return {
      agents: this.#agents.size,
      tools: this.#tools,
      leaves: this.#leaves,
      evicted: this.#evicted,
    }
  }

  /** As much of a pin as there is room for. */
  #take(pin: Pin): Pin {
    const { hash, leaves } = pin
    const description = first(pin.description)
    const pieces = first(pin.pieces)
    const weight = leaves.size + description.size + pieces.size
    if (this.#leaves + weight > this.#bounds.leavesMax) return { hash, leaves: NONE, description: NONE, pieces: NONE }
    this.#leaves += weight
    return { hash, leaves, description, pieces }
  }

  #evict(): void {
    for (const [agent, { tools, leaves }] of this.#agents) {
      if (this.#tools <= this.#bounds.toolsMax || this.#agents.size === 1) return
      this.#agents.delete(agent)
      this.#tools -= tools.size
      this.#leaves -= leaves
      this.#evicted++
    }
  }
}

const first = (pieces: Pieces): Pieces =>
  pieces.size > PIECES_MAX ? new Map([...pieces].slice(0, PIECES_MAX)) : pieces

const NONE: ReadonlyMap<never, never> = new Map<never, never>()
