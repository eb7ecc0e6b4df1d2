import type { AgentReport, AgentStatus, SidecarHeartbeat, TaskReport, TaskStatus } from '@agentcostcontrol/contract'
import { taskPhase } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'

/** The sidecar's own figures as it told them last. */
export interface SidecarFiguresRow {
  readonly instanceId: string
  readonly lastHeardAt: string
  readonly version: string
  readonly nodeVersion: string
  readonly startedAt: string
  readonly cpuShare: number
  readonly memoryBytes: number
  readonly eventLoopDelayMs: number
  readonly unsentEvents: number
  readonly queuedScans: number
  readonly leaseWaits: number
  readonly requestsInFlight: number
}

/** The newest heartbeat of an agent behind one sidecar. */
export interface AgentInstanceRow {
  readonly agent: string
  readonly instanceId: string
  readonly lastHeardAt: string
  /** Whole milliseconds since then, by the database's clock. */
  readonly silentForMs: number
  readonly status: AgentStatus
  readonly workflow: string | null
  readonly session: string | null
  readonly cpuShare: number | null
  readonly memoryBytes: number | null
  readonly queueDepth: number | null
}

/** How many of an agent's there are. */
export interface AgentCounts {
  readonly agent: string
  readonly instances: number
  readonly queuedTasks: number
  readonly runningTasks: number
}

/** A task. */
export interface TaskRow {
  readonly number: number
  readonly agent: string
  readonly taskId: string
  readonly name: string | null
  readonly workflow: string | null
  readonly session: string | null
  readonly status: TaskStatus
  readonly errorCode: string | null
  readonly queuedAt: string | null
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly lastHeardAt: string
  readonly instanceId: string
}

/** What tasks are narrowed to. */
export interface TaskFilter {
  readonly agent: string | null
  readonly status: TaskStatus | null
  readonly workflow: string | null
}

/** Tables whose rows go when nothing was heard of them for a while, with the most rows that stay in any case. */
const KEPT = { agent_tasks: 1_000_000, agent_heartbeats: 100_000, sidecar_heartbeats: 100_000 } as const
/** One of them. */
export type KeptTable = keyof typeof KEPT
/** All of them. */
export const KEPT_TABLES: readonly KeptTable[] = ['agent_tasks', 'agent_heartbeats', 'sidecar_heartbeats']

