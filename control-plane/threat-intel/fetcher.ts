import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { IndexBuilder } from './builder.ts'
import { FetchFailed, type FetchOptions, fetchList } from './fetch.ts'
import { indexRepository } from './index-repository.ts'
import { type ClaimedList, listRepository } from './list-repository.ts'
import { storeText } from './store.ts'
import { BadList, type Workshop } from './workshop.ts'

/** What a fetch came to. */
export const FETCH_RESULTS = ['changed', 'unchanged', 'failed'] as const
/** One of {@link FETCH_RESULTS}. */
export type FetchResult = (typeof FETCH_RESULTS)[number]

/** Fetches lists from where they are published, whichever replica comes first: each list by one at a time. */
export interface ListFetcher {
  /** Fetches what is due, one after the other. */
  due(orgId: string): Promise<void>
  /** Fetches one now, due or not. @returns false where it is none that is fetched, or another replica fetches it now */
  now(orgId: string, name: string): Promise<boolean>
}

/** What it needs. */
export interface ListFetcherOptions {
  readonly database: Database
  readonly workshop: Pick<Workshop, 'read'>
  readonly builder: IndexBuilder
  readonly fetching: FetchOptions
  /** Breaks fetches off, which leaves them to others. */
  readonly stopping: AbortSignal
  readonly clock: Clock
  newId(): string
  onFetched(orgId: string, name: string, result: FetchResult, reason: string | null): void
}

/** Longer than a fetch and its reading may take: a replica that ends in between holds nobody up for longer. */
const CLAIM_MS = 5 * 60 * 1_000
/** After a failure it is tried again: first after so long, then after twice as long, and so on. */
const AGAIN_SECONDS = 30
const AGAIN_SECONDS_MAX = 3_600

/** Makes it. */
export function createListFetcher(options: ListFetcherOptions): ListFetcher {
  const { database, workshop, builder, fetching, stopping, clock, newId, onFetched } = options

  async function run(orgId: string, claimed: ClaimedList): Promise<void> {
    const { name } = claimed
    try {
      const fetched = await fetchList(claimed.url, claimed, fetching, stopping)
      const list =
        fetched.kind === 'unchanged' ? null : await workshop.read({ ...claimed, bytes: fetched.bytes }, clock.nowMs())
      const outcome = fetched.kind === 'unchanged' ? claimed : fetched
      const changed = await database.inOrg(orgId, async (tx) => {
        // Before any row of a list, as whoever puts an index in force.
        await indexRepository.lock(tx)
        if (!(await listRepository.fetched(tx, claimed, outcome))) return false
        return list !== null && list.hash !== claimed.contentHash && (await storeText(tx, name, list))
      })
      onFetched(orgId, name, changed ? 'changed' : 'unchanged', null)
      if (changed) await builder.build(orgId)
    } catch (error) {
      const isOwn = error instanceof FetchFailed || error instanceof BadList
      if (isOwn && !stopping.aborted) await fail(orgId, claimed, error.message)
      // Nothing that the list is to blame for: whoever comes next tries it again.
      else await database.inOrg(orgId, (tx) => listRepository.release(tx, claimed))
      if (!isOwn) throw error
    }
  }

  async function fail(orgId: string, claimed: ClaimedList, reason: string): Promise<void> {
    const againSeconds = Math.min(AGAIN_SECONDS_MAX, AGAIN_SECONDS * 2 ** Math.min(claimed.failures, 10))
    await database.inOrg(orgId, (tx) => listRepository.failed(tx, claimed, reason.slice(0, 1_000), againSeconds))
    onFetched(orgId, claimed.name, 'failed', reason)
  }

  const claim = (orgId: string, name: string | null): Promise<ClaimedList | null> =>
    database.inOrg(orgId, (tx) => listRepository.claim(tx, name, newId(), CLAIM_MS))

  return {
    due: async (orgId) => {
      while (!stopping.aborted) {
        const claimed = await claim(orgId, null)
        if (claimed === null) return
        await run(orgId, claimed)
      }
    },
    now: async (orgId, name) => {
      const claimed = await claim(orgId, name)
      if (claimed !== null) await run(orgId, claimed)
      return claimed !== null
    },
  }
}
