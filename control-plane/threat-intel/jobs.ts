import type { Database } from '../db/database.ts'
import { errorFields, type Logger } from '../log.ts'
import type { IndexBuilder } from './builder.ts'
import type { ListFetcher } from './fetcher.ts'
import { indexRepository } from './index-repository.ts'

/** What is done by itself with the lists of one organisation. */
export interface ThreatIntelJobs {
  /** Looks at once. */
  hurry(): void
  close(): Promise<void>
}

/** What the jobs need. */
export interface ThreatIntelJobsOptions {
  readonly orgId: string
  readonly database: Database
  readonly fetcher: Pick<ListFetcher, 'due'>
  readonly builder: IndexBuilder
  /** Shows how the lists are. */
  show(orgId: string): Promise<void>
  readonly log: Logger
  readonly everyMs?: number
}

const EVERY_MS = 5_000
/** Whoever changes a list makes the index; others do it for one who ended meanwhile. */
const UNBUILT_MS = 30_000
/** Indicators come to their end without anybody changing a list. */
const BUILT_MS = 60 * 60 * 1_000

/** Fetches lists that are due, and makes indexes that nobody made. */
export function startThreatIntelJobs(options: ThreatIntelJobsOptions): ThreatIntelJobs {
  const { orgId, database, fetcher, builder, show, log, everyMs = EVERY_MS } = options
  let closed = false
  let outage = false
  let buildAtMs = 0
  let timer: NodeJS.Timeout | null = null
  let running: Promise<void> = Promise.resolve()

  async function look(): Promise<void> {
    try {
      await fetcher.due(orgId)
      const isOverdue = await database.inOrg(orgId, (tx) => indexRepository.isOverdue(tx, UNBUILT_MS, BUILT_MS))
      await show(orgId)
      if (isOverdue && performance.now() >= buildAtMs) {
        // One that fails would fail again.
        buildAtMs = performance.now() + UNBUILT_MS
        await builder.build(orgId)
      }
      outage = false
    } catch (error) {
      if (!outage)
        log.warn('lists of threat intelligence could not be looked after; it is tried again', errorFields(error))
      outage = true
    }
  }

  const schedule = (): void => {
    if (closed) return
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(begin, everyMs)
  }
  /** One look after the other. */
  const begin = (): void => {
    running = running.then(look).finally(schedule)
  }
  begin()
  return {
    hurry: () => {
      if (!closed) begin()
    },
    close: async () => {
      closed = true
      if (timer !== null) clearTimeout(timer)
      await running
    },
  }
}
