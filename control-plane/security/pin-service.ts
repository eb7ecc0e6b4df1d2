import {
  TOOL_PIN_DECISIONS_MAX,
  type ToolPinBatchAnswer,
  type ToolPinDecision,
  type ToolPinReport,
} from '@agentcostcontrol/contract'
import type { Caller, SidecarCaller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { BeginCommand } from '../sidecars/commands.ts'
import { type ToolPinFilter, type ToolPinRow, type ToolPinState, toolPinRepository } from './pin-repository.ts'

/** Definitions of tools: what sidecars saw, and what people decide of it. */
export interface ToolPinService {
  /** Stores what is new of it; the rest is known. */
  report(caller: SidecarCaller, reports: readonly ToolPinReport[]): Promise<ToolPinBatchAnswer>
  /** Newest first. @param cursor the `nextCursor` of the page before */
  list(caller: Caller, filter: ToolPinFilter, cursor: string | null, limit: number): Promise<ToolPinPage>
  /** Whatever was decided before. @throws ApiError where there is none of this id, or too many were decided */
  decide(caller: Caller, id: number, decision: ToolPinDecision['decision'], reason: string): Promise<ToolPinRow>
  /** Forgets a definition and what was decided of it; it is new when it is seen again. @throws ApiError */
  forget(caller: Caller, id: number): Promise<ToolPinRow>
  /** For the list that sidecars follow. */
  commands(tx: Tx): Promise<ToolPinDecision[]>
}

/** A page of them. */
export interface ToolPinPage {
  readonly toolPins: readonly ToolPinRow[]
  readonly nextCursor: string | null
}

/** What the service needs. */
export interface ToolPinServiceOptions {
  readonly database: Database
  readonly begin: BeginCommand
  /** Told of definitions that were new. */
  onSeen(states: readonly ToolPinState[]): void
  /** Told of what people decided. */
  onDecided(orgId: string, row: ToolPinRow): void
}

const CURSOR = /^[1-9]\d{0,14}$/

/** Makes the service. */
export function createToolPinService({ database, begin, onSeen, onDecided }: ToolPinServiceOptions): ToolPinService {
  const known = (row: ToolPinRow | null): ToolPinRow => {
    if (row === null) throw new ApiError('acc_api_not_found', 'There is no definition of a tool under this id.')
    return row
  }
  return {
    report: async ({ orgId, instanceId }, reports) => {
      const states = await database.inOrg(orgId, async (tx) => {
        const added = await toolPinRepository.report(tx, instanceId, reports)
        if (added.length > 0) await toolPinRepository.forget(tx)
        return added
      })
      onSeen(states)
      return { stored: states.length }
    },
    list: async ({ orgId }, filter, cursor, limit) => {
      if (cursor !== null && !CURSOR.test(cursor))
        throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
      const before = cursor === null ? null : Number(cursor)
      const rows = await database.inOrg(orgId, (tx) => toolPinRepository.list(tx, filter, before, limit + 1))
      const toolPins = rows.slice(0, limit)
      const last = toolPins.at(-1)
      return { toolPins, nextCursor: rows.length > limit && last !== undefined ? String(last.id) : null }
    },
    decide: async ({ orgId, keyId }, id, decision, reason) => {
      const row = await database.inOrg(orgId, async (tx) => {
        await begin(tx, orgId)
        const decided = known(await toolPinRepository.decide(tx, id, decision, reason, keyId))
        if ((await toolPinRepository.decided(tx)) > TOOL_PIN_DECISIONS_MAX)
          throw new ApiError(
            'acc_api_conflict',
            `${TOOL_PIN_DECISIONS_MAX} definitions were decided of already: delete those that no agent has any more.`,
          )
        return decided
      })
      onDecided(orgId, row)
      return row
    },
    forget: ({ orgId }, id) =>
      database.inOrg(orgId, async (tx) => {
        await begin(tx, orgId)
        return known(await toolPinRepository.remove(tx, id))
      }),
    commands: toolPinRepository.commands,
  }
}
