import type { FindingAction, SegmentSource, Severity } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { storable } from './storable.ts'

/** Findings of one kind in one event, as they are stored and shown. Never the matched text. */
export interface SecurityEvent {
  readonly eventId: string
  /** When its request was meant to be sent, RFC 3339, by the clock of the sidecar. */
  readonly at: string
  readonly instanceId: string
  /** `(none)` where the request named none. */
  readonly agent: string
  readonly workflow: string
  readonly session: string | null
  readonly provider: string
  readonly model: string
  readonly direction: 'request' | 'response'
  readonly streamed: boolean
  readonly source: SegmentSource
  readonly tool: string | null
  readonly detector: string
  readonly detectorVersion: string
  readonly rule: string
  readonly category: string
  readonly severity: Severity
  /** The highest of them, 0 to 1. */
  readonly score: number
  readonly owaspLlm: string | null
  readonly owaspAgentic: string | null
  readonly mitreAtlas: string | null
  readonly action: FindingAction
  readonly mode: 'audit' | 'enforce'
  readonly count: number
  /** Where the first few stood: hash of the whole text, and span in UTF-16 code units. */
  readonly places: readonly { readonly textHash: string; readonly start: number; readonly end: number }[]
  /** Microseconds; `null` where there was no inspection of the request. */
  readonly inspectionUs: number | null
}

/** One that is stored. */
export interface StoredSecurityEvent extends SecurityEvent {
  readonly number: number
}

/** What they are narrowed to; `null`: any. */
export interface SecurityFilter {
  readonly detector: string | null
  readonly rule: string | null
  readonly severity: string | null
  readonly agent: string | null
  readonly action: string | null
  readonly mode: string | null
  readonly source: string | null
  /** RFC 3339; inclusive and exclusive. */
  readonly from: string | null
  readonly to: string | null
}

/** Where a page begins: behind this one. */
export interface SecurityPosition {
  readonly at: string
  readonly number: number
}

/** What they are summed up by. */
export const SECURITY_DIMENSIONS = ['detector', 'severity', 'agent', 'action', 'day'] as const
/** One of {@link SECURITY_DIMENSIONS}. */
export type SecurityDimension = (typeof SECURITY_DIMENSIONS)[number]

/** One line of a sum. */
export interface SecuritySum {
  readonly key: string
  /** Findings, as their events count them. */
  readonly findings: number
  /** Rows: kinds of findings in events. */
  readonly events: number
}

const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'

const columns = (tx: Tx) => tx`
  number::float8 AS number, event_id AS "eventId", to_char(at, ${FORMAT}) AS at, instance_id AS "instanceId", agent, workflow,
  session, provider, model, direction, streamed, source, tool, detector, detector_version AS "detectorVersion", rule,
  category, severity, score, owasp_llm AS "owaspLlm", owasp_agentic AS "owaspAgentic", mitre_atlas AS "mitreAtlas", action,
  mode, count, places, inspection_us::float8 AS "inspectionUs"`

const within = (tx: Tx, { from, to, ...equal }: SecurityFilter) => {
  const of = (column: string, value: string | null) => (value === null ? tx`` : tx`AND ${tx(column)} = ${value}`)
  return tx`true
    ${Object.entries(equal).map(([column, value]) => of(column, value))}
    ${from === null ? tx`` : tx`AND at >= ${from}::timestamptz`}
    ${to === null ? tx`` : tx`AND at < ${to}::timestamptz`}`
}

const keyOf = (tx: Tx, dimension: SecurityDimension) =>
  dimension === 'day' ? tx`to_char(at, 'YYYY-MM-DD')` : tx`${tx(dimension)}`

/** What was found in requests and answers of the transaction's organisation. */
export const securityEventRepository = {
  store: async (tx: Tx, events: readonly SecurityEvent[]): Promise<void> => {
    await tx`
      INSERT INTO security_events (org_id, event_id, at, instance_id, agent, workflow, session, provider, model, direction,
        streamed, source, tool, detector, detector_version, rule, category, severity, score, owasp_llm, owasp_agentic,
        mitre_atlas, action, mode, count, places, inspection_us)
      SELECT acc.current_org(), "eventId", at, "instanceId", agent, workflow, session, provider, model, direction, streamed,
        source, tool, detector, "detectorVersion", rule, category, severity, score, "owaspLlm", "owaspAgentic",
        "mitreAtlas", action, mode, count, places, "inspectionUs"
      FROM json_to_recordset(${storable(events)}::text::json) AS found ("eventId" uuid, at timestamptz,
        "instanceId" uuid, agent text, workflow text, session text, provider text, model text, direction text,
        streamed boolean, source text, tool text, detector text, "detectorVersion" text, rule text, category text,
        severity text, score float8, "owaspLlm" text, "owaspAgentic" text, "mitreAtlas" text, action text, mode text,
        count integer, places json, "inspectionUs" bigint)`
  },
  /** Newest first. */
  list: (
    tx: Tx,
    filter: SecurityFilter,
    after: SecurityPosition | null,
    limit: number,
  ): Promise<readonly StoredSecurityEvent[]> =>
    tx<StoredSecurityEvent[]>`
      SELECT ${columns(tx)} FROM security_events
      WHERE ${within(tx, filter)}
        ${after === null ? tx`` : tx`AND (at, number) < (${after.at}::timestamptz, ${after.number}::bigint)`}
      ORDER BY security_events.at DESC, security_events.number DESC LIMIT ${limit}`,
  find: async (tx: Tx, number: number): Promise<StoredSecurityEvent | null> => {
    const [row] = await tx<StoredSecurityEvent[]>`
      SELECT ${columns(tx)} FROM security_events WHERE number = ${number}::bigint`
    return row ?? null
  },
  /** The most findings first; days in their order. */
  summary: (
    tx: Tx,
    dimension: SecurityDimension,
    filter: SecurityFilter,
    limit: number,
  ): Promise<readonly SecuritySum[]> =>
    tx<SecuritySum[]>`
      SELECT ${keyOf(tx, dimension)} AS key, sum(count)::float8 AS findings, count(*)::float8 AS events
      FROM security_events WHERE ${within(tx, filter)}
      GROUP BY 1 ORDER BY ${dimension === 'day' ? tx`1 DESC` : tx`2 DESC, 1`} LIMIT ${limit}`,
}
