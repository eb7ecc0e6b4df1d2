import { AGENT_COMMANDS_MAX, AGENT_PAUSE_MS_MAX, type AgentCommand, type AgentState } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'

/** What people, and findings, do with an agent. */
export const AGENT_CHANGES = ['pause', 'resume', 'quarantine', 'release'] as const
/** One of {@link AGENT_CHANGES}. */
export type AgentChange = (typeof AGENT_CHANGES)[number]

/** What an agent is held to, as it is shown. */
export interface AgentStateRow {
  readonly agent: string
  /** `active` as well when what it was held to is over. */
  readonly state: AgentState
  readonly reason: string
  /** Instants are RFC 3339, by the clock of the database. */
  readonly endsAt: string | null
  readonly changedAt: string
  /** The key of who changed it, or `sidecar` and its instance. */
  readonly changedBy: string
}

/** A change. */
export interface AgentStateChange {
  readonly agent: string
  readonly change: AgentChange
  readonly reason: string
  /** `null`: by another change alone. */
  readonly endsInMs: number | null
  readonly changedBy: string
  /** Of the event whose finding did it. */
  readonly eventId: string | null
}

/** A change as it is shown. */
export interface AgentChangeRow {
  readonly number: number
  readonly change: AgentChange
  readonly reason: string
  readonly endsAt: string | null
  readonly changedAt: string
  readonly changedBy: string
  readonly eventId: string | null
}

/** What a finding has to know of its agent. */
export interface AgentVerdictRow {
  readonly agent: string
  readonly quarantined: boolean
  /** Of its last release, by the clock of the database, ms since the epoch; `null` for none. */
  readonly releasedMs: number | null
}

const STATE_OF = { pause: 'paused', resume: 'active', quarantine: 'quarantined', release: 'active' } as const
const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
const inForce = (tx: Tx) => tx`(ends_at IS NULL OR ends_at > now())`
/** What an agent is held to now. */
const state = (tx: Tx) => tx`CASE WHEN ${inForce(tx)} THEN state ELSE 'active' END`
/** What of the agents' states nobody has to be told any more: no pause of a sidecar's own lasts longer. */
const isOver = (tx: Tx) => tx`${state(tx)} = 'active' AND greatest(changed_at, ends_at)
  < now() - ${AGENT_PAUSE_MS_MAX}::float8 * interval '1 millisecond'`

/** What agents of the transaction's organisation are held to. */
export const agentStateRepository = {
  /** Changes it, and writes that down. */
  set: async (tx: Tx, made: AgentStateChange, version: string): Promise<void> => {
    const { agent, change, endsInMs, reason, changedBy, eventId } = made
    const release = change === 'release' ? version : '0'
    await tx`
      INSERT INTO agent_states AS known (org_id, agent, state, reason, ends_at, changed_by, version, release)
      VALUES (current_org(), ${agent}, ${STATE_OF[change]}, ${reason}, now() + ${endsInMs}::float8 * interval '1 millisecond',
        ${changedBy}, ${version}::bigint, ${release}::bigint)
      ON CONFLICT (org_id, agent) DO UPDATE SET state = excluded.state, reason = excluded.reason,
        ends_at = excluded.ends_at, changed_at = now(), changed_by = excluded.changed_by, version = excluded.version,
        release = greatest(known.release, excluded.release)`
    await tx`
      INSERT INTO agent_state_changes (org_id, agent, change, reason, ends_at, changed_by, event_id)
      VALUES (current_org(), ${agent}, ${change}, ${reason}, now() + ${endsInMs}::float8 * interval '1 millisecond',
        ${changedBy}, ${eventId})`
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
  /** How many are stopped. */
  stopped: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ count: number }[]>`
      SELECT count(*)::int AS count FROM agent_states WHERE ${state(tx)} <> 'active'`
    return row?.count ?? 0
  },
  /** The whole list, as sidecars are told. */
  commands: async (tx: Tx): Promise<AgentCommand[]> => [
    ...(await tx<AgentCommand[]>`
      SELECT agent, ${state(tx)} AS state, reason, version::float8 AS version, release::float8 AS release,
        CASE WHEN ${inForce(tx)} THEN ceil(extract(epoch FROM ends_at - now()) * 1000)::float8 END AS "endsInMs"
      FROM agent_states ORDER BY agent`),
  ],
  /** Of these agents, those of whom something is known. */
  of: (tx: Tx, agents: readonly string[]): Promise<readonly AgentStateRow[]> =>
    tx<AgentStateRow[]>`
      SELECT agent, ${state(tx)} AS state, reason, to_char(ends_at, ${FORMAT}) AS "endsAt",
        to_char(changed_at, ${FORMAT}) AS "changedAt", changed_by AS "changedBy"
      FROM agent_states WHERE agent = ANY(${[...agents]}::text[])`,
  /** Of each of these agents, whether it is in quarantine, and when it was let out last. */
  verdicts: (tx: Tx, agents: readonly string[]): Promise<readonly AgentVerdictRow[]> =>
    tx<AgentVerdictRow[]>`
      SELECT asked.agent,
        EXISTS (SELECT FROM agent_states AS s WHERE s.agent = asked.agent AND s.state = 'quarantined') AS quarantined,
        (SELECT extract(epoch FROM max(changed_at)) * 1000 FROM agent_state_changes AS c
          WHERE c.agent = asked.agent AND c.change = 'release')::float8 AS "releasedMs"
      FROM unnest(${[...agents]}::text[]) AS asked (agent)`,
  /** What was ever said of an agent, newest first. */
  history: (tx: Tx, agent: string, before: number | null, limit: number): Promise<readonly AgentChangeRow[]> =>
    tx<AgentChangeRow[]>`
      SELECT number::float8 AS number, change, reason, to_char(ends_at, ${FORMAT}) AS "endsAt",
        to_char(changed_at, ${FORMAT}) AS "changedAt", changed_by AS "changedBy", event_id AS "eventId"
      FROM agent_state_changes
      WHERE agent = ${agent} ${before === null ? tx`` : tx`AND number < ${before}`}
      ORDER BY number DESC LIMIT ${limit}`,
}
