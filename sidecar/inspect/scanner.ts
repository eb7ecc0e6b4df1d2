import type { Segment } from '@agentcostcontrol/contract'
import { DETECTORS, type Detector } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { Coverage, Judged, Way } from './coverage.ts'
import { type Verdict, VerdictCache } from './verdict-cache.ts'
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
/** Below this length scanning a text costs less than hashing it. */
const HASH_CHARS_MIN = 512

/** Detectors of a policy, resolved. */
export interface DetectorSet {
  readonly detectors: readonly Detector[]
  readonly ids: readonly string[]
  /** Ids and versions: the scope of cached verdicts. */
  readonly key: string
  /** What these detectors have judged so far. */
  readonly judged: Judged
}

/** Finds a policy's detectors; memoised, since policies are few and live long. */
export function createDetectorSets(coverage: Coverage): (security: CompiledSecurity) => DetectorSet {
  const sets = new WeakMap<CompiledSecurity, DetectorSet>()
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
      key: `${security.detectorsKey}|${detectors.map(({ id, version }) => `${id}@${version}`).join()}`,
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

/** A segment without a verdict; `key` is where its verdict is kept, `null` for nowhere. */
interface FreshSegment {
  readonly at: number
  readonly segment: Segment
  readonly key: string | null
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
   * @throws what {@link ScanPool.run} throws, as a rejection.
   */
  scan(segments: readonly Segment[], set: DetectorSet, way: Way, timeoutMs: number): ScanResult | Promise<ScanResult> {
    const verdicts: Verdict[] = []
    const fresh: FreshSegment[] = []
    let freshChars = 0
    for (let at = 0; at < segments.length; at++) {
      const segment = segments[at]
      if (!segment) continue
      const key = segment.text.length < HASH_CHARS_MIN ? null : VerdictCache.key(set.key, segment.source, segment.text)
      const known = key === null ? undefined : this.#cache.get(key)
      verdicts.push(known ?? [])
      if (known !== undefined) continue
      fresh.push({ at, segment, key })
      freshChars += segment.text.length
    }
    const keep = (entry: FreshSegment | undefined, verdict: Verdict): void => {
      if (!entry) return
      verdicts[entry.at] = verdict
      if (entry.key !== null) this.#cache.set(entry.key, verdict)
    }
    if (freshChars <= INLINE_CHARS_MAX) {
      this.#inlineTexts += fresh.length
      for (let index = 0; index < fresh.length; index++) {
        const entry = fresh[index]
        if (entry) keep(entry, detect(set.detectors, entry.segment))
      }
      count(segments, set.judged[way])
      return { verdicts, complete: true }
    }
    this.#pooledTexts += fresh.length
    this.#pooledTasks++
    const task = { detectorIds: set.ids, segments: fresh.map(({ segment: { source, text } }) => ({ source, text })) }
    return this.#pool.run(task, timeoutMs).then((result) => {
      const entries = result.complete ? fresh : fresh.map((entry) => ({ ...entry, key: null }))
      result.verdicts.forEach((verdict, index) => {
        keep(entries[index], verdict)
      })
      count(segments, set.judged[way])
      return { verdicts, complete: result.complete }
    })
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

function detect(detectors: readonly Detector[], segment: Segment): Verdict {
  const [only] = detectors
  if (only && detectors.length === 1) return only.detect(segment.text, segment)
  return detectors.length === 0 ? CLEAN : detectors.flatMap((detector) => detector.detect(segment.text, segment))
}
