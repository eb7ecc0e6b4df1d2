import type { ToolPinDecisions } from '../../control/tool-pin-decisions.ts'
import { charsOf, type DefinedTool, isLong, rawKeyOf, readTool } from './defined-tools.ts'
import type { ToolDefinition } from './definition.ts'
import type { PinnedTools, PinStore } from './pin-store.ts'

/** A definition of a request; not read where it is known to be as pinned. */
export interface SeenTool {
  readonly tool: DefinedTool
  readonly hash: string
  readonly read: ToolDefinition | null
}

/** Characters of definitions that are read before others get their turn. */
const SLICE_CHARS = 16_384
/** Definitions whose hash is known by how they were sent. */
const HASHES_MAX = 16_384

/** Reads those definitions of a request that can be held to something. */
export class ToolReader {
  readonly #store: PinStore
  readonly #decisions: Pick<ToolPinDecisions, 'isDecided'>
  readonly #hashes = new Map<string, string>()
  #unpinned = 0

  constructor(store: PinStore, decisions: Pick<ToolPinDecisions, 'isDecided'>) {
    this.#store = store
    this.#decisions = decisions
  }

  /** Names that found the room of their agent full. */
  get unpinned(): number {
    return this.#unpinned
  }

  /** Reads what has to be read, in slices where it is much: then with a promise. */
  see(
    agent: string,
    defined: readonly DefinedTool[],
    byteStrings: boolean,
  ): readonly SeenTool[] | Promise<readonly SeenTool[]> {
    const wanted = this.#wanted(agent, defined)
    const seen: SeenTool[] = []
    const readSlice = (from: number): number => {
      let room = SLICE_CHARS
      let at = from
      for (; at < wanted.length && room > 0; at++) {
        const tool = wanted[at]
        if (!tool) continue
        const one = this.#read(this.#store.tools(agent), tool, byteStrings)
        if (one.read) room -= charsOf(tool)
        seen.push(one)
      }
      return at
    }
    const readOn = async (from: number): Promise<readonly SeenTool[]> => {
      for (let at = from; at < wanted.length; at = readSlice(at)) await nextTurn()
      return seen
    }
    const first = readSlice(0)
    return first < wanted.length ? readOn(first) : seen
  }

  /** Those that can be held to something: what is new beyond the room of its agent cannot, unless people decided of it. */
  #wanted(agent: string, defined: readonly DefinedTool[]): readonly DefinedTool[] {
    const pinned = this.#store.tools(agent)
    const room = this.#store.room(agent)
    const fresh = new Set<string>()
    const left = new Set<string>()
    const wanted = defined.filter(({ tool }) => {
      if (pinned.has(tool) || fresh.has(tool)) return true
      if (fresh.size < room) fresh.add(tool)
      else left.add(tool)
      return fresh.has(tool) || this.#decisions.isDecided(agent, tool)
    })
    this.#unpinned += left.size
    return wanted
  }

  #read(pinned: PinnedTools, tool: DefinedTool, byteStrings: boolean): SeenTool {
    if (isLong(tool)) {
      const long = readTool(tool, byteStrings)
      return { tool, hash: long.hash, read: long }
    }
    const key = rawKeyOf(tool, byteStrings)
    const known = this.#hashes.get(key)
    if (known !== undefined && pinned.get(tool.tool)?.some(({ hash }) => hash === known))
      return { tool, hash: known, read: null }
    const read = readTool(tool, byteStrings)
    const [oldest] = this.#hashes.keys()
    if (oldest !== undefined && this.#hashes.size >= HASHES_MAX) this.#hashes.delete(oldest)
    this.#hashes.set(key, read.hash)
    return { tool, hash: read.hash, read }
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
