import { type Segment, SUBJECT_NONE } from '@agentcostcontrol/contract'
import type { Clock } from '../../clock.ts'
import type { ToolPinDecisions } from '../../control/tool-pin-decisions.ts'
import type { SeenUnit, SegmentFinding } from '../session/session-request.ts'
import { type DefinedTool, definedTools, readTool, toolSegments } from './defined-tools.ts'
import { changedPaths, type ToolDefinition } from './definition.ts'
import { createFormerOf, type Former } from './former-tools.ts'
import { PIN_NEWS_AGAIN_MS, type PinNews } from './pin-news.ts'
import { findingOf, ruleOf } from './pin-rules.ts'
import type { Pin, PinStore } from './pin-store.ts'
import { SeenSets } from './seen-sets.ts'
import { type SeenTool, ToolReader } from './tool-reader.ts'

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

/** Definitions under one name that are pinned together at first sight. */
const VARIANTS_MAX = 8
const NOTHING: readonly SegmentFinding[] = []

/** Holds the tools of each agent to what they were when they were first seen. */
export class ToolPins {
  readonly #options: ToolPinsOptions
  readonly #sets = new SeenSets()
  readonly #reader: ToolReader

  constructor(options: ToolPinsOptions) {
    this.#options = options
    this.#reader = new ToolReader(options.store, options.decisions)
  }

  /** Names that found the room of their agent full, and are not held to anything. For the metrics. */
  get unpinned(): number {
    return this.#reader.unpinned
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
    const finish = (seen: readonly SeenTool[]): readonly SegmentFinding[] => {
      const findings = this.#judge(agent, defined, seen, byteStrings)
      this.#sets.set(key, {
        findings,
        epoch: store.epoch(agent),
        decisions: decisions.version,
        untilMs: findings.length === 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + PIN_NEWS_AGAIN_MS,
      })
      return placed(findings)
    }
    const seen = this.#reader.see(agent, defined, byteStrings)
    return seen instanceof Promise ? seen.then(finish) : finish(seen)
  }

  /** Holds definitions against the pins from before the request, and pins what is new and like nothing that went away. */
  #judge(
    agent: string,
    defined: readonly DefinedTool[],
    seen: readonly SeenTool[],
    byteStrings: boolean,
  ): readonly SegmentFinding[] {
    const { store, decisions } = this.#options
    const before = store.tools(agent)
    const formerOf = createFormerOf(before, new Set(defined.map(({ tool }) => tool)))
    const fresh = new Map<string, Pin[]>()
    const suspect = new Set<string>()
    const findings: SegmentFinding[] = []
    for (const { tool, hash, read: known } of seen) {
      const name = tool.tool
      const pins = before.get(name)
      // Its agent may have been forgotten since it was found to be as pinned.
      const read = known ?? (pins ? null : readTool(tool, byteStrings))
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

function addVariant(fresh: Map<string, Pin[]>, name: string, read: ToolDefinition): void {
  const variants = fresh.get(name)
  if (!variants) fresh.set(name, [read])
  else if (variants.length < VARIANTS_MAX && !variants.some(({ hash }) => hash === read.hash)) variants.push(read)
}
