import type { Tx } from '../db/database.ts'

/** A budget that a revision does not have, although it was published before the budget came into force. */
export interface LackingRow {
  readonly revision: string
  readonly budgetUid: string
  /** When the budget came into force, ms since the epoch, by the database's clock. */
  readonly sinceMs: number
  /** The same clock now. */
  readonly nowMs: number
}

/** Budgets that came into force, and who knows of them yet. */
export const activationRepository = {
  /** Those in force of which a sidecar that was heard of within some time runs an earlier revision. */
  activating: async (tx: Tx, heardWithinMs: number): Promise<ReadonlySet<string>> => {
    const rows = await tx<{ uid: string }[]>`
      SELECT b.budget_uid AS uid FROM budgets AS b
      WHERE b.in_force AND b.since_generation > (SELECT min(generation) FROM sidecars
        WHERE generation > 0 AND last_heard_at > now() - ${heardWithinMs}::float8 * interval '1 millisecond')`
    return new Set(rows.map(({ uid }) => uid))
  },
  /** Of each of these revisions that was published here, the budgets in force that it is too old to have. */
  lacking: (tx: Tx, revisions: readonly string[]): Promise<readonly LackingRow[]> =>
    tx<LackingRow[]>`
      SELECT r.revision, b.budget_uid AS "budgetUid", (extract(epoch FROM b.since_at) * 1000)::float8 AS "sinceMs",
        (extract(epoch FROM now()) * 1000)::float8 AS "nowMs"
      FROM (
        SELECT revision, max(number) AS number FROM policy_revisions
        WHERE published AND revision = ANY (${[...revisions]}::text[]) GROUP BY 1
      ) AS r JOIN budgets AS b ON b.in_force AND b.since_generation > r.number`,
} as const
