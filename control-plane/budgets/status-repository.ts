import type { Period } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'

/** A counter of a budget in its period; amounts in nano-USD. */
export interface SubjectRow {
  readonly subject: string
  /** `null` where nobody published the budget. */
  readonly limit: bigint | null
  /** What was booked; of a rolling window what is not older. */
  readonly settled: bigint
  readonly escrow: bigint
  /** Of the escrow: what leases hold that are over or fenced. It may have been spent. */
  readonly unreported: bigint
  readonly overrun: bigint
  /** Holders of open money. */
  readonly holders: number
}

/** A lease with open money. */
export interface OpenLeaseRow {
  readonly subject: string
  readonly instanceId: string
  readonly generation: number
  readonly state: 'active' | 'closed' | 'fenced'
  readonly expired: boolean
  readonly expiresAt: string
  /** Nano-USD, decimal: granted, not returned, not settled and not written off. */
  readonly openNanoUsd: string
}

/** The counters of one budget in one period, together. */
export interface BudgetSumRow {
  readonly uid: string
  readonly subjects: number
  readonly settled: bigint
  readonly escrow: bigint
  readonly unreported: bigint
  /** The subject that took the largest share of its limit, and what it spent: settled and unreported. */
  readonly topSubject: string
  readonly topSpent: bigint
  readonly topLimit: bigint | null
}

type Raw = Readonly<Record<string, unknown>>
const big = (value: unknown): bigint => BigInt(String(value))
const orNull = (value: unknown): bigint | null => (value === null ? null : big(value))

const OPEN = 'greatest(0, l.granted_nano - l.returned_nano - l.settled_nano - l.released_nano)'
const OF_COUNTER = 'l.budget_uid = c.budget_uid AND l.subject = c.subject AND l.period_id = c.period_id'
const UNREPORTED = `(SELECT coalesce(sum(${OPEN}), 0) FROM leases AS l
  WHERE ${OF_COUNTER} AND (l.state = 'fenced' OR l.expires_at <= now()))`

/** What was booked and counts. @param windowMs SQL: the length of a rolling window, or NULL */
const counted = (
  windowMs: string,
): string => `(c.settled_nano - c.aged_nano - CASE WHEN ${windowMs} IS NULL THEN 0 ELSE (
  SELECT coalesce(sum(q.charged_nano), 0) FROM counter_buckets AS q
  WHERE q.budget_uid = c.budget_uid AND q.subject = c.subject AND q.period_id = c.period_id
    AND q.ends_at <= now() - ${windowMs} * interval '1 millisecond') END)`

