import { type Finding, type Segment, SUBJECT_NONE } from '@agentcostcontrol/contract'
import { TOOL_NOT_AS_PINNED } from '@agentcostcontrol/detectors'
import type { Clock } from '../../clock.ts'
import type { ToolPinDecisions } from '../../control/tool-pin-decisions.ts'
import { decodeSegment } from '../../providers/byte-strings.ts'
import type { SeenUnit, SegmentFinding } from '../session/session-inspection.ts'
import { charsOf, type DefinedTool, definedTools, isLong, rawKeyOf, readTool, toolSegments } from './defined-tools.ts'
import { changedPaths, type ToolDefinition } from './definition.ts'
import { LikenessIndex } from './pieces.ts'
import { PIN_NEWS_AGAIN_MS, type PinNews } from './pin-news.ts'
import type { Pin, PinnedTools, PinStore } from './pin-store.ts'
import { SeenSets } from './seen-sets.ts'

/** A request's tools. */
export interface ToolsOfRequest {
  /** `null` for a request that names none. */
  readonly agent: string | null
  readonly segments: readonly Segment[]
  /** All segments, each in one unit. */
  readonly units: readonly SeenUnit[]
  /** Whether the texts hold bytes. */
  readonly byteStrings: boolean
}

/** What pins need. */
export interface ToolPinsOptions {
  readonly store: PinStore
  /** Told after names were pinned. */
  onPinned(): void
  readonly decisions: Pick<ToolPinDecisions, 'of' | 'isDecided' | 'version'>
  readonly news: PinNews
  readonly clock: Clock
}

/** Rules of the detector `tool-poisoning` that definitions are found by. */
type PinRule = 'definition-changed' | 'definition-replaced' | 'definition-rejected'

/** A definition of a request; not read where it is known to be as pinned. */
interface Seen {
  readonly tool: DefinedTool
  readonly hash: string
  readonly read: ToolDefinition | null
}

/** Characters of definitions that are read before others get their turn. */
const SLICE_CHARS = 16_384
/** Definitions whose hash is known by how they were sent. */
const HASHES_MAX = 16_384
/** Definitions under one name that are pinned together at first sight. */
const VARIANTS_MAX = 8
/** New names of one request that are held against tools that went away. */
const RENAMES_MAX = 512
const NOTHING: readonly SegmentFinding[] = []

/** Holds the tools of each agent to what they were when they were first seen. */
export class ToolPins {
  readonly #options: ToolPinsOptions
  readonly #sets = new SeenSets()
  readonly #hashes = new Map<string, string>()
  #unpinned = 0

  constructor(options: ToolPinsOptions) {
    this.#options = options
  }

  /** Names that found the room of their agent full, and are not held to anything. For the metrics. */
  get unpinned(): number {
    return this.#unpinned
  }

