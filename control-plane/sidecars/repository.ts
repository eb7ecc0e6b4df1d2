import type { Tx } from '../db/database.ts'

/** Where a policy is wrong, as a sidecar told it. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly path: string
  readonly message: string
}

/** What a sidecar says of itself with each poll. */
export interface Heard {
  readonly instanceId: string
  /** Generation of the policy that it runs; 0 for none. */
  readonly generation: number
  /** The newest one that it did not take. */
  readonly refused: { readonly generation: number; readonly problems: readonly Problem[] } | null
}

/** How a sidecar stands to the policy in force. */
export const SIDECAR_STATES = ['SYNCED', 'STALE', 'NACKED'] as const
/** One of {@link SIDECAR_STATES}. */
export type SidecarState = (typeof SIDECAR_STATES)[number]

/** A sidecar as it is shown. */
export interface SidecarRow {
  readonly instanceId: string
  readonly state: SidecarState
  readonly generation: number
  readonly refusedGeneration: number | null
  readonly problems: readonly Problem[]
  readonly firstHeardAt: string
  readonly lastHeardAt: string
}

/** By what a sidecar is judged. */
export interface Measure {
  /** The generation in force. */
  readonly generation: number
  /** One that was not heard of for longer is stale. */
  readonly heardWithinMs: number
}

/** What it said of a bundle stands for as long as that one is in force, whether it is heard of or not. */
const state = (tx: Tx, { generation, heardWithinMs }: Measure) => tx`
  CASE
    WHEN refused_generation = ${generation}::bigint THEN 'NACKED'
    WHEN generation < ${generation}::bigint THEN 'STALE'
    WHEN last_heard_at < now() - ${heardWithinMs}::float8 * interval '1 millisecond' THEN 'STALE'
    ELSE 'SYNCED'
  END`

/** RFC 3339 UTC with milliseconds. */
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** The sidecars of the organisation of a transaction. Times are those of the database. */
export const sidecarRepository = {
  /** Writes down what was heard, all at once. By key: two replicas that hear of the same ones wait for each other and never in a circle. */
  hear: async (tx: Tx, heard: readonly Heard[]): Promise<void> => {
    const ids = heard.map(({ instanceId }) => instanceId)
    const generations = heard.map(({ generation }) => String(generation))
    const refused = heard.map((each) => (each.refused === null ? null : String(each.refused.generation)))
    const problems = heard.map((each) => (each.refused === null ? null : JSON.stringify(each.refused.problems)))
    await tx`
      INSERT INTO sidecars (org_id, instance_id, generation, refused_generation, refused_problems)
      SELECT current_org(), id, generation, refused, problems::json
      FROM unnest(${ids}::uuid[], ${generations}::bigint[], ${refused}::bigint[], ${problems}::text[])
        AS heard (id, generation, refused, problems)
      ORDER BY id
      ON CONFLICT (org_id, instance_id) DO UPDATE SET generation = excluded.generation,
        refused_generation = excluded.refused_generation, refused_problems = excluded.refused_problems,
        last_heard_at = excluded.last_heard_at`
  },
  /** Forgets those that were not heard of for so long: instances come and go. */
  forget: async (tx: Tx, unheardMs: number): Promise<void> => {
    await tx`DELETE FROM sidecars WHERE last_heard_at < now() - ${unheardMs}::float8 * interval '1 millisecond'`
  },
  /** By instance id. @param after the last one of the page before */
  list: (
    tx: Tx,
    measure: Measure,
    wanted: SidecarState | null,
    after: string | null,
    limit: number,
  ): Promise<readonly SidecarRow[]> =>
    tx<SidecarRow[]>`
      SELECT instance_id AS "instanceId", state, generation::float8 AS generation,
        refused_generation::float8 AS "refusedGeneration", coalesce(refused_problems, '[]') AS problems,
        ${iso(tx, 'first_heard_at')} AS "firstHeardAt", ${iso(tx, 'last_heard_at')} AS "lastHeardAt"
      FROM (SELECT *, ${state(tx, measure)} AS state FROM sidecars) AS judged
      WHERE true
        ${wanted === null ? tx`` : tx`AND state = ${wanted}`}
        ${after === null ? tx`` : tx`AND instance_id > ${after}::uuid`}
      ORDER BY instance_id LIMIT ${limit}`,
  counts: (tx: Tx, measure: Measure): Promise<readonly { readonly state: SidecarState; readonly count: number }[]> =>
    tx<{ state: SidecarState; count: number }[]>`
      SELECT ${state(tx, measure)} AS state, count(*)::int AS count FROM sidecars GROUP BY 1`,
}
