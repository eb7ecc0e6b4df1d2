import { type Counter, counterKey } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { columns, counterOf, NOBODYS, type Raw } from './rows.ts'

/** A counter that is looked at. */
export interface SeenCounter {
  readonly counter: Counter
  /** How often its budget was begun anew, and when last; ms since the epoch, `null` if never. */
  readonly resets: number
  readonly resetAtMs: number | null
  /** The database's clock, ms since the epoch. */
  readonly nowMs: number
}

const SAME = 'l.budget_uid = c.budget_uid AND l.subject = c.subject AND l.period_id = c.period_id'

/** Periods that ended long ago: what is left of them, and what goes. */
export const endedRepository = {
  /** Whether nobody else looks until the end of the transaction. */
  tryLock: async (tx: Tx): Promise<boolean> => {
    const [mine] = await tx<{ locked: boolean }[]>`
      SELECT pg_try_advisory_xact_lock(hashtextextended('ended periods ' || current_org()::text, 0)) AS locked`
    return mine?.locked === true
  },
  /** Counters in the order of their keys, behind one. */
  page: async (tx: Tx, after: Counter | null, limit: number): Promise<readonly SeenCounter[]> => {
    const { budgetUid, subject, periodId } = after ?? { budgetUid: '', subject: '', periodId: '' }
    const rows = await tx<Raw[]>`
      SELECT c.budget_uid AS uid, c.subject, c.period_id AS period, coalesce(b.resets, 0) AS resets,
        (extract(epoch FROM b.reset_at) * 1000)::float8 AS "resetAtMs", (extract(epoch FROM now()) * 1000)::float8 AS "nowMs"
      FROM counters AS c LEFT JOIN budgets AS b USING (budget_uid)
      WHERE (c.budget_uid, c.subject, c.period_id) > (${budgetUid}, ${subject}, ${periodId})
      ORDER BY c.budget_uid, c.subject, c.period_id LIMIT ${limit}`
    return rows.map((row) => ({
      counter: counterOf(row),
      resets: Number(row.resets),
      resetAtMs: row.resetAtMs === null ? null : Number(row.resetAtMs),
      nowMs: Number(row.nowMs),
    }))
  },
  /**
   * Removes those of these counters on which no money is set aside and whose leases nobody used for some time, with the
   * leases. The second statement sees what was committed before the lock of the first. @returns how many went
   */
  remove: async (tx: Tx, counters: readonly Counter[], keepMs: number): Promise<number> => {
    const { uids, subjects, periods } = columns(counters)
    const keys = tx`unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[]) AS k (uid, subject, period)`
    const of = tx`c.budget_uid = k.uid AND c.subject = k.subject AND c.period_id = k.period`
    await tx`
      SELECT 1 FROM counters AS c JOIN ${keys} ON ${of}
      ORDER BY c.budget_uid COLLATE "C", c.subject COLLATE "C", c.period_id COLLATE "C" FOR UPDATE OF c`
    const [row] = await tx<{ removed: number }[]>`
      WITH due AS MATERIALIZED (
        SELECT c.budget_uid, c.subject, c.period_id FROM counters AS c JOIN ${keys} ON ${of}
        WHERE c.escrow_nano = 0 AND NOT EXISTS (SELECT FROM leases AS l WHERE ${tx.unsafe(SAME)}
          AND l.expires_at > now() - ${keepMs}::float8 * interval '1 millisecond')
      ), leases_gone AS (
        DELETE FROM leases AS l USING due AS c WHERE ${tx.unsafe(SAME)}
        RETURNING l.budget_uid, l.period_id, l.instance_id, l.settled_nano
      ), buckets_gone AS (
        DELETE FROM counter_buckets AS l USING due AS c WHERE ${tx.unsafe(SAME)}
      ), gone AS (
        DELETE FROM counters AS l USING due AS c WHERE ${tx.unsafe(SAME)}
        RETURNING l.budget_uid, l.period_id, l.settled_nano
      ), noted AS (
        INSERT INTO ended_periods AS e (org_id, budget_uid, period_id, counters, settled_nano, stated_nano)
        SELECT current_org(), g.budget_uid, g.period_id, g.counters, g.settled, coalesce(s.stated, 0)
        FROM (SELECT budget_uid, period_id, count(*) AS counters, sum(settled_nano) AS settled FROM gone GROUP BY 1, 2) AS g
          LEFT JOIN (SELECT budget_uid, period_id, sum(settled_nano) AS stated FROM leases_gone
            WHERE instance_id = ${NOBODYS} GROUP BY 1, 2) AS s USING (budget_uid, period_id)
        ON CONFLICT (org_id, budget_uid, period_id) DO UPDATE SET counters = e.counters + excluded.counters,
          settled_nano = e.settled_nano + excluded.settled_nano, stated_nano = e.stated_nano + excluded.stated_nano
      )
      SELECT count(*)::float8 AS removed FROM gone`
    return row?.removed ?? 0
  },
  /** Those of these counters of whose period some were removed. */
  removedAmong: async (tx: Tx, counters: readonly Counter[]): Promise<ReadonlySet<string>> => {
    if (counters.length === 0) return new Set()
    const { uids, subjects, periods } = columns(counters)
    const rows = await tx<Raw[]>`
      SELECT k.uid, k.subject, k.period FROM unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[])
        AS k (uid, subject, period) JOIN ended_periods AS e ON e.budget_uid = k.uid AND e.period_id = k.period`
    return new Set(rows.map((row) => counterKey(counterOf(row))))
  },
} as const
