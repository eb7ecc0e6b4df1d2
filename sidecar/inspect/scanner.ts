import type { Segment } from '@agentcostcontrol/contract'
import { DETECTORS, type Detector } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { decodeSegment } from '../providers/byte-strings.ts'
import type { Coverage, Judged, Way } from './coverage.ts'
import { keyOf, type Unit, unitsOf } from './units.ts'
import { type Verdict, VerdictCache, type VerdictKey, type Verdicts } from './verdict-cache.ts'
import type { ScanResult, ScanTask } from './worker.ts'

/** Runs a scan off the main thread. */
export interface ScanPool {
  /** @throws ScanPoolFullError at once when its queue is full, ScanTimeoutError when it takes too long or its worker died. */
  run(task: ScanTask, timeoutMs: number): Promise<ScanResult>
}

/** The pool's queue is full. */
export class ScanPoolFullError extends Error {
  override readonly name = 'ScanPoolFullError'
}

/** A scan took longer than the policy allows, or its worker died. */
export class ScanTimeoutError extends Error {
  override readonly name = 'ScanTimeoutError'
}

/** New text up to this many characters is scanned on the main thread: a hop to a worker and back costs more. */
const INLINE_CHARS_MAX = 8_192

/** Detectors of a policy, resolved. */
export interface DetectorSet {
  readonly detectors: readonly Detector[]
  readonly ids: readonly string[]
  /** The scope of cached verdicts: short for what names the detectors and their versions. */
  readonly scope: string
  /** What these detectors have judged so far. */
  readonly judged: Judged
}

/** Finds a policy's detectors; memoised, since policies are few and live long. */
export function createDetectorSets(coverage: Coverage): (security: CompiledSecurity) => DetectorSet {
  const sets = new WeakMap<CompiledSecurity, DetectorSet>()
  const scopes = new Map<string, string>()
  const scopeOf = (key: string): string => {
    const scope = scopes.get(key) ?? String(scopes.size)
    scopes.set(key, scope)
    return scope
  }
  return (security) => {
    const known = sets.get(security)
    if (known) return known
    const wanted = security.detectors.map(({ detectorId }) => detectorId)
    const detectors = DETECTORS.filter(({ id }) => wanted.includes(id))
    const ids = detectors.map(({ id }) => id)
    const set = {
      detectors,
      ids,
      judged: coverage.of(ids),
      scope: scopeOf(`${security.detectorsKey}|${detectors.map(({ id, version }) => `${id}@${version}`).join()}`),
    }
    sets.set(security, set)
    return set
  }
}

/** Counts for the metrics. */
export interface ScannerStats {
  inlineTexts: number
  pooledTexts: number
  pooledTasks: number
  cache: { readonly entries: number; readonly hits: number; readonly misses: number }
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
   * @throws what {@link ScanPool.run} throws, as a rejection.
   */
  scan(
    segments: readonly Segment[],
    set: DetectorSet,
    way: Way,
    timeoutMs: number,
    byteStrings = false,
  ): ScanResult | Promise<ScanResult> {
    const scope = byteStrings ? `${set.scope}b` : set.scope
    const textsOf = ({ at }: Unit): readonly Segment[] => {
      const texts = at.flatMap((index) => segments[index] ?? [])
      return byteStrings ? texts.map(decodeSegment) : texts
    }
    const verdicts: Verdict[] = new Array(segments.length).fill(CLEAN)
    const fresh: FreshUnit[] = []
    let freshTexts = 0
    let freshChars = 0
    for (const unit of unitsOf(segments)) {
      const key = keyOf(unit, segments, scope)
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
      for (const each of fresh) this.#keep(verdicts, each, judge(set.detectors, textsOf(each.unit)))
      count(segments, set.judged[way])
      return { verdicts, complete: true }
    }
    this.#pooledTexts += freshTexts
    this.#pooledTasks++
    const texts = fresh.flatMap(({ unit }) => textsOf(unit)).map(({ source, text }) => ({ source, text }))
    return this.#pool.run({ detectorIds: set.ids, segments: texts }, timeoutMs).then((result) => {
      let from = 0
      for (const { unit, key } of fresh) {
        const told = result.verdicts.slice(from, from + unit.at.length)
        from += unit.at.length
        this.#keep(verdicts, { unit, key: result.complete ? key : null }, areClean(told) ? ALL_CLEAN : told)
      }
      count(segments, set.judged[way])
      return { verdicts, complete: result.complete }
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
    }
  }
}

function count(segments: readonly Segment[], judged: Judged[Way]): void {
  for (const { source } of segments) judged[source]++
}

const CLEAN: Verdict = []
const ALL_CLEAN: Verdicts = []

const areClean = (verdicts: Verdicts): boolean => verdicts.every(({ length }) => length === 0)

/** Puts the verdicts of a unit where its segments stand. */
function put(into: Verdict[], { at }: Unit, verdicts: Verdicts): void {
  verdicts.forEach((verdict, index) => {
    into[at[index] ?? 0] = verdict
  })
}

function judge(detectors: readonly Detector[], segments: readonly Segment[]): Verdicts {
  const verdicts = segments.map((segment) => detect(detectors, segment))
  return areClean(verdicts) ? ALL_CLEAN : verdicts
}

function detect(detectors: readonly Detector[], segment: Segment): Verdict {
  const [only] = detectors
  if (only && detectors.length === 1) return only.detect(segment.text, segment)
  return detectors.flatMap((detector) => detector.detect(segment.text, segment))
}
