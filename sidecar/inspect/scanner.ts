import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { type Detector, type DetectorEnvironment, detectorsFor } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { decodeSegment } from '../providers/byte-strings.ts'
import type { Conversation } from '../providers/kept-heads.ts'
import { countTexts, type Way } from './coverage.ts'
import type { ScannedText } from './detect.ts'
import { type DetectorTime, DetectorTimes } from './detector-times.ts'
import type { Inspection } from './inspection.ts'
import { KnownUnits } from './known-units.ts'
import { sessionDetectors } from './session/session-detectors.ts'
import type { SeenUnit } from './session/session-request.ts'
import type { Unit } from './units.ts'
import { type Verdict, VerdictCache, type VerdictKey, type Verdicts } from './verdict-cache.ts'
import type { ScanReply, ScanResult, ScanTask } from './worker.ts'

/** Runs a scan off the main thread. */
export interface ScanPool {
  /** @throws ScanFailedError at once when its queue is full, and when it takes too long or its worker died. */
  run(task: ScanTask, timeoutMs: number): Promise<ScanReply>
}

/** New text up to this many characters is scanned on the main thread: a hop to a worker and back costs more. */
const INLINE_CHARS_MAX = 8_192

/** Detectors of a policy, resolved. */
export interface DetectorSet {
  readonly detectors: readonly Detector[]
  readonly ids: readonly string[]
  readonly byId: ReadonlyMap<string, Detector>
  /** Those that look at texts of each source. */
  readonly bySource: Readonly<Record<SegmentSource, readonly Detector[]>>
  /** The scope of cached verdicts: short for what names the detectors and their versions. */
  readonly scope: string
  /** The policy's canaries, which a worker cannot know. */
  readonly canaries: readonly string[]
  /** What a worker makes the same detectors of. */
  readonly environment: DetectorEnvironment
}

/**
 * Finds a policy's detectors; memoised, since policies are few and live long.
 * @param environment what they are made of, as it is now
 */
export function createDetectorSets(
  environment: () => DetectorEnvironment,
): (security: CompiledSecurity) => DetectorSet {
  const sets = new WeakMap<CompiledSecurity, DetectorSet>()
  const scopes = new Map<string, string>()
  const scopeOf = (key: string): string => {
    const scope = scopes.get(key) ?? String(scopes.size)
    scopes.set(key, scope)
    return scope
  }
  return (security) => {
    const now = environment()
    const known = sets.get(security)
    if (known?.environment.key === now.key) return known
    const wanted = security.detectors.map(({ detectorId }) => detectorId)
    const detectors = [...detectorsFor(now).filter(({ id }) => wanted.includes(id)), ...sessionDetectors(security)]
    const set: DetectorSet = {
      detectors,
      ids: detectors.map(({ id }) => id),
      byId: new Map(detectors.map((detector) => [detector.id, detector])),
      bySource: bySource(detectors),
      canaries: security.canaries,
      environment: now,
      scope: scopeOf(`${security.detectorsKey}|${detectors.map(({ id, version }) => `${id}@${version}`).join()}`),
    }
    sets.set(security, set)
    return set
  }
}

/** Splits detectors by whose text they look at. */
export function bySource(detectors: readonly Detector[]): DetectorSet['bySource'] {
  const of = (source: SegmentSource): readonly Detector[] => detectors.filter(({ sources }) => sources.includes(source))
  return {
    system: of('system'),
    user: of('user'),
    assistant: of('assistant'),
    tool_definition: of('tool_definition'),
    tool_call: of('tool_call'),
    tool_result: of('tool_result'),
  }
}

/** Counts for the metrics. */
export interface ScannerStats {
  inlineTexts: number
  pooledTexts: number
  pooledTasks: number
  cache: { readonly entries: number; readonly hits: number; readonly misses: number }
  /** Of the texts that were timed. */
  readonly times: readonly DetectorTime[]
}

/** What a scan gives, and the units that the texts were judged in. */
export interface Scanned extends ScanResult {
  readonly units: readonly SeenUnit[]
}

/** A unit without verdicts; `key` is where they are kept, `null` for nowhere. */
interface FreshUnit {
  readonly unit: Unit
  readonly key: VerdictKey | null
}

