import { Counter, Gauge, type Registry } from 'prom-client'
import { FETCH_RESULTS, type FetchResult } from './fetcher.ts'
import type { IndexInForce } from './index-repository.ts'
import type { IntelList } from './list-repository.ts'
import { LIST_KINDS } from './tasks.ts'

/** Shows how the lists of threat intelligence are. */
export interface ThreatIntelMetrics {
  fetched(result: FetchResult): void
  built(result: 'built' | 'failed'): void
  /** Where the bytes of indexes in memory are read. */
  readCache(read: () => number): void
  show(lists: readonly IntelList[], index: IndexInForce): void
}

/** Makes the metrics, in a registry; no name that comes from outside is a label. */
export function createThreatIntelMetrics(registry: Registry): ThreatIntelMetrics {
  const registers = [registry]
  const fetches = new Counter({
    name: 'acc_threat_intel_fetches_total',
    help: 'Fetches of lists by this replica: changed, unchanged, failed (what was there before stays).',
    labelNames: ['result'],
    registers,
  })
  for (const result of FETCH_RESULTS) fetches.inc({ result }, 0)
  const builds = new Counter({
    name: 'acc_threat_intel_builds_total',
    help: 'Indexes that this replica made, and those that could not be made.',
    labelNames: ['result'],
    registers,
  })
  for (const result of ['built', 'failed']) builds.inc({ result }, 0)
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers })
  const lists = new Gauge({
    name: 'acc_threat_intel_lists',
    help: 'Lists by what they are for.',
    labelNames: ['kind'],
    registers,
  })
  const failing = gauge('acc_threat_intel_failing_lists', 'Lists whose last fetch failed.')
  const age = gauge(
    'acc_threat_intel_oldest_age_seconds',
    'Since the last good fetch of the list with a URL for which that is longest ago; 0 without one.',
  )
  const entries = gauge('acc_threat_intel_index_entries', 'Entries of the index in force.')
  let cached = (): number => 0
  new Gauge({
    name: 'acc_threat_intel_cached_bytes',
    help: 'Indexes that sidecars fetched from this replica, kept in memory.',
    registers,
    collect() {
      this.set(cached())
    },
  })
  return {
    readCache: (read) => {
      cached = read
    },
    fetched: (result) => fetches.inc({ result }),
    built: (result) => builds.inc({ result }),
    show: (all, index) => {
      for (const kind of LIST_KINDS) lists.set({ kind }, all.filter((list) => list.kind === kind).length)
      failing.set(all.filter(({ failures }) => failures > 0).length)
      age.set(Math.max(0, ...all.filter(({ url }) => url !== null).map(({ ageSeconds }) => ageSeconds ?? 0)))
      entries.set(index.entries)
    },
  }
}
