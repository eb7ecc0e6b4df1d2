import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { errorFields, type Logger } from '../log.ts'
import { createIndexBuilder } from './builder.ts'
import type { FetchOptions } from './fetch.ts'
import { createListFetcher } from './fetcher.ts'
import { createIndexCache } from './index-cache.ts'
import { indexRepository } from './index-repository.ts'
import { startThreatIntelJobs } from './jobs.ts'
import { listRepository } from './list-repository.ts'
import type { ThreatIntelMetrics } from './metrics.ts'
import { createThreatIntelService, type ThreatIntelService } from './service.ts'
import { LIST_BYTES_MAX } from './unpack.ts'
import { createWorkshop } from './workshop.ts'

/** Threat intelligence of a control plane. */
export interface ThreatIntel {
  readonly service: ThreatIntelService
  /** Looks after the lists of an organisation from now on. */
  start(orgId: string): void
  /** Breaks off fetches, and ends what was started. */
  close(): Promise<void>
}

/** What it needs. */
export interface ThreatIntelPartsOptions {
  readonly database: Database
  readonly wakes: Pick<Wakes, 'announce'>
  readonly clock: Clock
  newId(): string
  /** Hosts that lists may be fetched from at any address. */
  readonly allowedHosts: readonly string[]
  /** How lists are fetched otherwise; the tests are less patient. */
  readonly fetching?: Partial<FetchOptions>
  readonly metrics: ThreatIntelMetrics
  readonly log: Logger
}

const FETCH_MS_MAX = 60_000
/** Of indexes that sidecars are fetching, kept in memory. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024

/** Puts its parts together. */
export function createThreatIntel(options: ThreatIntelPartsOptions): ThreatIntel {
  const { database, wakes, clock, newId, allowedHosts, fetching, metrics, log } = options
  const stopping = new AbortController()
  const jobs = new Map<string, ReturnType<typeof startThreatIntelJobs>>()
  const workshop = createWorkshop()
  const cache = createIndexCache(CACHE_BYTES_MAX)
  metrics.readCache(() => cache.bytes)
  const builder = createIndexBuilder({
    database,
    workshop,
    wakes,
    clock,
    onBuilt: (orgId, index) => {
      metrics.built('built')
      log.info('threat intelligence for sidecars in force', { orgId, ...index })
    },
    onFailed: (orgId, error) => {
      metrics.built('failed')
      log.error('no index came of the lists of threat intelligence; the one before stays', {
        orgId,
        ...errorFields(error),
      })
    },
  })
  const fetcher = createListFetcher({
    database,
    workshop,
    builder,
    fetching: { allowedHosts, bytesMax: LIST_BYTES_MAX, timeoutMs: FETCH_MS_MAX, ...fetching },
    stopping: stopping.signal,
    clock,
    newId,
    onFetched: (orgId, list, result, reason) => {
      metrics.fetched(result)
      if (result === 'failed')
        log.warn('a list of threat intelligence was not fetched; what it held stays', { orgId, list, reason })
      else log.info('a list of threat intelligence was fetched', { orgId, list, result })
    },
  })
  const service = createThreatIntelService({
    database,
    workshop,
    builder,
    fetcher,
    cache,
    clock,
    onDue: (orgId) => jobs.get(orgId)?.hurry(),
    onChange: (orgId, change, list) => log.info(`a list of threat intelligence was ${change}`, { orgId, list }),
  })
  const show = async (orgId: string): Promise<void> => {
    const { lists, index } = await database.inOrg(orgId, async (tx) => ({
      lists: await listRepository.list(tx),
      index: await indexRepository.inForce(tx),
    }))
    metrics.show(lists, index)
  }
  return {
    service,
    start: (orgId) => void jobs.set(orgId, startThreatIntelJobs({ orgId, database, fetcher, builder, show, log })),
    close: async () => {
      stopping.abort()
      await Promise.all([...jobs.values()].map(({ close }) => close()))
    },
  }
}
