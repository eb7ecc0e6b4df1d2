import { AGENT_COMMANDS_MAX, AGENT_PAUSE_MS_MAX, type AgentState } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'

/** What an agent is held to, as it is shown. */
export interface AgentStateRow {
  readonly agent: string
  /** `active` as well when what it was held to is over. */
  readonly state: AgentState
  readonly reason: string
  /** Instants are RFC 3339, by the clock of the database. */
  readonly endsAt: string | null
  readonly changedAt: string
  /** The key of who changed it. */
  readonly changedBy: string
}

/** The same, as sidecars are told. */
export interface AgentCommandRow {
  /** `null` where the list is empty; its version is told all the same. */
  readonly agent: string | null
  readonly state: AgentState
  readonly reason: string
  readonly version: number
  readonly endsInMs: number | null
  readonly listVersion: number
}

/** A change. */
export interface AgentStateChange {
  readonly agent: string
  readonly state: AgentState
  readonly reason: string
  /** `null`: by another change alone. */
  readonly endsInMs: number | null
  readonly changedBy: string
}

const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
const inForce = (tx: Tx) => tx`(ends_at IS NULL OR ends_at > now())`
/** What an agent is held to now. */
const state = (tx: Tx) => tx`CASE WHEN ${inForce(tx)} THEN state ELSE 'active' END`
/** What of the agents' states nobody has to be told any more: no pause of a sidecar's own lasts longer. */
const isOver = (tx: Tx) => tx`${state(tx)} = 'active' AND greatest(changed_at, ends_at)
  < now() - ${AGENT_PAUSE_MS_MAX}::float8 * interval '1 millisecond'`

/** What agents of the transaction's organisation are held to. */
export const agentStateRepository = {
  /** Begins a change: others wait for its end. @returns its version, which is above all before, a restored database's too */
  nextVersion: async (tx: Tx): Promise<string> => {
    const [row] = await tx<{ version: string }[]>`
      INSERT INTO agent_state_versions AS known (org_id, version)
      VALUES (current_org(), floor(extract(epoch FROM clock_timestamp()) * 1000))
      ON CONFLICT (org_id) DO UPDATE SET version = greatest(known.version + 1, excluded.version)
      RETURNING version::text AS version`
    return row?.version ?? '1'
  },
  set: async (tx: Tx, change: AgentStateChange, version: string): Promise<void> => {
    const { agent, endsInMs, reason, changedBy } = change
    await tx`
      INSERT INTO agent_states (org_id, agent, state, reason, ends_at, changed_by, version)
      VALUES (current_org(), ${agent}, ${change.state}, ${reason}, now() + ${endsInMs}::float8 * interval '1 millisecond',
        ${changedBy}, ${version}::bigint)
      ON CONFLICT (org_id, agent) DO UPDATE SET state = excluded.state, reason = excluded.reason,
        ends_at = excluded.ends_at, changed_at = now(), changed_by = excluded.changed_by, version = excluded.version`
  },
  /** Forgets what is over, and what goes on beyond what the list holds, the oldest first. */
  forget: async (tx: Tx): Promise<void> => {
    await tx`DELETE FROM agent_states WHERE ${isOver(tx)}`
    await tx`
      DELETE FROM agent_states WHERE agent IN (
        SELECT agent FROM agent_states WHERE ${state(tx)} = 'active' ORDER BY version
        LIMIT greatest(0, (SELECT count(*) FROM agent_states) - ${AGENT_COMMANDS_MAX}))`
  },
  count: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ count: number }[]>`SELECT count(*)::int AS count FROM agent_states`
    return row?.count ?? 0
  },
  version: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ version: number }[]>`SELECT version::float8 AS version FROM agent_state_versions`
    return row?.version ?? 0
  },
  /** The whole list and its version, of one moment. */
  commands: (tx: Tx): Promise<readonly AgentCommandRow[]> =>
    tx<AgentCommandRow[]>`
      SELECT s.agent, ${state(tx)} AS state, reason, s.version::float8 AS version, v.version::float8 AS "listVersion",
        CASE WHEN ${inForce(tx)} THEN ceil(extract(epoch FROM ends_at - now()) * 1000)::float8 END AS "endsInMs"
      FROM agent_state_versions AS v LEFT JOIN agent_states AS s ON s.org_id = v.org_id ORDER BY s.agent`,
  /** Of these agents, those of whom something is known. */
  of: (tx: Tx, agents: readonly string[]): Promise<readonly AgentStateRow[]> =>
    tx<AgentStateRow[]>`
      SELECT agent, ${state(tx)} AS state, reason, to_char(ends_at, ${FORMAT}) AS "endsAt",
        to_char(changed_at, ${FORMAT}) AS "changedAt", changed_by AS "changedBy"
      FROM agent_states WHERE agent = ANY(${[...agents]}::text[])`,
}
