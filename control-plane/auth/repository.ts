import type { Tx } from '../db/database.ts'
import type { KeyKind } from './keys.ts'

/** A key as it is stored. */
export interface StoredKey {
  readonly secretHash: Buffer
  readonly instanceId: string | null
  /** Milliseconds until it ends; `null` for one that does not. */
  readonly validForMs: number | null
}

/** The keys of the organisation of a transaction. */
export const keyRepository = {
  find: async (tx: Tx, kind: KeyKind, keyId: string): Promise<StoredKey | null> => {
    const [row] = await tx<StoredKey[]>`
      SELECT secret_hash AS "secretHash", instance_id AS "instanceId",
        (extract(epoch FROM expires_at - now()) * 1000)::float8 AS "validForMs"
      FROM keys WHERE key_id = ${keyId} AND kind = ${kind} AND (expires_at IS NULL OR expires_at > now())`
    return row ?? null
  },
  insert: async (
    tx: Tx,
    key: {
      readonly orgId: string
      readonly keyId: string
      readonly kind: KeyKind
      readonly hash: Buffer
      readonly instanceId: string | null
      readonly validForMs: number | null
    },
  ): Promise<void> => {
    const { orgId, keyId, kind, hash, instanceId, validForMs } = key
    await tx`
      INSERT INTO keys (org_id, key_id, kind, secret_hash, instance_id, expires_at)
      VALUES (${orgId}, ${keyId}, ${kind}, ${hash}, ${instanceId}, now() + ${validForMs}::float8 * interval '1 millisecond')`
  },
  deleteExpired: async (tx: Tx): Promise<void> => {
    await tx`DELETE FROM keys WHERE expires_at < now()`
  },
}

/** What the first start made. */
export const installationRepository = {
  /** The organisation of the first start; `null` before it. */
  orgId: async (tx: Tx): Promise<string | null> => {
    const [row] = await tx<{ orgId: string }[]>`SELECT org_id AS "orgId" FROM installation`
    return row?.orgId ?? null
  },
  /** @returns whether this was the first: of two replicas that start at once one is */
  claim: async (tx: Tx, orgId: string): Promise<boolean> =>
    (await tx`INSERT INTO installation (org_id) VALUES (${orgId}) ON CONFLICT DO NOTHING`).count === 1,
  /**
   * The organisation whose admin key was shown to nobody yet, until the end of the transaction for this one alone: others
   * wait, and then it was shown. `null` otherwise.
   */
  lockUnshown: async (tx: Tx): Promise<string | null> => {
    const [row] = await tx<{ orgId: string }[]>`
      SELECT org_id AS "orgId" FROM installation WHERE key_shown_at IS NULL FOR UPDATE`
    return row?.orgId ?? null
  },
  markShown: async (tx: Tx): Promise<void> => {
    await tx`UPDATE installation SET key_shown_at = now()`
  },
  insertOrganisation: async (tx: Tx, orgId: string, name: string): Promise<void> => {
    await tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, ${name})`
  },
}
