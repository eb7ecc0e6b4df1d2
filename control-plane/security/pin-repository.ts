import type { ToolPinDecision, ToolPinReport } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { storable } from './storable.ts'

/** How a definition of a tool stands. `pinned`: the first that was seen. `pending`: another one than that; people decide. */
export const TOOL_PIN_STATES = ['pinned', 'pending', 'approved', 'rejected'] as const
/** One of {@link TOOL_PIN_STATES}. */
export type ToolPinState = (typeof TOOL_PIN_STATES)[number]

/** A definition of a tool as it is shown. Instants are RFC 3339. */
export interface ToolPinRow {
  readonly id: number
  readonly agent: string
  readonly tool: string
  readonly hash: string
  readonly state: ToolPinState
  readonly previousHash: string | null
  readonly changedPaths: readonly string[]
  readonly similarTo: string | null
  /** By the clock of the sidecar. */
  readonly firstSeenAt: string
  /** The sidecar that told of it first. */
  readonly instanceId: string
  readonly decidedAt: string | null
  /** The key of who decided. */
  readonly decidedBy: string | null
  readonly reason: string | null
}

/** What they are narrowed to; `null`: any. */
export interface ToolPinFilter {
  readonly agent: string | null
  readonly tool: string | null
  readonly state: ToolPinState | null
}

/** Definitions that nobody decided of and that are kept, the newest; names come from requests. */
const UNDECIDED_MAX = 100_000

const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
const columns = (tx: Tx) => tx`
  number::float8 AS id, agent, tool, hash, state, previous_hash AS "previousHash", changed_paths AS "changedPaths",
  similar_to AS "similarTo", to_char(first_seen_at, ${FORMAT}) AS "firstSeenAt", instance_id AS "instanceId",
  to_char(decided_at, ${FORMAT}) AS "decidedAt", decided_by AS "decidedBy", reason`

/** Definitions of tools that sidecars of the transaction's organisation saw. */
export const toolPinRepository = {
  /**
   * Writes down those that are new. One that differs from what is known of its tool already waits for people, whichever
   * sidecar saw it first; reports of one organisation are taken one after the other, so that this can be told.
   * @returns the state of each that was new
   */
  report: async (tx: Tx, instanceId: string, reports: readonly ToolPinReport[]): Promise<readonly ToolPinState[]> => {
    await tx`SELECT pg_advisory_xact_lock(hashtextextended('tool pins ' || current_org()::text, 0))`
    const rows = await tx<{ state: ToolPinState }[]>`
      WITH told AS (
        SELECT DISTINCT ON (agent, tool, hash) * FROM json_to_recordset(${storable(reports.map((each, at) => ({ ...each, order: at })))}::text::json)
          AS told (agent text, tool text, hash text, "previousHash" text, "changedPaths" json, "similarTo" text,
            at timestamptz, "order" integer)
        ORDER BY agent, tool, hash, "order"
      )
      INSERT INTO tool_pins (org_id, agent, tool, hash, state, previous_hash, changed_paths, similar_to, first_seen_at,
        instance_id)
      SELECT acc.current_org(), agent, tool, hash,
        CASE WHEN "previousHash" IS NULL AND "similarTo" IS NULL
            AND row_number() OVER (PARTITION BY agent, tool ORDER BY "order") = 1
            AND NOT EXISTS (SELECT FROM tool_pins AS known WHERE known.agent = told.agent AND known.tool = told.tool)
          THEN 'pinned' ELSE 'pending' END,
        "previousHash", "changedPaths", "similarTo", at, ${instanceId}
      FROM told ORDER BY agent COLLATE "C", tool COLLATE "C", hash
      ON CONFLICT (org_id, agent, tool, hash) DO NOTHING
      RETURNING state`
    return rows.map(({ state }) => state)
  },
  /** Forgets the oldest beyond what is kept. */
  forget: async (tx: Tx): Promise<void> => {
    await tx`
      DELETE FROM tool_pins WHERE state IN ('pinned', 'pending') AND number <= (
        SELECT number FROM tool_pins WHERE state IN ('pinned', 'pending')
        ORDER BY number DESC OFFSET ${UNDECIDED_MAX} LIMIT 1)`
  },
  /** Newest first. */
  list: (tx: Tx, filter: ToolPinFilter, before: number | null, limit: number): Promise<readonly ToolPinRow[]> => {
    const { agent, tool, state } = filter
    return tx<ToolPinRow[]>`
      SELECT ${columns(tx)} FROM tool_pins
      WHERE true
        ${agent === null ? tx`` : tx`AND agent = ${agent}`}
        ${tool === null ? tx`` : tx`AND tool = ${tool}`}
        ${state === null ? tx`` : tx`AND state = ${state}`}
        ${before === null ? tx`` : tx`AND number < ${before}::bigint`}
      ORDER BY number DESC LIMIT ${limit}`
  },
  decide: async (
    tx: Tx,
    id: number,
    decision: ToolPinDecision['decision'],
    reason: string,
    by: string,
  ): Promise<ToolPinRow | null> => {
    const [row] = await tx<ToolPinRow[]>`
      UPDATE tool_pins SET state = ${decision}, reason = ${reason}, decided_at = now(), decided_by = ${by}
      WHERE number = ${id}::bigint RETURNING ${columns(tx)}`
    return row ?? null
  },
  remove: async (tx: Tx, id: number): Promise<ToolPinRow | null> => {
    const [row] = await tx<ToolPinRow[]>`DELETE FROM tool_pins WHERE number = ${id}::bigint RETURNING ${columns(tx)}`
    return row ?? null
  },
  decided: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ count: number }[]>`
      SELECT count(*)::int AS count FROM tool_pins WHERE state IN ('approved', 'rejected')`
    return row?.count ?? 0
  },
  /** What was decided, as sidecars are told. */
  commands: async (tx: Tx): Promise<ToolPinDecision[]> => [
    ...(await tx<ToolPinDecision[]>`
      SELECT agent, tool, hash, state AS decision FROM tool_pins WHERE state IN ('approved', 'rejected') ORDER BY number`),
  ],
}
