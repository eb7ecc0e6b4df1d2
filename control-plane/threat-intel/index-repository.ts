import type { ThreatIntelNews } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { partsOf } from './list-repository.ts'
import type { BuiltIndex } from './tasks.ts'

/** How the index in force stands to the lists. */
export interface IndexState {
  /** Changes of lists so far. */
  readonly revision: number
  /** The one that the index in force was made of. */
  readonly builtRevision: number
}

/** The index in force, as it is shown. */
export interface IndexInForce {
  /** SHA-256 of its bytes; `null` while there are no lists. */
  readonly version: string | null
  readonly entries: number
  readonly bytes: number
  /** RFC 3339, by the clock of the database. */
  readonly builtAt: string | null
  /** Whether lists have changed since. */
  readonly pending: boolean
}

/** Indexes that are kept: the one in force, and those before it that sidecars may be fetching. */
const KEPT = 3
const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'

/** The indexes of the transaction's organisation. */
export const indexRepository = {
  /** Locks the state of the organisation until the transaction ends: changes of its lists come one by one. */
  lock: async (tx: Tx): Promise<IndexState> => {
    const [row] = await tx<IndexState[]>`
      INSERT INTO threat_intel_states AS known (org_id) VALUES (current_org())
      ON CONFLICT (org_id) DO UPDATE SET revision = known.revision
      RETURNING revision::float8 AS revision, built_revision::float8 AS "builtRevision"`
    return row ?? { revision: 0, builtRevision: 0 }
  },
  /** Says that lists have changed. */
  revise: (tx: Tx): Promise<unknown> => tx`UPDATE threat_intel_states SET revision = revision + 1, revised_at = now()`,
  state: async (tx: Tx): Promise<IndexState> => {
    const [row] = await tx<IndexState[]>`
      SELECT revision::float8 AS revision, built_revision::float8 AS "builtRevision" FROM threat_intel_states`
    return row ?? { revision: 0, builtRevision: 0 }
  },
  /**
   * Whether nobody made an index of what changed so long ago; or whether indicators may have come to their end since the
   * last one was made.
   */
  isOverdue: async (tx: Tx, unbuiltMs: number, builtMs: number): Promise<boolean> => {
    const [row] = await tx<{ overdue: boolean }[]>`
      SELECT (revision > built_revision AND revised_at < now() - ${unbuiltMs}::float8 * interval '1 millisecond')
        OR (built_at < now() - ${builtMs}::float8 * interval '1 millisecond'
          AND EXISTS (SELECT FROM threat_intel_lists WHERE format = 'stix')) AS overdue
      FROM threat_intel_states`
    return row?.overdue ?? false
  },
  /** Puts an index in force that was made of this revision. @param built `null` where there are no lists */
  put: async (tx: Tx, revision: number, built: BuiltIndex | null): Promise<void> => {
    if (built !== null) await store(tx, built)
    await tx`
      UPDATE threat_intel_states SET built_revision = ${revision}::float8, built_at = now(),
        version = ${built?.version ?? null}`
    const stale = tx`SELECT version FROM threat_intel_indexes ORDER BY built_at DESC OFFSET ${KEPT}`
    await tx`DELETE FROM threat_intel_index_parts WHERE version IN (${stale})`
    await tx`DELETE FROM threat_intel_indexes WHERE version IN (${stale})`
  },
  /** What sidecars are told. */
  news: async (tx: Tx): Promise<ThreatIntelNews> => {
    const [row] = await tx<ThreatIntelNews[]>`
      SELECT version, bytes::float8 AS bytes, to_char(threat_intel_indexes.built_at, ${FORMAT}) AS "builtAt"
      FROM threat_intel_states JOIN threat_intel_indexes USING (org_id, version)`
    return row ?? { version: null, bytes: 0, builtAt: null }
  },
  inForce: async (tx: Tx): Promise<IndexInForce> => {
    const [row] = await tx<IndexInForce[]>`
      SELECT version, coalesce(entries, 0)::float8 AS entries, coalesce(bytes, 0)::float8 AS bytes,
        to_char(states.built_at, ${FORMAT}) AS "builtAt", revision > built_revision AS pending
      FROM threat_intel_states AS states LEFT JOIN threat_intel_indexes USING (org_id, version)`
    return row ?? { version: null, entries: 0, bytes: 0, builtAt: null, pending: false }
  },
  /** Bytes of an index and of how many pieces; `null` where it is not known, or not any more. */
  size: async (tx: Tx, version: string): Promise<{ readonly bytes: number; readonly parts: number } | null> => {
    const [row] = await tx<{ bytes: number; parts: number }[]>`
      SELECT bytes::float8 AS bytes,
        (SELECT count(*)::int FROM threat_intel_index_parts AS part WHERE part.version = known.version) AS parts
      FROM threat_intel_indexes AS known WHERE version = ${version}`
    return row ?? null
  },
  part: async (tx: Tx, version: string, part: number): Promise<Buffer | null> => {
    const [row] = await tx<{ bytes: Buffer }[]>`
      SELECT bytes FROM threat_intel_index_parts WHERE version = ${version} AND part = ${part}`
    return row?.bytes ?? null
  },
}

async function store(tx: Tx, { version, entries, bytes }: BuiltIndex): Promise<void> {
  const stored = await tx`
    INSERT INTO threat_intel_indexes (org_id, version, entries, bytes)
    VALUES (current_org(), ${version}, ${entries}::float8, ${bytes.length}::float8)
    ON CONFLICT (org_id, version) DO UPDATE SET built_at = now()
    RETURNING xmax = 0 AS new`
  if (stored[0]?.new !== true) return
  for (const [part, piece] of partsOf(bytes).entries())
    await tx`
      INSERT INTO threat_intel_index_parts (org_id, version, part, bytes)
      VALUES (current_org(), ${version}, ${part}, ${piece})`
}