/** How far the budgets of the transaction's organisation are spent. */
export const statusRepository = {
  /** The database's clock, ms since the epoch. */
  nowMs: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ nowMs: number }[]>`SELECT (extract(epoch FROM now()) * 1000)::float8 AS "nowMs"`
    if (row === undefined) throw new Error('a clock without a row')
    return row.nowMs
  },
  /** By subject, behind one. */
  subjects: async (
    tx: Tx,
    uid: string,
    { id: periodId, windowMs }: Pick<Period, 'id' | 'windowMs'>,
    after: string,
    limit: number,
  ): Promise<readonly SubjectRow[]> => {
    const rows = await tx<Raw[]>`
      SELECT c.subject, c.limit_nano::text AS limit, ${tx.unsafe(counted('w.ms'))}::text AS settled,
        c.escrow_nano::text AS escrow, c.overrun_nano::text AS overrun, ${tx.unsafe(UNREPORTED)}::text AS unreported,
        (SELECT count(*) FROM leases AS l WHERE ${tx.unsafe(OF_COUNTER)} AND ${tx.unsafe(OPEN)} > 0)::float8 AS holders
      FROM counters AS c CROSS JOIN (SELECT ${windowMs}::float8 AS ms) AS w
      WHERE c.budget_uid = ${uid} AND c.period_id = ${periodId} AND c.subject > ${after}
      ORDER BY c.subject LIMIT ${limit}`
    return rows.map((row) => ({
      subject: String(row.subject),
      limit: orNull(row.limit),
      settled: big(row.settled),
      escrow: big(row.escrow),
      unreported: big(row.unreported),
      overrun: big(row.overrun),
      holders: Number(row.holders),
    }))
  },
  /** The leases of each subject that hold most. */
  openLeases: (
    tx: Tx,
    uid: string,
    periodId: string,
    subjects: readonly string[],
    limitEach: number,
  ): Promise<readonly OpenLeaseRow[]> =>
    tx<OpenLeaseRow[]>`
      SELECT subject, instance_id AS "instanceId", generation::float8 AS generation, state, expires_at <= now() AS expired,
        to_char(expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "expiresAt", open::text AS "openNanoUsd"
      FROM (
        SELECT l.*, ${tx.unsafe(OPEN)} AS open,
          row_number() OVER (PARTITION BY l.subject ORDER BY ${tx.unsafe(OPEN)} DESC, l.instance_id) AS place
        FROM leases AS l
        WHERE l.budget_uid = ${uid} AND l.period_id = ${periodId} AND l.subject = ANY (${[...subjects]}::text[])
          AND ${tx.unsafe(OPEN)} > 0
      ) AS o WHERE place <= ${limitEach} ORDER BY subject, place`,
  /** What each subject was charged today and yesterday (UTC), and for how many hours that is. */
  recentDays: async (tx: Tx, uid: string, subjects: readonly string[]) => {
    const rows = await tx<{ subject: string; charged: string; hours: number }[]>`
      SELECT subject, sum(charged_nano)::text AS charged,
        (extract(epoch FROM now() - (date_trunc('day', now()) - interval '1 day')) / 3600)::float8 AS hours
      FROM budget_days WHERE budget_uid = ${uid} AND subject = ANY (${[...subjects]}::text[])
        AND day >= (now() AT TIME ZONE 'UTC')::date - 1 GROUP BY subject`
    return new Map(rows.map(({ subject, charged, hours }) => [subject, { charged: BigInt(charged), hours }]))
  },
  /** What each of these agents was charged within the last hour, by when the requests began. */
  lastHour: async (tx: Tx, agents: readonly string[]): Promise<ReadonlyMap<string, bigint>> => {
    const rows = await tx<{ agent: string; charged: string }[]>`
      SELECT agent, sum(charged_nano)::text AS charged FROM rollup_minute
      WHERE bucket > now() - interval '1 hour' AND bucket <= now() AND agent = ANY (${[...agents]}::text[]) GROUP BY agent`
    return new Map(rows.map(({ agent, charged }) => [agent, BigInt(charged)]))
  },
  /** The same of everything. */
  lastHourOfAll: async (tx: Tx): Promise<bigint> => {
    const [row] = await tx<{ charged: string }[]>`
      SELECT coalesce(sum(charged_nano), 0)::text AS charged FROM rollup_minute
      WHERE bucket > now() - interval '1 hour' AND bucket <= now()`
    return BigInt(row?.charged ?? 0)
  },
  /** Sums of budgets, each in its period; those without a counter are left out. */
  sums: async (
    tx: Tx,
    of: readonly { readonly uid: string; readonly period: Pick<Period, 'id' | 'windowMs'> }[],
  ): Promise<readonly BudgetSumRow[]> => {
    const rows = await tx<Raw[]>`
      WITH c AS MATERIALIZED (
        SELECT c.budget_uid AS uid, c.subject, c.limit_nano, ${tx.unsafe(counted('k.ms'))} AS settled_nano, c.escrow_nano,
          ${tx.unsafe(UNREPORTED)} AS unreported
        FROM counters AS c JOIN unnest(${of.map(({ uid }) => uid)}::text[], ${of.map(({ period }) => period.id)}::text[],
          ${of.map(({ period }) => period.windowMs)}::float8[]) AS k (uid, period, ms) ON c.budget_uid = k.uid AND c.period_id = k.period
      ), top AS (
        SELECT DISTINCT ON (uid) uid, subject, settled_nano + unreported AS spent, limit_nano
        FROM c ORDER BY uid, (settled_nano + unreported) / nullif(limit_nano, 0) DESC NULLS LAST, subject
      )
      SELECT uid, count(*)::float8 AS subjects, sum(c.settled_nano)::text AS settled, sum(c.escrow_nano)::text AS escrow,
        sum(c.unreported)::text AS unreported, t.subject AS top, t.spent::text AS spent, t.limit_nano::text AS limit
      FROM c JOIN top AS t USING (uid) GROUP BY uid, t.subject, t.spent, t.limit_nano`
    return rows.map((row) => ({
      uid: String(row.uid),
      subjects: Number(row.subjects),
      settled: big(row.settled),
      escrow: big(row.escrow),
      unreported: big(row.unreported),
      topSubject: String(row.top),
      topSpent: big(row.spent),
      topLimit: orNull(row.limit),
    }))
  },
} as const
