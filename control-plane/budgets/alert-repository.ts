import type { BudgetAlert, Counter } from '@agentcostcontrol/contract'
import type { PendingQuery, Row } from 'postgres'
import type { Tx } from '../db/database.ts'

/** At which shares of its limit a budget alerts, in per cent. */
export interface BudgetMarks {
  readonly uid: string
  /** All of them, `warning` and `critical` included. */
  readonly marks: readonly number[]
  readonly warning: number
  readonly critical: number
  /** Of a rolling window; `null` for every other period. */
  readonly windowMs: number | null
}

/** An alert as it is stored. */
export interface AlertRow extends BudgetAlert {
  readonly orgId: string
  /** Of a rolling window: which stretch of its length; 0 otherwise. */
  readonly stretch: string
}

/** RFC 3339 UTC with milliseconds. */
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const alertColumns = (tx: Tx) => tx`
  a.org_id AS "orgId", a.budget_uid AS "budgetUid", a.name, a.subject, a.period_id AS "periodId", a.stretch::text AS stretch,
  a.threshold, a.kind, a.spent_nano::text AS "spentNanoUsd", a.limit_nano::text AS "limitNanoUsd",
  ${iso(tx, 'a.crossed_at')} AS "crossedAt"`

/** What a lease holds that is over, or that nobody may spend any more: it may have been spent, and is not told (C4). */
const UNREPORTED = `(SELECT coalesce(sum(greatest(0, l.granted_nano - l.returned_nano - l.settled_nano - l.released_nano)), 0)
  FROM leases AS l WHERE l.budget_uid = c.budget_uid AND l.subject = c.subject AND l.period_id = c.period_id
    AND (l.state = 'fenced' OR l.expires_at <= now()))`

/** What was booked and counts: in a rolling window nothing that is older, also where nobody took that out yet. */
const COUNTED = `c.settled_nano - c.aged_nano - CASE WHEN m.window_ms IS NULL THEN 0 ELSE (
  SELECT coalesce(sum(q.charged_nano), 0) FROM counter_buckets AS q
  WHERE q.budget_uid = c.budget_uid AND q.subject = c.subject AND q.period_id = c.period_id
    AND q.ends_at <= now() - m.window_ms * interval '1 millisecond') END`

/**
 * Writes down which marks these counters passed that they had not passed before. Escrow bounds what is unreported, so that
 * leases are looked at only where that could matter; and where the highest mark that was passed is written down already,
 * those below it are too.
 * @param from `counters AS c`, and what narrows it
 */
const cross = (tx: Tx, from: PendingQuery<Row[]>, handWithinMs: number) => tx<AlertRow[]>`
  WITH looked AS MATERIALIZED (
    SELECT c.budget_uid, c.subject, c.period_id, c.limit_nano, b.name, m.marks, m.warning, m.critical,
      coalesce(floor(extract(epoch FROM now()) * 1000 / m.window_ms), 0)::bigint AS stretch,
      ${tx.unsafe(COUNTED)} + CASE WHEN c.escrow_nano = 0 THEN 0 ELSE ${tx.unsafe(UNREPORTED)} END AS spent
    FROM ${from} JOIN budgets AS b USING (org_id, budget_uid) JOIN budget_marks AS m USING (org_id, budget_uid)
    WHERE b.in_force AND c.limit_nano IS NOT NULL
      AND (c.settled_nano - c.aged_nano + c.escrow_nano) * 100 >= c.limit_nano::numeric * m.marks[1]
  ), passed AS (
    SELECT *, (SELECT max(mark) FROM unnest(marks) AS mark WHERE spent > 0 AND spent * 100 >= limit_nano::numeric * mark) AS highest
    FROM looked
  )
  INSERT INTO budget_alerts AS a (org_id, budget_uid, subject, period_id, stretch, threshold, kind, name, spent_nano,
    limit_nano, hand_after)
  SELECT current_org(), p.budget_uid, p.subject, p.period_id, p.stretch, mark,
    CASE mark WHEN p.critical THEN 'critical' WHEN p.warning THEN 'warning' ELSE 'threshold' END, p.name, p.spent, p.limit_nano,
    now() + ${handWithinMs}::float8 * interval '1 millisecond'
  FROM passed AS p CROSS JOIN LATERAL unnest(p.marks) AS mark
  WHERE mark <= p.highest AND NOT EXISTS (SELECT FROM budget_alerts AS k WHERE k.budget_uid = p.budget_uid
    AND k.subject = p.subject AND k.period_id = p.period_id AND k.stretch = p.stretch AND k.threshold = p.highest)
  ORDER BY p.budget_uid COLLATE "C", p.subject COLLATE "C", p.period_id COLLATE "C", mark
  ON CONFLICT DO NOTHING RETURNING ${alertColumns(tx)}`

