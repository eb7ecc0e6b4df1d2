import type { Tx } from '../db/database.ts'

/** The version of all that people say to the sidecars of the transaction's organisation. */
export const commandRepository = {
  /** Begins a change: others wait for its end. @returns its version, which is above all before, a restored database's too */
  next: async (tx: Tx): Promise<string> => {
    const [row] = await tx<{ version: string }[]>`
      INSERT INTO agent_state_versions AS known (org_id, version)
      VALUES (current_org(), floor(extract(epoch FROM clock_timestamp()) * 1000))
      ON CONFLICT (org_id) DO UPDATE SET version = greatest(known.version + 1, excluded.version)
      RETURNING version::text AS version`
    return row?.version ?? '1'
  },
  version: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ version: number }[]>`SELECT version::float8 AS version FROM agent_state_versions`
    return row?.version ?? 0
  },
}
