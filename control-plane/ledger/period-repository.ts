import { type Counter, counterKey } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { big, columns, counterOf, type Raw, text } from './rows.ts'

/** How budgets and their counters go on from one period to the next, and what was charged when. */
export const periodRepository = {
  /** Takes over the budgets of a revision; those that were not in force are from its generation on. @returns the budgets whose limit was lowered */
  saveBudgets: async (
    tx: Tx,
    budgets: readonly {
      readonly uid: string
      readonly name: string
      readonly limit: bigint
      readonly period: { readonly spec: string; readonly resets: number }
    }[],
    generation: number,
  ): Promise<readonly string[]> => {
    const uids = budgets.map(({ uid }) => uid)
    await tx`UPDATE budgets SET in_force = false WHERE in_force AND NOT (budget_uid = ANY (${uids}::text[]))`
    await tx`
      INSERT INTO budgets AS b (org_id, budget_uid, name, limit_nano, period, resets, in_force, since_generation,
        since_at)
      SELECT current_org(), k.*, true, ${generation}::float8, now() FROM unnest(${uids}::text[], ${budgets.map(({ name }) => name)}::text[],
        ${budgets.map(({ limit }) => text(limit))}::text[]::bigint[], ${budgets.map(({ period }) => period.spec)}::text[],
        ${budgets.map(({ period }) => period.resets)}::float8[]::integer[]) AS k
      ON CONFLICT (org_id, budget_uid) DO UPDATE SET name = excluded.name, limit_nano = excluded.limit_nano,
        period_since = CASE WHEN b.period = excluded.period THEN b.period_since ELSE now() END,
        period = excluded.period, resets = greatest(b.resets, excluded.resets),
        reset_at = CASE WHEN excluded.resets > b.resets THEN now() ELSE b.reset_at END, in_force = true,
        since_generation = CASE WHEN b.in_force THEN b.since_generation ELSE excluded.since_generation END,
        since_at = CASE WHEN b.in_force THEN b.since_at ELSE excluded.since_at END`
    const lowered = await tx<{ uid: string }[]>`
      WITH locked AS MATERIALIZED (
        SELECT c.budget_uid, c.subject, c.period_id, c.limit_nano AS former, b.limit_nano
        FROM counters AS c JOIN budgets AS b USING (budget_uid)
        WHERE b.budget_uid = ANY (${uids}::text[]) AND c.limit_nano IS DISTINCT FROM b.limit_nano
        ORDER BY c.budget_uid COLLATE "C", c.subject COLLATE "C", c.period_id COLLATE "C" FOR UPDATE OF c
      )
      UPDATE counters AS c SET limit_nano = l.limit_nano,
        recall_version = CASE WHEN l.limit_nano < l.former THEN nextval('recall_versions') ELSE c.recall_version END
      FROM locked AS l WHERE (c.budget_uid, c.subject, c.period_id) = (l.budget_uid, l.subject, l.period_id)
      RETURNING CASE WHEN l.limit_nano < l.former THEN c.budget_uid END AS uid`
    return lowered.map(({ uid }) => uid).filter((uid) => uid !== null)
  },
  /** In the order of their keys: at midnight everybody enters them. */
  enterPeriods: async (
    tx: Tx,
    entered: readonly { readonly budgetUid: string; readonly spec: string; readonly periodId: string }[],
  ): Promise<void> => {
    await tx`
      INSERT INTO budget_periods (org_id, budget_uid, kind, period_id)
      SELECT current_org(), k.uid, k.kind, max(k.period) FROM unnest(${entered.map(({ budgetUid }) => budgetUid)}::text[],
        ${entered.map(({ spec }) => spec)}::text[], ${entered.map(({ periodId }) => periodId)}::text[]) AS k (uid, kind, period)
      GROUP BY k.uid, k.kind ORDER BY k.uid, k.kind
      ON CONFLICT (org_id, budget_uid, kind) DO UPDATE SET period_id = greatest(budget_periods.period_id, excluded.period_id)`
  },
  periods: async (tx: Tx): Promise<readonly { readonly budgetUid: string; readonly periodId: string }[]> =>
    tx<{ budgetUid: string; periodId: string }[]>`
      SELECT budget_uid AS "budgetUid", period_id AS "periodId" FROM budget_periods`,
  enterCounter: async (tx: Tx, { budgetUid, subject, periodId }: Counter): Promise<void> => {
    await tx`
      UPDATE counters SET entered_at = now()
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} AND period_id = ${periodId}`
  },
  /** Open money of the leases of one subject of a budget in other periods, but those that a reset left behind. */
  openElsewhere: async (tx: Tx, { budgetUid, subject, periodId }: Counter): Promise<bigint> => {
    const [row] = await tx<{ open: string }[]>`
      SELECT coalesce(sum(escrow_nano), 0)::text AS open FROM counters
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} AND period_id <> ${periodId}
        AND coalesce(substring(period_id FROM '#([0-9]+)$'), '') >= coalesce(substring(${periodId} FROM '#([0-9]+)$'), '')`
    return big(row?.open ?? 0)
  },
  /** What a budget's subject was charged from a day on, or from that of its last reset. @param day `YYYY-MM-DD`, or `-infinity` */
  chargedSince: async (tx: Tx, { budgetUid, subject }: Counter, day: string): Promise<bigint> => {
    const [row] = await tx<{ charged: string }[]>`
      SELECT coalesce(sum(charged_nano), 0)::text AS charged FROM budget_days
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} 
        AND day >= greatest(${day}::text::date, (SELECT (b.reset_at AT TIME ZONE 'UTC')::date FROM budgets AS b
          WHERE b.budget_uid = ${budgetUid}))`
    return big(row?.charged ?? 0)
  },
  addDays: async (tx: Tx, charged: readonly { readonly counter: Counter; readonly nano: bigint }[]): Promise<void> => {
    const { uids, subjects } = columns(charged.map(({ counter }) => counter))
    await tx`
      INSERT INTO budget_days AS d (org_id, budget_uid, subject, day, charged_nano)
      SELECT current_org(), uid, subject, (now() AT TIME ZONE 'UTC')::date, sum(nano)
      FROM unnest(${uids}::text[], ${subjects}::text[], ${charged.map(({ nano }) => text(nano))}::text[]::numeric[])
        AS k (uid, subject, nano)
      GROUP BY 2, 3 ORDER BY 2, 3
      ON CONFLICT (org_id, budget_uid, subject, day) DO UPDATE SET charged_nano = d.charged_nano + excluded.charged_nano`
  },
  /** Stamps what is booked on counters with a rolling window: in buckets that end after it. */
  addBuckets: async (
    tx: Tx,
    charged: readonly { readonly counter: Counter; readonly nano: bigint; readonly bucketMs: number }[],
  ): Promise<void> => {
    const { uids, subjects, periods } = columns(charged.map(({ counter }) => counter))
    await tx`
      INSERT INTO counter_buckets AS b (org_id, budget_uid, subject, period_id, ends_at, charged_nano)
      SELECT current_org(), k.uid, k.subject, k.period,
        to_timestamp(ceil(extract(epoch FROM statement_timestamp()) * 1000 / k.ms) * k.ms / 1000), sum(k.nano)
      FROM unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[],
        ${charged.map(({ nano }) => text(nano))}::text[]::numeric[], ${charged.map(({ bucketMs }) => bucketMs)}::float8[]::numeric[])
        AS k (uid, subject, period, nano, ms)
      GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
      ON CONFLICT (org_id, budget_uid, subject, period_id, ends_at)
        DO UPDATE SET charged_nano = b.charged_nano + excluded.charged_nano`
  },
  /**
   * Takes what is older than their windows out of the buckets of counters that are locked.
   * @returns the sum of all that is, of each counter of which some was
   */
  age: async (
    tx: Tx,
    counters: readonly { readonly counter: Counter; readonly windowMs: number }[],
  ): Promise<ReadonlyMap<string, bigint>> => {
    const { uids, subjects, periods } = columns(counters.map(({ counter }) => counter))
    const rows = await tx<Raw[]>`
      WITH old AS (
        DELETE FROM counter_buckets AS b USING unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[],
          ${counters.map(({ windowMs }) => windowMs)}::float8[]) AS k (uid, subject, period, ms)
        WHERE b.budget_uid = k.uid AND b.subject = k.subject AND b.period_id = k.period
          AND b.ends_at <= now() - k.ms * interval '1 millisecond'
        RETURNING b.budget_uid, b.subject, b.period_id, b.charged_nano
      ), sums AS (
        SELECT budget_uid, subject, period_id, sum(charged_nano) AS aged FROM old GROUP BY 1, 2, 3
      )
      UPDATE counters AS c SET aged_nano = c.aged_nano + s.aged FROM sums AS s
      WHERE c.budget_uid = s.budget_uid AND c.subject = s.subject AND c.period_id = s.period_id
      RETURNING c.budget_uid AS uid, c.subject, c.period_id AS period, c.aged_nano::text AS aged`
    return new Map(rows.map((row) => [counterKey(counterOf(row)), big(row.aged)]))
  },
} as const