const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
/** RFC 3339 UTC with milliseconds. */
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, ${FORMAT})`

/** What agents and their sidecars tell, of the transaction's organisation. */
export const agentRepository = {
  /** @returns whether it is newer than what is known: what is not says nothing of how anybody is now */
  sidecar: async (tx: Tx, instanceId: string, { bootId, seq, sidecar }: SidecarHeartbeat): Promise<boolean> => {
    const { version, nodeVersion, startedAt, cpuShare, memoryBytes, eventLoopDelayMs } = sidecar
    const { unsentEvents, queuedScans, leaseWaits, requestsInFlight } = sidecar
    const { count } = await tx`
      INSERT INTO sidecar_heartbeats AS known (org_id, instance_id, boot_id, seq, version, node_version, started_at,
        cpu_share, memory_bytes, event_loop_delay_ms, unsent_events, queued_scans, lease_waits, requests_in_flight)
      VALUES (acc.current_org(), ${instanceId}, ${bootId}, ${seq}, ${version}, ${nodeVersion}, ${startedAt}, ${cpuShare},
        ${memoryBytes}, ${eventLoopDelayMs}, ${unsentEvents}, ${queuedScans}, ${leaseWaits}, ${requestsInFlight})
      ON CONFLICT (org_id, instance_id) DO UPDATE SET (boot_id, seq, heard_at, version, node_version, started_at, cpu_share,
        memory_bytes, event_loop_delay_ms, unsent_events, queued_scans, lease_waits, requests_in_flight) =
        ROW (excluded.boot_id, excluded.seq, now(), excluded.version, excluded.node_version, excluded.started_at,
          excluded.cpu_share, excluded.memory_bytes, excluded.event_loop_delay_ms, excluded.unsent_events,
          excluded.queued_scans, excluded.lease_waits, excluded.requests_in_flight)
      WHERE known.boot_id <> excluded.boot_id OR known.seq < excluded.seq`
    return count === 1
  },
  /** In the order of their keys, so that two transactions that meet wait for each other and never in a circle. */
  agents: async (tx: Tx, instanceId: string, reports: readonly AgentReport[]): Promise<void> => {
    await tx`
      INSERT INTO agent_heartbeats (org_id, agent, instance_id, heard_at, status, workflow, session, cpu_share,
        memory_bytes, queue_depth)
      SELECT acc.current_org(), agent, ${instanceId}::uuid, now() - "ageMs" * interval '1 millisecond', status, workflow,
        session, "cpuShare", "memoryBytes", "queueDepth"
      FROM json_to_recordset(${JSON.stringify(reports)}::text::json) AS told (agent text, "ageMs" float8, status text,
        workflow text, session text, "cpuShare" float8, "memoryBytes" bigint, "queueDepth" bigint)
      ORDER BY agent COLLATE "C"
      ON CONFLICT (org_id, agent, instance_id) DO UPDATE SET (heard_at, status, workflow, session, cpu_share, memory_bytes,
        queue_depth) = ROW (excluded.heard_at, excluded.status, excluded.workflow, excluded.session, excluded.cpu_share,
        excluded.memory_bytes, excluded.queue_depth)`
  },
  /**
   * Joins what is told with what is known, as `mergeTasks` of contract/heartbeat.ts does.
   * @param reports each task once
   */
  tasks: async (tx: Tx, instanceId: string, reports: readonly TaskReport[]): Promise<void> => {
    const rows = reports.map((report) => ({ ...report, phase: taskPhase(report.status) }))
    const further = tx`
      (excluded.phase, excluded.said_at, excluded.status, coalesce(excluded.ended_at, '-infinity'), coalesce(excluded.error_code, '')) >
      (known.phase, known.said_at, known.status, coalesce(known.ended_at, '-infinity'), coalesce(known.error_code, ''))`
    await tx`
      INSERT INTO agent_tasks AS known (org_id, agent, task_id, instance_id, phase, status, said_at, name, workflow, session,
        queued_at, started_at, ended_at, error_code)
      SELECT acc.current_org(), agent, "taskId", ${instanceId}::uuid, phase, status, "saidAt", name, workflow, session,
        "queuedAt", "startedAt", "endedAt", "errorCode"
      FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS told (agent text, "taskId" text, phase smallint,
        status text, "saidAt" timestamptz, name text, workflow text, session text, "queuedAt" timestamptz,
        "startedAt" timestamptz, "endedAt" timestamptz, "errorCode" text)
      ORDER BY agent COLLATE "C", "taskId" COLLATE "C"
      ON CONFLICT (org_id, agent, task_id) DO UPDATE SET
        heard_at = now(),
        instance_id = CASE WHEN ${further} THEN excluded.instance_id ELSE known.instance_id END,
        phase = CASE WHEN ${further} THEN excluded.phase ELSE known.phase END,
        status = CASE WHEN ${further} THEN excluded.status ELSE known.status END,
        said_at = CASE WHEN ${further} THEN excluded.said_at ELSE known.said_at END,
        ended_at = CASE WHEN ${further} THEN excluded.ended_at ELSE known.ended_at END,
        error_code = CASE WHEN ${further} THEN excluded.error_code ELSE known.error_code END,
        name = greatest(known.name, excluded.name),
        workflow = greatest(known.workflow, excluded.workflow),
        session = greatest(known.session, excluded.session),
        queued_at = least(known.queued_at, excluded.queued_at),
        started_at = least(known.started_at, excluded.started_at)`
  },
  /** Deletes what was not heard of for so long, and beyond so many rows what was heard of longest ago. */
  forget: async (tx: Tx, table: KeptTable, days: number): Promise<number> => {
    const { count } = await tx`
      DELETE FROM ${tx(table)} WHERE heard_at < greatest(now() - ${days}::float8 * interval '1 day',
        (SELECT heard_at FROM ${tx(table)} ORDER BY heard_at DESC OFFSET ${KEPT[table]} LIMIT 1))`
    return count
  },
  /** By name, behind `after`: those that were heard of, and those that are stopped. */
  counts: (tx: Tx, after: string, limit: number): Promise<readonly AgentCounts[]> =>
    tx<AgentCounts[]>`
      WITH known AS (
        SELECT agent, 1 AS heard FROM agent_heartbeats WHERE agent > ${after}
        UNION ALL
        SELECT agent, 0 FROM agent_states WHERE agent > ${after} AND state <> 'active'
          AND (ends_at IS NULL OR ends_at > now())
      ), page AS (
        SELECT agent, sum(heard)::int AS instances FROM known GROUP BY agent ORDER BY agent LIMIT ${limit}
      )
      SELECT agent, instances,
        (SELECT count(*) FROM agent_tasks AS t WHERE t.agent = page.agent AND phase = 0)::int AS "queuedTasks",
        (SELECT count(*) FROM agent_tasks AS t WHERE t.agent = page.agent AND phase = 1)::int AS "runningTasks"
      FROM page ORDER BY agent`,
  /** Of each agent at most so many, what was heard of last first. */
  instances: (tx: Tx, agents: readonly string[], limit: number): Promise<readonly AgentInstanceRow[]> =>
    tx<AgentInstanceRow[]>`
      SELECT asked.agent, heard.* FROM unnest(${[...agents]}::text[]) AS asked (agent) CROSS JOIN LATERAL (
        SELECT instance_id AS "instanceId", ${iso(tx, 'heard_at')} AS "lastHeardAt",
          greatest(0, floor(extract(epoch FROM now() - heard_at) * 1000))::float8 AS "silentForMs", status, workflow, session,
          cpu_share AS "cpuShare", memory_bytes::float8 AS "memoryBytes", queue_depth::float8 AS "queueDepth"
        FROM agent_heartbeats AS h WHERE h.agent = asked.agent ORDER BY heard_at DESC, instance_id LIMIT ${limit}
      ) AS heard`,
  /** Newest first. A task that was told to have ended before it began, since two clocks told so, began at its end. */
  listTasks: (tx: Tx, filter: TaskFilter, before: number | null, limit: number): Promise<readonly TaskRow[]> => {
    const { agent, status, workflow } = filter
    return tx<TaskRow[]>`
      SELECT number::float8 AS number, agent, task_id AS "taskId", name, workflow, session, status,
        error_code AS "errorCode", ${iso(tx, 'queued_at')} AS "queuedAt",
        to_char(CASE WHEN started_at IS NULL THEN NULL ELSE least(started_at, ended_at) END, ${FORMAT}) AS "startedAt",
        ${iso(tx, 'ended_at')} AS "endedAt", ${iso(tx, 'heard_at')} AS "lastHeardAt", instance_id AS "instanceId"
      FROM agent_tasks
      WHERE true
        ${before === null ? tx`` : tx`AND number < ${before}`}
        ${agent === null ? tx`` : tx`AND agent = ${agent}`}
        ${status === null ? tx`` : tx`AND status = ${status}`}
        ${workflow === null ? tx`` : tx`AND workflow = ${workflow}`}
      ORDER BY number DESC LIMIT ${limit}`
  },
  /** The sidecars' own figures. */
  sidecars: (tx: Tx, instanceIds: readonly string[]): Promise<readonly SidecarFiguresRow[]> =>
    tx<SidecarFiguresRow[]>`
      SELECT instance_id AS "instanceId", ${iso(tx, 'heard_at')} AS "lastHeardAt", version, node_version AS "nodeVersion",
        ${iso(tx, 'started_at')} AS "startedAt", cpu_share AS "cpuShare", memory_bytes::float8 AS "memoryBytes",
        event_loop_delay_ms AS "eventLoopDelayMs", unsent_events::float8 AS "unsentEvents",
        queued_scans::float8 AS "queuedScans", lease_waits::float8 AS "leaseWaits",
        requests_in_flight::float8 AS "requestsInFlight"
      FROM sidecar_heartbeats WHERE instance_id = ANY(${[...instanceIds]}::uuid[])`,
}
