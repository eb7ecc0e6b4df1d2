import type { Tx } from '../db/database.ts'

/** What is summed up by. */
export const DIMENSIONS = ['model', 'agent', 'workflow'] as const
/** One of {@link DIMENSIONS}. */
export type Dimension = (typeof DIMENSIONS)[number]

/** The tables of sums, from the coarsest. */
export const UNITS = ['day', 'hour', 'minute'] as const
/** One of {@link UNITS}. */
export type Unit = (typeof UNITS)[number]

/** From (inclusive) and to (exclusive), RFC 3339, on whole units; `null` is open. */
export interface Span {
  readonly unit: Unit
  readonly from: string | null
  readonly to: string | null
}

/** Sums of a span; amounts in nano-USD, decimal. */
export interface Sums {
  readonly requests: number
  readonly denied: number
  readonly failed: number
  readonly unpriced: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: string
  readonly chargedNanoUsd: string
  readonly estimatedNanoUsd: string
}

/** What an agent cost today. */
export interface AgentToday {
  readonly agent: string
  readonly requests: number
  /** Decimal. */
  readonly costNanoUsd: string
}

/** A row of the request log. */
export interface LoggedRequest {
  readonly eventId: string
  readonly intentAt: string
  readonly receivedAt: string
  readonly instanceId: string
  readonly agent: string
  readonly workflow: string
  readonly session: string | null
  readonly task: string | null
  readonly provider: string
  readonly model: string
  readonly outcome: string
  readonly code: string | null
  readonly clientStatus: number | null
  readonly precision: string
  readonly streamed: boolean
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: string
  readonly chargedNanoUsd: string
  readonly durationMs: number
  readonly firstByteMs: number | null
  readonly clampedOutputTokens: number | null
  readonly operation: string
  readonly path: string
  readonly policyRevision: string
  readonly tags: unknown
  readonly attempts: unknown
  readonly findings: unknown
  readonly charges: unknown
  readonly budgetDecision: unknown
}

/** Where a page of the request log begins: behind this event. */
export interface Position {
  readonly intentAt: string
  readonly eventId: string
}

/** What the request log is narrowed to. */
export interface LogFilter {
  readonly agent: string | null
  readonly model: string | null
  readonly outcome: string | null
  /** Those that lie more than a day ahead of the database's clock, which others do not show. */
  readonly ahead: boolean
}

const within = (tx: Tx, { from, to }: Span) => tx`
  bucket >= coalesce(${from}::timestamptz, '-infinity') AND bucket < coalesce(${to}::timestamptz, 'infinity')`

const sums = (tx: Tx) => tx`
  coalesce(sum(requests), 0)::float8 AS requests, coalesce(sum(denied), 0)::float8 AS denied,
  coalesce(sum(failed), 0)::float8 AS failed, coalesce(sum(unpriced), 0)::float8 AS unpriced,
  coalesce(sum(input_tokens), 0)::float8 AS "inputTokens", coalesce(sum(output_tokens), 0)::float8 AS "outputTokens",
  coalesce(sum(cost_nano), 0)::text AS "costNanoUsd", coalesce(sum(charged_nano), 0)::text AS "chargedNanoUsd",
  coalesce(sum(estimated_nano), 0)::text AS "estimatedNanoUsd"`

const table = (tx: Tx, { unit }: Span) => tx(`rollup_${unit}`)

