import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { coalesce } from '../sidecars/coalesce.ts'
import { indexRepository } from './index-repository.ts'
import { listRepository } from './list-repository.ts'
import type { Workshop } from './workshop.ts'

/** Makes the index of an organisation's lists and puts it in force. */
export interface IndexBuilder {
  /** Resolves when an index is in force that holds everything committed before. @throws if none could be made */
  build(orgId: string): Promise<void>
}

/** What it needs. */
export interface IndexBuilderOptions {
  readonly database: Database
  readonly workshop: Pick<Workshop, 'build'>
  readonly wakes: Pick<Wakes, 'announce'>
  readonly clock: Clock
  /** Told of each. @param version `null` without lists */
  onBuilt(orgId: string, index: { readonly version: string | null; readonly entries: number }): void
  onFailed(orgId: string, error: unknown): void
}

/** Makes it. */
export function createIndexBuilder({
  database,
  workshop,
  wakes,
  clock,
  onBuilt,
  onFailed,
}: IndexBuilderOptions): IndexBuilder {
  /** One for each organisation whose lists ever changed here. */
  const byOrg = new Map<string, () => Promise<void>>()

  async function once(orgId: string): Promise<void> {
    const { revision, texts } = await database.inOrg(orgId, async (tx) => ({
      // First: an index of something newer than its revision is made again, one of something older would not be.
      revision: (await indexRepository.state(tx)).revision,
      texts: await listRepository.texts(tx),
    }))
    const built = texts.length === 0 ? null : await workshop.build(texts, clock.nowMs())
    const isNewest = await database.inOrg(orgId, async (tx) => {
      const state = await indexRepository.lock(tx)
      // Another replica was faster, and knew more.
      if (state.builtRevision > revision) return false
      await indexRepository.put(tx, revision, built)
      for (const { name, counts } of built?.lists ?? []) await listRepository.count(tx, name, counts)
      await wakes.announce(tx, 'intel', orgId)
      return true
    })
    if (isNewest) onBuilt(orgId, { version: built?.version ?? null, entries: built?.entries ?? 0 })
  }

  return {
    build: async (orgId) => {
      const work = byOrg.get(orgId) ?? coalesce(() => once(orgId))
      byOrg.set(orgId, work)
      try {
        await work()
      } catch (error) {
        onFailed(orgId, error)
        throw error
      }
    },
  }
}
