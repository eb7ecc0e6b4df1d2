import type { SidecarFiguresRow } from '../agents/repository.ts'
import type { AgentService } from '../agents/service.ts'
import type { Caller } from '../auth/service.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { type SidecarRow, type SidecarState, sidecarRepository } from './repository.ts'

/** Tells which sidecar runs what. */
export interface SidecarService {
  list(caller: Caller, state: SidecarState | null, cursor: string | null, limit: number): Promise<SidecarPage>
}

/** A sidecar, with the revision that its generation is of where that is still known. */
export interface Sidecar extends SidecarRow {
  readonly revision: string | null
  /** What it told of itself last; `null` if it never did. */
  readonly figures: Omit<SidecarFiguresRow, 'instanceId'> | null
}

/** A page of the sidecars of an organisation. */
export interface SidecarPage {
  /** The generation in force; 0 before the first. */
  readonly generation: number
  /** Of all of them, whatever the page holds. */
  readonly counts: Readonly<Record<SidecarState, number>>
  readonly sidecars: readonly Sidecar[]
  /** Where the next page begins; `null` on the last. */
  readonly nextCursor: string | null
}

/** What the service needs. */
export interface SidecarServiceOptions {
  readonly agents: Pick<AgentService, 'sidecars'>
  readonly database: Database
  readonly policies: {
    generation(orgId: string): Promise<number>
    /** The revision of each of these generations that is known. */
    revisions(orgId: string, generations: readonly number[]): Promise<ReadonlyMap<number, string>>
  }
}

/** Longer than any poll and the longest pause after a failure: one that is silent for so long is not there. */
export const HEARD_WITHIN_MS = 90_000
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Makes the service. */
export function createSidecarService({ database, policies, agents }: SidecarServiceOptions): SidecarService {
  return {
    list: async (caller, state, cursor, limit) => {
      if (cursor !== null && !UUID.test(cursor)) throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
      const generation = await policies.generation(caller.orgId)
      const measure = { generation, heardWithinMs: HEARD_WITHIN_MS }
      const { rows, counted } = await database.inOrg(caller.orgId, async (tx) => ({
        rows: await sidecarRepository.list(tx, measure, state, cursor, limit + 1),
        counted: await sidecarRepository.counts(tx, measure),
      }))
      const page = rows.slice(0, limit)
      const revisions = await policies.revisions(caller.orgId, [...new Set(page.map((row) => row.generation))])
      const figures = await agents.sidecars(
        caller,
        page.map(({ instanceId }) => instanceId),
      )
      const counts = { SYNCED: 0, STALE: 0, NACKED: 0 }
      for (const each of counted) counts[each.state] = each.count
      return {
        generation,
        counts,
        sidecars: page.map((row) => ({
          ...row,
          revision: revisions.get(row.generation) ?? null,
          figures: figures.get(row.instanceId) ?? null,
        })),
        nextCursor: rows.length > limit ? (page.at(-1)?.instanceId ?? null) : null,
      }
    },
  }
}
