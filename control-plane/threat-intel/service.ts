import type { ThreatIntelNews } from '@agentcostcontrol/contract'
import type { FeedFormat } from '@agentcostcontrol/detectors/threat-intel'
import type { Caller } from '../auth/service.ts'
import type { Clock } from '../clock.ts'
import type { Database, Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { IndexBuilder } from './builder.ts'
import type { ListFetcher } from './fetcher.ts'
import type { IndexCache } from './index-cache.ts'
import { type IndexInForce, indexRepository } from './index-repository.ts'
import { type IntelList, listRepository, type NewList } from './list-repository.ts'
import { storeText } from './store.ts'
import type { ListKind } from './tasks.ts'
import { BadList, type Workshop } from './workshop.ts'

/** Lists of threat intelligence: made, filled, fetched, and given to sidecars as one index. */
export interface ThreatIntelService {
  /** Makes one that is empty, or is fetched from a URL from now on. @throws ApiError where there is one of this name, or too many */
  make(caller: Caller, list: Omit<NewList, 'createdBy'>): Promise<IntelList>
  /**
   * Puts what was sent in place of what a list holds; resolves when it is in force. The same again changes nothing.
   * @param made as what it is made where there is none of this name; `null`: not at all
   * @throws ApiError where it cannot be read, or is no list that people fill
   */
  upload(caller: Caller, name: string, bytes: Uint8Array<ArrayBuffer>, made: MadeBy | null): Promise<IntelList>
  list(caller: Caller): Promise<{ readonly lists: readonly IntelList[]; readonly index: IndexInForce }>
  /** @throws ApiError where there is none */
  find(caller: Caller, name: string): Promise<IntelList>
  /** Takes one out of force; resolves when it is. @throws ApiError where there is none */
  remove(caller: Caller, name: string): Promise<void>
  /** Fetches one now. @throws ApiError where there is none, it has no URL, or is being fetched */
  refresh(caller: Caller, name: string): Promise<IntelList>
  /** The index that sidecars are to have. */
  news(orgId: string): Promise<ThreatIntelNews>
  /** The bytes of an index, as they are asked for. @throws ApiError where it is not known, or not any more */
  index(orgId: string, version: string): Promise<StoredIndex>
}

/** As what a list is made. */
export interface MadeBy {
  readonly format: FeedFormat
  /** `null` where that was not said. */
  readonly kind: ListKind | null
}

/** An index that is read piece by piece. */
export interface StoredIndex {
  readonly bytes: number
  pieces(): AsyncIterable<Buffer>
}

/** What the service needs. */
export interface ThreatIntelOptions {
  readonly database: Database
  readonly workshop: Pick<Workshop, 'read'>
  readonly builder: IndexBuilder
  readonly fetcher: ListFetcher
  readonly cache: IndexCache
  readonly clock: Clock
  /** Told of a list that is to be fetched at once. */
  onDue(orgId: string): void
  onChange(orgId: string, change: 'made' | 'filled' | 'deleted', name: string): void
}

/** Most lists of an organisation. */
export const LISTS_MAX = 64

/** Makes the service. */
export function createThreatIntelService(options: ThreatIntelOptions): ThreatIntelService {
  const { database, workshop, builder, fetcher, cache, clock, onDue, onChange } = options
  const find = async (orgId: string, name: string): Promise<IntelList> =>
    known(await database.inOrg(orgId, (tx) => listRepository.find(tx, name)))

  const isPending = async (orgId: string): Promise<boolean> =>
    (await database.inOrg(orgId, indexRepository.inForce)).pending

  /** @returns whether it holds something else now */
  async function fill(
    { orgId, keyId }: Caller,
    name: string,
    bytes: Uint8Array<ArrayBuffer>,
    made: MadeBy | null,
  ): Promise<boolean> {
    const before = await database.inOrg(orgId, (tx) => listRepository.find(tx, name))
    if (before === null && made === null)
      throw new ApiError('acc_api_not_found', 'There is no such list: say its "format" to make it.')
    const { format, kind } = before ?? { ...(made ?? known(before)), kind: made?.kind ?? 'block' }
    if (before !== null && made !== null && (made.format !== format || (made.kind ?? kind) !== kind))
      throw new ApiError(
        'acc_api_conflict',
        `The list is one of the format ${format} and the kind ${kind}: delete it first.`,
      )
    const list = await workshop.read({ name, format, kind, bytes }, clock.nowMs())
    return database.inOrg(orgId, async (tx) => {
      await indexRepository.lock(tx)
      const now = await listRepository.find(tx, name)
      if (now === null) await makeIn(tx, { name, format, kind, url: null, refreshSeconds: null, createdBy: keyId })
      if (now !== null && now.url !== null)
        throw new ApiError('acc_api_conflict', 'The list is fetched from its URL: delete it to fill one of its name.')
      return storeText(tx, name, list)
    })
  }

  return {
    make: async ({ orgId, keyId }, list) => {
      await database.inOrg(orgId, async (tx) => {
        await indexRepository.lock(tx)
        await makeIn(tx, { ...list, createdBy: keyId })
      })
      onChange(orgId, 'made', list.name)
      if (list.url !== null) onDue(orgId)
      return find(orgId, list.name)
    },
    upload: async (caller, name, bytes, made) => {
      try {
        const changed = await fill(caller, name, bytes, made)
        if (changed) onChange(caller.orgId, 'filled', name)
        // Whoever sent it before may not have seen it in force.
        if (changed || (await isPending(caller.orgId))) await builder.build(caller.orgId)
      } catch (error) {
        if (!(error instanceof BadList)) throw error
        throw new ApiError('acc_api_invalid', `The list is not taken: ${error.message}.`, { cause: error })
      }
      return find(caller.orgId, name)
    },
    list: ({ orgId }) =>
      database.inOrg(orgId, async (tx) => ({
        lists: await listRepository.list(tx),
        index: await indexRepository.inForce(tx),
      })),
    find: ({ orgId }, name) => find(orgId, name),
    remove: async ({ orgId }, name) => {
      await database.inOrg(orgId, async (tx) => {
        await indexRepository.lock(tx)
        if (!(await listRepository.remove(tx, name))) known(null)
        await indexRepository.revise(tx)
      })
      onChange(orgId, 'deleted', name)
      await builder.build(orgId)
    },
    refresh: async ({ orgId }, name) => {
      if (!(await fetcher.now(orgId, name))) {
        const { url } = await find(orgId, name)
        throw new ApiError(
          'acc_api_conflict',
          url === null ? 'The list has no URL: upload what is to be in it.' : 'The list is being fetched already.',
        )
      }
      return find(orgId, name)
    },
    news: (orgId) => database.inOrg(orgId, indexRepository.news),
    index: async (orgId, version) => {
      const size = await database.inOrg(orgId, (tx) => indexRepository.size(tx, version))
      if (size === null) throw new ApiError('acc_api_not_found', 'There is no index of this version any more.')
      const { bytes, parts } = size
      const load = (): AsyncIterable<Buffer> => piecesOf(database, orgId, version, parts)
      return { bytes, pieces: () => cache.pieces(`${orgId}/${version}`, bytes, load) }
    },
  }
}

async function makeIn(tx: Tx, list: NewList): Promise<void> {
  if ((await listRepository.sums(tx)).lists >= LISTS_MAX)
    throw new ApiError('acc_api_conflict', `There are ${LISTS_MAX} lists already: delete some first.`)
  if (!(await listRepository.make(tx, list)))
    throw new ApiError('acc_api_conflict', 'There is a list of this name: delete it first, or take another name.')
}

function known(list: IntelList | null): IntelList {
  if (list === null) throw new ApiError('acc_api_not_found', 'There is no such list.')
  return list
}

async function* piecesOf(database: Database, orgId: string, version: string, parts: number): AsyncGenerator<Buffer> {
  for (let part = 0; part < parts; part++) {
    const piece = await database.inOrg(orgId, (tx) => indexRepository.part(tx, version, part))
    // Whoever fetches it is told of another one.
    if (piece === null) throw new Error(`the index ${version} went while it was read`)
    yield piece
  }
}