/** Scans segments once each: from the cache, inline, or in the pool. */
export class SegmentScanner {
  readonly #pool: ScanPool
  readonly #cache: VerdictCache
  readonly #times = new DetectorTimes()
  readonly #known = new KnownUnits()
  #inlineTexts = 0
  #pooledTexts = 0
  #pooledTasks = 0

  constructor(pool: ScanPool, cacheEntriesMax: number) {
    this.#pool = pool
    this.#cache = new VerdictCache(cacheEntriesMax)
  }

  /**
   * The findings of each segment, in order; without a promise unless the pool is needed.
   * @param byteStrings whether the texts hold bytes: what is new of them is decoded first
   * @param conversation what keys of their texts are kept by
   * @throws what {@link ScanPool.run} throws, as a rejection.
   */
  scan(
    segments: readonly Segment[],
    { set, judged, security }: Inspection,
    way: Way,
    byteStrings = false,
    conversation: Conversation | null = null,
  ): Scanned | Promise<Scanned> {
    const scope = byteStrings ? `${set.scope}b` : set.scope
    const textsOf = ({ at }: Unit): readonly Segment[] => {
      const texts: Segment[] = []
      for (const index of at) {
        const segment = segments[index]
        if (segment) texts.push(byteStrings ? decodeSegment(segment) : segment)
      }
      return texts
    }
    const verdicts: Verdict[] = new Array(segments.length).fill(CLEAN)
    const fresh: FreshUnit[] = []
    let freshTexts = 0
    let freshChars = 0
    const units: SeenUnit[] = []
    for (const { unit, key, seen } of this.#known.keyed(segments, scope, conversation)) {
      units.push(seen)
      const known = key === null ? undefined : this.#cache.get(key)
      if (known !== undefined) {
        put(verdicts, unit, known)
        continue
      }
      fresh.push({ unit, key })
      freshTexts += unit.at.length
      freshChars += unit.chars
    }
    if (freshChars <= INLINE_CHARS_MAX) {
      this.#inlineTexts += freshTexts
      for (const each of fresh) this.#keep(verdicts, each, judge(set, textsOf(each.unit), this.#times))
      countTexts(segments, judged[way])
      return { verdicts, complete: true, units }
    }
    this.#pooledTexts += freshTexts
    this.#pooledTasks++
    const texts = fresh.flatMap(({ unit }) => textsOf(unit)).map(scanned)
    return this.#pool
      .run(
        { detectorIds: set.ids, canaries: set.canaries, environment: set.environment, segments: texts },
        security.timeoutMs,
      )
      .then((result) => {
        this.#times.add(result.times)
        let from = 0
        for (const { unit, key } of fresh) {
          const told = result.verdicts.slice(from, from + unit.at.length)
          from += unit.at.length
          this.#keep(verdicts, { unit, key: result.complete ? key : null }, areClean(told) ? ALL_CLEAN : told)
        }
        countTexts(segments, judged[way])
        return { verdicts, complete: result.complete, units }
      })
  }

  #keep(all: Verdict[], { unit, key }: FreshUnit, verdicts: Verdicts): void {
    put(all, unit, verdicts)
    if (key !== null) this.#cache.set(key, verdicts)
  }

  /** For the metrics. */
  stats(): ScannerStats {
    return {
      inlineTexts: this.#inlineTexts,
      pooledTexts: this.#pooledTexts,
      pooledTasks: this.#pooledTasks,
      cache: this.#cache.stats(),
      times: this.#times.sums(),
    }
  }
}

const scanned = ({ source, tool, text }: Segment): ScannedText =>
  tool === undefined ? { source, text } : { source, tool, text }

const CLEAN: Verdict = []
const ALL_CLEAN: Verdicts = []

const areClean = (verdicts: Verdicts): boolean => verdicts.every(({ length }) => length === 0)

/** Puts the verdicts of a unit where its segments stand. */
function put(into: Verdict[], { at }: Unit, verdicts: Verdicts): void {
  verdicts.forEach((verdict, index) => {
    into[at[index] ?? 0] = verdict
  })
}

function judge({ bySource }: DetectorSet, segments: readonly Segment[], times: DetectorTimes): Verdicts {
  const verdicts = segments.map((segment) => times.detectAll(bySource[segment.source], segment))
  return areClean(verdicts) ? ALL_CLEAN : verdicts
}
