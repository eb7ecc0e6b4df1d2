import type { PolicyFile, Resets } from '@agentcostcontrol/policy'
import type { Tx } from '../db/database.ts'

/** A budget that was made through the API. */
export interface ApiBudgetRow {
  readonly name: string
  /** As it was sent. */
  readonly document: Readonly<Record<string, unknown>>
  /** Grows with each change, from 1 on. */
  readonly version: number
  readonly createdAt: string
  readonly createdBy: string
  readonly updatedAt: string
  readonly updatedBy: string
  /** `null` while it is in force. */
  readonly deletedAt: string | null
}

/** A reset of a budget, whoever made that. */
export interface ResetRow {
  readonly number: number
  readonly resetAt: string
  readonly resetBy: string
  readonly reason: string
}

/** What is written of a document. */
export interface WrittenBudget {
  readonly name: string
  readonly document: Readonly<Record<string, unknown>>
  /** The same as the text of a policy file. */
  readonly text: string
  readonly by: string
}

/** RFC 3339 UTC with milliseconds. */
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const json = (tx: Tx, value: unknown) => tx`${JSON.stringify(value)}::text::json`

const columns = (tx: Tx) => tx`
  name, document, version::float8 AS version, ${iso(tx, 'created_at')} AS "createdAt", created_by AS "createdBy",
  ${iso(tx, 'updated_at')} AS "updatedAt", updated_by AS "updatedBy", ${iso(tx, 'deleted_at')} AS "deletedAt"`

/** The budgets and resets that the API made for the transaction's organisation. */
export const budgetRepository = {
  /** Those in force, by name. */
  files: (tx: Tx): Promise<readonly (PolicyFile & { readonly name: string })[]> =>
    tx<(PolicyFile & { name: string })[]>`
      SELECT name, name AS path, text FROM api_budgets WHERE deleted_at IS NULL ORDER BY name`,
  /** Of each budget that was ever reset: through the API, and in all as it was in force at last. */
  resetCounts: (tx: Tx): Promise<readonly (Resets & { readonly budgetUid: string })[]> =>
    tx<(Resets & { budgetUid: string })[]>`
      SELECT budget_uid AS "budgetUid", coalesce(r.more, 0)::float8 AS more, coalesce(b.resets, 0)::float8 AS least
      FROM (SELECT budget_uid, count(*) AS more FROM budget_resets GROUP BY 1) AS r
        FULL JOIN (SELECT budget_uid, resets FROM budgets WHERE resets > 0) AS b USING (budget_uid) ORDER BY 1`,
  /** Those of these names, deleted ones too. */
  find: (tx: Tx, names: readonly string[]): Promise<readonly ApiBudgetRow[]> =>
    tx<ApiBudgetRow[]>`SELECT ${columns(tx)} FROM api_budgets WHERE name = ANY (${[...names]}::text[])`,
  /** Makes it, or makes one that was deleted again. @returns its version; `null` if there is one */
  make: async (tx: Tx, { name, document, text, by }: WrittenBudget): Promise<number | null> => {
    const [row] = await tx<{ version: number }[]>`
      INSERT INTO api_budgets AS b (org_id, name, document, text, version, created_by, updated_by)
      VALUES (current_org(), ${name}, ${json(tx, document)}, ${text}, 1, ${by}, ${by})
      ON CONFLICT (org_id, name) DO UPDATE SET document = excluded.document, text = excluded.text, version = b.version + 1,
        updated_at = now(), updated_by = excluded.updated_by, deleted_at = NULL
      WHERE b.deleted_at IS NOT NULL RETURNING version::float8 AS version`
    return row?.version ?? null
  },
  /** @param version the one that is known; `null` for whichever @returns the new one; `null` if another is in force */
  replace: async (tx: Tx, written: WrittenBudget, version: number | null): Promise<number | null> => {
    const { name, document, text, by } = written
    const [row] = await tx<{ version: number }[]>`
      UPDATE api_budgets SET document = ${json(tx, document)}, text = ${text}, version = version + 1, updated_at = now(),
        updated_by = ${by}
      WHERE name = ${name} AND deleted_at IS NULL AND (${version}::float8 IS NULL OR version = ${version}::float8)
      RETURNING version::float8 AS version`
    return row?.version ?? null
  },
  /** As {@link budgetRepository.replace}. */
  remove: async (tx: Tx, name: string, by: string, version: number | null): Promise<number | null> => {
    const [row] = await tx<{ version: number }[]>`
      UPDATE api_budgets SET deleted_at = now(), version = version + 1, updated_at = now(), updated_by = ${by}
      WHERE name = ${name} AND deleted_at IS NULL AND (${version}::float8 IS NULL OR version = ${version}::float8)
      RETURNING version::float8 AS version`
    return row?.version ?? null
  },
  /** Newest first. */
  resets: (tx: Tx, budgetUid: string, limit: number): Promise<readonly ResetRow[]> =>
    tx<ResetRow[]>`
      SELECT number, ${iso(tx, 'reset_at')} AS "resetAt", reset_by AS "resetBy", reason
      FROM budget_resets WHERE budget_uid = ${budgetUid} ORDER BY budget_resets.number DESC LIMIT ${limit}`,
  /** One more. @param number how many there are then @returns whether nobody was faster */
  reset: async (tx: Tx, budgetUid: string, number: number, by: string, reason: string): Promise<boolean> =>
    (
      await tx`
        INSERT INTO budget_resets (org_id, budget_uid, number, reset_by, reason)
        SELECT current_org(), ${budgetUid}, ${number}, ${by}, ${reason}
        ON CONFLICT DO NOTHING`
    ).count === 1,
  /** Whether a budget of this name was ever in force. */
  wasInForce: async (tx: Tx, budgetUid: string): Promise<boolean> =>
    (await tx`SELECT FROM budgets WHERE budget_uid = ${budgetUid}`).count > 0,
  /** What a budget was charged on each of the last days (UTC), oldest first. @param subject `null` for all of them */
  history: (
    tx: Tx,
    budgetUid: string,
    subject: string | null,
    days: number,
  ): Promise<readonly { readonly day: string; readonly chargedNanoUsd: string }[]> =>
    tx<{ day: string; chargedNanoUsd: string }[]>`
      SELECT to_char(s.day, 'YYYY-MM-DD') AS day, coalesce(sum(d.charged_nano), 0)::text AS "chargedNanoUsd"
      FROM generate_series((now() AT TIME ZONE 'UTC')::date - ${days - 1}::int, (now() AT TIME ZONE 'UTC')::date,
        interval '1 day') AS s (day)
        LEFT JOIN budget_days AS d ON d.budget_uid = ${budgetUid} AND d.day = s.day::date
          AND (${subject}::text IS NULL OR d.subject = ${subject})
      GROUP BY s.day ORDER BY s.day`,
} as const
