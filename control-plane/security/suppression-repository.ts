import type { Suppressed, Suppression } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'

/** A suppression as it is shown. Instants are RFC 3339, by the clock of the database. */
export interface SuppressionRow extends Suppressed {
  readonly id: string
  readonly reason: string
  readonly createdAt: string
  /** The key of its author. */
  readonly createdBy: string
  readonly expiresAt: string
  /** When somebody ended it before its time; `null`: nobody did. */
  readonly endedAt: string | null
  readonly endedBy: string | null
  readonly inForce: boolean
}

/** One that is stored. */
export interface StoredSuppression extends SuppressionRow {
  readonly number: number
}

/** One that is made. */
export interface NewSuppression extends Suppressed {
  readonly reason: string
  readonly createdBy: string
  /** RFC 3339. */
  readonly expiresAt: string
}

const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
const inForce = (tx: Tx) => tx`(ended_at IS NULL AND expires_at > now())`
const columns = (tx: Tx) => tx`
  id, detector, rule, agent, text_hash AS "textHash", tool, reason,
  to_char(created_at, ${FORMAT}) AS "createdAt", created_by AS "createdBy", to_char(expires_at, ${FORMAT}) AS "expiresAt",
  to_char(ended_at, ${FORMAT}) AS "endedAt", ended_by AS "endedBy", ${inForce(tx)} AS "inForce"`

/** What people let pass in the transaction's organisation. */
export const suppressionRepository = {
  make: async (tx: Tx, made: NewSuppression): Promise<SuppressionRow | null> => {
    const { detector, rule, agent, textHash, tool, reason, createdBy, expiresAt } = made
    const [row] = await tx<SuppressionRow[]>`
      INSERT INTO suppressions (org_id, detector, rule, agent, text_hash, tool, reason, created_by, expires_at)
      VALUES (current_org(), ${detector}, ${rule}, ${agent}, ${textHash}, ${tool}, ${reason}, ${createdBy},
        ${expiresAt}::timestamptz)
      RETURNING ${columns(tx)}`
    return row ?? null
  },
  /** Ends one that is in force. */
  end: async (tx: Tx, id: string, by: string): Promise<SuppressionRow | null> => {
    const [row] = await tx<SuppressionRow[]>`
      UPDATE suppressions SET ended_at = now(), ended_by = ${by} WHERE id = ${id} AND ${inForce(tx)}
      RETURNING ${columns(tx)}`
    return row ?? null
  },
  count: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ count: number }[]>`
      SELECT count(*)::int AS count FROM suppressions WHERE ${inForce(tx)}`
    return row?.count ?? 0
  },
  /** Newest first. @param all those that are over as well */
  list: (tx: Tx, all: boolean, before: number | null, limit: number): Promise<readonly StoredSuppression[]> =>
    tx<StoredSuppression[]>`
      SELECT number::float8 AS number, ${columns(tx)} FROM suppressions
      WHERE ${all ? tx`true` : inForce(tx)} ${before === null ? tx`` : tx`AND number < ${before}::bigint`}
      ORDER BY suppressions.number DESC LIMIT ${limit}`,
  /** Those in force, as sidecars are told. */
  commands: async (tx: Tx): Promise<Suppression[]> => [
    ...(await tx<Suppression[]>`
      SELECT id, detector, rule, agent, text_hash AS "textHash", tool,
        ceil(extract(epoch FROM expires_at - now()) * 1000)::float8 AS "endsInMs"
      FROM suppressions WHERE ${inForce(tx)} ORDER BY number`),
  ],
}
