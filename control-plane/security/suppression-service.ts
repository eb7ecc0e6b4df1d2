import { SUPPRESSION_MS_MAX, SUPPRESSIONS_MAX, type Suppressed, type Suppression } from '@agentcostcontrol/contract'
import type { Caller } from '../auth/service.ts'
import type { Clock } from '../clock.ts'
import type { Database, Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { BeginCommand } from '../sidecars/commands.ts'
import { type StoredSuppression, type SuppressionRow, suppressionRepository } from './suppression-repository.ts'

/** Lets findings pass for a while, everywhere. */
export interface SuppressionService {
  /** @param expiresAt RFC 3339 @throws ApiError where it ends too soon or too late, or where there are too many */
  make(caller: Caller, what: Suppressed, reason: string, expiresAt: string): Promise<SuppressionRow>
  /** Ends one before its time. @throws ApiError where none is in force under this id */
  end(caller: Caller, id: string): Promise<SuppressionRow>
  /** Newest first. @param all those that are over as well @param cursor the `nextCursor` of the page before */
  list(caller: Caller, all: boolean, cursor: string | null, limit: number): Promise<SuppressionPage>
  /** For the list that sidecars follow. */
  commands(tx: Tx): Promise<Suppression[]>
}

/** A page of them. */
export interface SuppressionPage {
  readonly suppressions: readonly SuppressionRow[]
  readonly nextCursor: string | null
}

/** What the service needs. */
export interface SuppressionServiceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly begin: BeginCommand
  /** Told of one that was made or ended. */
  onChange(orgId: string, change: 'made' | 'ended', row: SuppressionRow): void
}

const CURSOR = /^[1-9]\d{0,14}$/
const SHORTEST_MS = 1_000

/** Makes the service. */
export function createSuppressionService({
  database,
  clock,
  begin,
  onChange,
}: SuppressionServiceOptions): SuppressionService {
  return {
    make: async ({ orgId, keyId }, what, reason, expiresAt) => {
      const leftMs = Date.parse(expiresAt) - clock.nowMs()
      if (leftMs < SHORTEST_MS || leftMs > SUPPRESSION_MS_MAX)
        throw new ApiError('acc_api_invalid', 'expiresAt: it must lie between a second and a year from now')
      const row = await database.inOrg(orgId, async (tx) => {
        await begin(tx, orgId)
        const made = await suppressionRepository.make(tx, { ...what, reason, createdBy: keyId, expiresAt })
        if ((await suppressionRepository.count(tx)) > SUPPRESSIONS_MAX)
          throw new ApiError(
            'acc_api_conflict',
            `${SUPPRESSIONS_MAX} suppressions are in force already: end some, or switch the rule off in the policy.`,
          )
        return made
      })
      if (row === null) throw new Error('a suppression without a row')
      onChange(orgId, 'made', row)
      return row
    },
    end: async ({ orgId, keyId }, id) => {
      const row = await database.inOrg(orgId, async (tx) => {
        await begin(tx, orgId)
        const ended = await suppressionRepository.end(tx, id, keyId)
        if (ended === null) throw new ApiError('acc_api_not_found', 'No suppression of this id is in force.')
        return ended
      })
      onChange(orgId, 'ended', row)
      return row
    },
    list: async ({ orgId }, all, cursor, limit) => {
      if (cursor !== null && !CURSOR.test(cursor))
        throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
      const before = cursor === null ? null : Number(cursor)
      const rows = await database.inOrg(orgId, (tx) => suppressionRepository.list(tx, all, before, limit + 1))
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        suppressions: page.map(({ number: _, ...shown }: StoredSuppression) => shown),
        nextCursor: rows.length > limit && last !== undefined ? String(last.number) : null,
      }
    },
    commands: suppressionRepository.commands,
  }
}