  /**
   * What is not as pinned. Costs one look-up where the agent had the same definitions before; without a promise unless
   * there is much to read.
   */
  check({
    agent: named,
    segments,
    units,
    byteStrings,
  }: ToolsOfRequest): readonly SegmentFinding[] | Promise<readonly SegmentFinding[]> {
    const tools = toolSegments(segments, units, byteStrings)
    if (tools === null) return NOTHING
    const { store, decisions, clock } = this.#options
    const agent = named ?? SUBJECT_NONE
    const key = `${agent}\u0000${tools.digest}`
    const placed = (findings: readonly SegmentFinding[]): readonly SegmentFinding[] =>
      findings.map(({ at, finding }) => ({ at: tools.at[at] ?? 0, finding }))
    const known = this.#sets.get(key)
    if (
      known?.epoch === store.epoch(agent) &&
      known.decisions === decisions.version &&
      clock.monotonicMs() < known.untilMs
    ) {
      store.touch(agent)
      return known.findings.length === 0 ? NOTHING : placed(known.findings)
    }
    const defined = definedTools(tools.segments)
    const finish = (seen: readonly Seen[]): readonly SegmentFinding[] => {
      const findings = this.#judge(agent, defined, seen, byteStrings)
      this.#sets.set(key, {
        findings,
        epoch: store.epoch(agent),
        decisions: decisions.version,
        untilMs: findings.length === 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + PIN_NEWS_AGAIN_MS,
      })
      return placed(findings)
    }
    const seen = this.#see(agent, defined, byteStrings)
    return seen instanceof Promise ? seen.then(finish) : finish(seen)
  }

  /** Reads what has to be read, in slices where it is much. */
  #see(
    agent: string,
    defined: readonly DefinedTool[],
    byteStrings: boolean,
  ): readonly Seen[] | Promise<readonly Seen[]> {
    const wanted = this.#wanted(agent, defined)
    const seen: Seen[] = []
    const readSlice = (from: number): number => {
      let room = SLICE_CHARS
      let at = from
      for (; at < wanted.length && room > 0; at++) {
        const tool = wanted[at]
        if (!tool) continue
        const one = this.#read(this.#options.store.tools(agent), tool, byteStrings)
        if (one.read) room -= charsOf(tool)
        seen.push(one)
      }
      return at
    }
    const readOn = async (from: number): Promise<readonly Seen[]> => {
      for (let at = from; at < wanted.length; at = readSlice(at)) await nextTurn()
      return seen
    }
    const first = readSlice(0)
    return first < wanted.length ? readOn(first) : seen
  }

  /** Those that can be held to something: what is new beyond the room of its agent cannot, unless people decided of it. */
  #wanted(agent: string, defined: readonly DefinedTool[]): readonly DefinedTool[] {
    const { store, decisions } = this.#options
    const pinned = store.tools(agent)
    const room = store.room(agent)
    const fresh = new Set<string>()
    const left = new Set<string>()
    const wanted = defined.filter(({ tool }) => {
      if (pinned.has(tool) || fresh.has(tool)) return true
      if (fresh.size < room) fresh.add(tool)
      else left.add(tool)
      return fresh.has(tool) || decisions.isDecided(agent, tool)
    })
    this.#unpinned += left.size
    return wanted
  }

  #read(pinned: PinnedTools, tool: DefinedTool, byteStrings: boolean): Seen {
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

  /** Holds definitions against the pins from before the request, and pins what is new and like nothing that went away. */
  #judge(
    agent: string,
    defined: readonly DefinedTool[],
    seen: readonly Seen[],
    byteStrings: boolean,
  ): readonly SegmentFinding[] {
    const { store, decisions } = this.#options
    const before = store.tools(agent)
    const formerOf = createFormerOf(before, new Set(defined.map(({ tool }) => tool)))
    const fresh = new Map<string, Pin[]>()
    const suspect = new Set<string>()
    const findings: SegmentFinding[] = []
    for (const { tool, hash, read } of seen) {
      const name = tool.tool
      const pins = before.get(name)
      const decision = decisions.of(agent, name, hash)
      const former = pins || !read ? null : formerOf(read)
      const isChanged = pins !== undefined && !pins.some((pin) => pin.hash === hash)
      if (decision === null && read && (isChanged || former)) this.#tell(agent, name, read, pins?.[0] ?? null, former)
      const rule = ruleOf(decision, isChanged, former !== null)
      if (rule !== null) {
        suspect.add(name)
        for (const [index, at] of tool.at.entries()) {
          const segment = tool.segments[index]
          if (segment) findings.push({ at, finding: findingOf(rule, segment, byteStrings) })
        }
      } else if (!pins && read) addVariant(fresh, name, read)
    }
    for (const name of suspect) fresh.delete(name)
    if (store.add(agent, fresh) > 0) {
      this.#options.onPinned()
      for (const [name, variants] of fresh) for (const read of variants) this.#tell(agent, name, read, null, null)
    } else store.touch(agent)
    return findings
  }

  #tell(agent: string, tool: string, read: ToolDefinition, before: Pin | null, former: Former | null): void {
    const other = before ?? former?.pin
    this.#options.news.tell({
      agent,
      tool,
      hash: read.hash,
      previousHash: before?.hash ?? null,
      changedPaths: other ? [...changedPaths(other, read)] : [],
      similarTo: former?.tool ?? null,
      at: new Date(this.#options.clock.nowMs()).toISOString(),
    })
  }
}

/** A tool that went away. */
interface Former {
  readonly tool: string
  readonly pin: Pin
}

/** Finds the tool that a new one was before: pinned, not in the request, and much like it. */
function createFormerOf(pinned: PinnedTools, present: ReadonlySet<string>): (read: ToolDefinition) => Former | null {
  let index: LikenessIndex | null = null
  let gone: readonly Former[] = []
  let asked = 0
  return (read) => {
    if (++asked > RENAMES_MAX) return null
    if (!index) {
      gone = [...pinned].flatMap(([tool, pins]) => (present.has(tool) ? [] : pins.map((pin) => ({ tool, pin }))))
      index = new LikenessIndex(gone.map(({ pin }) => pin))
    }
    return gone[index.find(read)] ?? null
  }
}

function addVariant(fresh: Map<string, Pin[]>, name: string, read: ToolDefinition): void {
  const variants = fresh.get(name)
  if (!variants) fresh.set(name, [read])
  else if (variants.length < VARIANTS_MAX && !variants.some(({ hash }) => hash === read.hash)) variants.push(read)
}

function ruleOf(decision: ReturnType<ToolPinDecisions['of']>, isChanged: boolean, isReplaced: boolean): PinRule | null {
  if (decision === 'rejected') return 'definition-rejected'
  if (decision === 'approved') return null
  if (isChanged) return 'definition-changed'
  return isReplaced ? 'definition-replaced' : null
}

/** Nobody looked at a change yet; of what was rejected somebody knows that it is bad. */
const GRADES = {
  'definition-changed': { severity: 'high', score: 0.95 },
  'definition-replaced': { severity: 'high', score: 0.95 },
  'definition-rejected': { severity: 'critical', score: 0.99 },
} as const

const findingOf = (ruleId: PinRule, segment: Segment, byteStrings: boolean): Finding => ({
  detectorId: 'tool-poisoning',
  ruleId,
  category: 'tool-pin',
  ...GRADES[ruleId],
  start: 0,
  end: (byteStrings ? decodeSegment(segment) : segment).text.length,
  taxonomy: TOOL_NOT_AS_PINNED,
})

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