/** RFC 3339 UTC with milliseconds. */
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** Reads what is stored of the transaction's organisation. */
export const readRepository = {
  summary: async (tx: Tx, span: Span): Promise<Sums | null> => {
    const [row] = await tx<Sums[]>`SELECT ${sums(tx)} FROM ${table(tx, span)} WHERE ${within(tx, span)}`
    return row ?? null
  },
  /** The dearest first. */
  by: (
    tx: Tx,
    dimension: Dimension,
    span: Span,
    limit: number,
  ): Promise<readonly (Sums & { readonly key: string })[]> =>
    tx<(Sums & { readonly key: string })[]>`
      SELECT ${tx(dimension)} AS key, ${sums(tx)} FROM ${table(tx, span)} WHERE ${within(tx, span)}
      GROUP BY 1 ORDER BY sum(cost_nano) DESC, 1 LIMIT ${limit}`,
  /** Oldest first; buckets without an event are left out. */
  series: (tx: Tx, span: Span, limit: number): Promise<readonly (Sums & { readonly at: string })[]> =>
    tx<(Sums & { readonly at: string })[]>`
      SELECT ${iso(tx, 'bucket')} AS at, ${sums(tx)} FROM ${table(tx, span)} WHERE ${within(tx, span)}
      GROUP BY bucket ORDER BY bucket LIMIT ${limit}`,
  /** Since midnight UTC, by the database's clock. */
  today: (tx: Tx, agents: readonly string[]): Promise<readonly AgentToday[]> =>
    tx<AgentToday[]>`
      SELECT agent, sum(requests)::float8 AS requests, sum(cost_nano)::text AS "costNanoUsd" FROM rollup_day
      WHERE bucket = date_trunc('day', now()) AND agent = ANY(${[...agents]}::text[]) GROUP BY agent`,
  /** Newest first. */
  requests: (tx: Tx, filter: LogFilter, after: Position | null, limit: number): Promise<readonly LoggedRequest[]> => {
    const { agent, model, outcome, ahead } = filter
    return tx<LoggedRequest[]>`
      SELECT event_id AS "eventId", ${iso(tx, 'intent_at')} AS "intentAt", ${iso(tx, 'received_at')} AS "receivedAt",
        instance_id AS "instanceId", agent, workflow, session, task, provider, model, outcome, code,
        client_status AS "clientStatus", precision, streamed, input_tokens::float8 AS "inputTokens",
        output_tokens::float8 AS "outputTokens", cost_nano::text AS "costNanoUsd", charged_nano::text AS "chargedNanoUsd",
        duration_ms::float8 AS "durationMs", first_byte_ms::float8 AS "firstByteMs",
        clamped_tokens::float8 AS "clampedOutputTokens", operation, path, policy_revision AS "policyRevision",
        tags, attempts, findings, charges, budget_decision AS "budgetDecision"
      FROM usage_events
      WHERE intent_at ${ahead ? tx`>` : tx`<=`} now() + interval '1 day'
        ${after === null ? tx`` : tx`AND (intent_at, event_id) < (${after.intentAt}::timestamptz, ${after.eventId}::uuid)`}
        ${agent === null ? tx`` : tx`AND agent = ${agent}`}
        ${model === null ? tx`` : tx`AND model = ${model}`}
        ${outcome === null ? tx`` : tx`AND outcome = ${outcome}`}
      ORDER BY intent_at DESC, event_id DESC LIMIT ${limit}`
  },
  /** One event as its sidecar told it, by its key; `null` if there is none. */
  event: async (tx: Tx, { intentAt, eventId }: Position): Promise<unknown> => {
    const [row] = await tx`
      SELECT event_id AS "eventId", ${iso(tx, 'intent_at')} AS "intentAt", instance_id AS "instanceId",
        json_build_object('agent', nullif(agent, ''), 'workflow', nullif(workflow, ''), 'session', session, 'task', task,
          'tags', tags) AS principal,
        operation, method, path, streamed, outcome, code, client_status AS "clientStatus",
        policy_revision AS "policyRevision", attempts, findings, charges, clamped_tokens::float8 AS "clampedOutputTokens",
        duration_ms::float8 AS "durationMs", first_byte_ms::float8 AS "upstreamFirstByteMs",
        budget_decision AS "budgetDecision"
      FROM usage_events WHERE intent_at = ${intentAt}::timestamptz AND event_id = ${eventId}::uuid`
    if (row === undefined) return null
    const { budgetDecision, ...told } = row
    return budgetDecision === null ? told : row
  },
  /** The sums of the events themselves and of each table of sums, of one moment. */
  totals: async (tx: Tx): Promise<readonly Totals[]> => {
    await tx`SET LOCAL statement_timeout = 0`
    const of = (name: string, requests: string, source: string) => tx`
      SELECT ${name} AS of, coalesce(${tx.unsafe(requests)}, 0)::text AS requests,
        coalesce(sum(cost_nano), 0)::text AS "costNanoUsd", coalesce(sum(charged_nano), 0)::text AS "chargedNanoUsd",
        coalesce(sum(input_tokens), 0)::text AS "inputTokens", coalesce(sum(output_tokens), 0)::text AS "outputTokens"
      FROM ${tx(source)}`
    return tx<Totals[]>`
      ${of('events', 'count(*)', 'usage_events')} UNION ALL ${of('minutes', 'sum(requests)', 'rollup_minute')}
      UNION ALL ${of('hours', 'sum(requests)', 'rollup_hour')} UNION ALL ${of('days', 'sum(requests)', 'rollup_day')}`
  },
}

/** Sums of everything, as decimal integers. */
export interface Totals {
  readonly of: string
  readonly requests: string
  readonly costNanoUsd: string
  readonly chargedNanoUsd: string
  readonly inputTokens: string
  readonly outputTokens: string
}