/** The alerts of the transaction's organisation. */
export const alertRepository = {
  saveMarks: async (tx: Tx, budgets: readonly BudgetMarks[]): Promise<void> => {
    if (budgets.length === 0) return
    await tx`
      INSERT INTO budget_marks AS m (org_id, budget_uid, marks, warning, critical, window_ms)
      SELECT current_org(), k.uid, k.marks::smallint[], k.warning, k.critical, k.window_ms::bigint
      FROM unnest(${budgets.map(({ uid }) => uid)}::text[], ${budgets.map(({ marks }) => `{${marks.join()}}`)}::text[],
        ${budgets.map(({ warning }) => warning)}::int[], ${budgets.map(({ critical }) => critical)}::int[],
        ${budgets.map(({ windowMs }) => windowMs?.toString() ?? null)}::text[]) AS k (uid, marks, warning, critical, window_ms)
      ORDER BY k.uid COLLATE "C"
      ON CONFLICT (org_id, budget_uid) DO UPDATE SET marks = excluded.marks, warning = excluded.warning,
        critical = excluded.critical, window_ms = excluded.window_ms
      WHERE (m.marks, m.warning, m.critical, m.window_ms)
        IS DISTINCT FROM (excluded.marks, excluded.warning, excluded.critical, excluded.window_ms)`
  },
  /** Of counters that something was just booked on. @returns the crossings that are new */
  cross: (tx: Tx, counters: readonly Counter[], handWithinMs: number): Promise<readonly AlertRow[]> => {
    const from = tx`unnest(${counters.map(({ budgetUid }) => budgetUid)}::text[],
        ${counters.map(({ subject }) => subject)}::text[], ${counters.map(({ periodId }) => periodId)}::text[])
        AS z (uid, subject, period)
      JOIN counters AS c ON c.budget_uid = z.uid AND c.subject = z.subject AND c.period_id = z.period`
    return cross(tx, from, handWithinMs)
  },
  /** Of counters on which nothing may be booked any more: leases end by themselves. One replica at a time looks. */
  crossByExpiry: async (tx: Tx, handWithinMs: number): Promise<readonly AlertRow[]> => {
    const [mine] = await tx<{ locked: boolean }[]>`
      SELECT pg_try_advisory_xact_lock(hashtextextended('budget alerts ' || current_org()::text, 0)) AS locked`
    return mine?.locked ? cross(tx, tx`(SELECT * FROM counters WHERE escrow_nano > 0) AS c`, handWithinMs) : []
  },
  /** Takes alerts that nobody was told of in time, for as long again. */
  takeUnhanded: (tx: Tx, handWithinMs: number, limit: number): Promise<readonly AlertRow[]> =>
    tx<AlertRow[]>`
      UPDATE budget_alerts AS a SET hand_after = now() + ${handWithinMs}::float8 * interval '1 millisecond'
      FROM (SELECT ctid FROM budget_alerts WHERE handed_at IS NULL AND hand_after <= now()
        ORDER BY hand_after LIMIT ${limit} FOR UPDATE SKIP LOCKED) AS due
      WHERE a.ctid = due.ctid RETURNING ${alertColumns(tx)}`,
  noteHanded: async (tx: Tx, { budgetUid, subject, periodId, stretch, threshold }: AlertRow): Promise<void> => {
    await tx`
      UPDATE budget_alerts SET handed_at = now()
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} AND period_id = ${periodId} AND stretch = ${stretch}::bigint
        AND threshold = ${threshold}`
  },
  /** Newest first. */
  newest: (tx: Tx, limit: number): Promise<readonly AlertRow[]> =>
    tx<
      AlertRow[]
    >`SELECT ${alertColumns(tx)} FROM budget_alerts AS a ORDER BY a.crossed_at DESC, a.threshold DESC LIMIT ${limit}`,
  /** When these subjects of a budget passed their marks in a period; of a rolling window in the stretch that runs. */
  crossed: (
    tx: Tx,
    { uid, periodId, windowMs }: { readonly uid: string; readonly periodId: string; readonly windowMs: number | null },
    subjects: readonly string[],
  ): Promise<readonly AlertRow[]> =>
    tx<AlertRow[]>`
      SELECT ${alertColumns(tx)} FROM budget_alerts AS a
      WHERE a.budget_uid = ${uid} AND a.period_id = ${periodId} AND a.subject = ANY (${[...subjects]}::text[])
        AND a.stretch = coalesce(floor(extract(epoch FROM now()) * 1000 / ${windowMs}::float8), 0)`,
} as const
