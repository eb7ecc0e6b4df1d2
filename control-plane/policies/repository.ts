import type { SignedBundle } from '@agentcostcontrol/contract'
import type { PolicyFile, PolicyProblem } from '@agentcostcontrol/policy'
import type { Tx } from '../db/database.ts'
import type { Difference } from './difference.ts'
import type { Provenance } from './provenance.ts'

/** How a revision ended. */
export const REVISION_STATES = ['inForce', 'superseded', 'refused'] as const
/** One of {@link REVISION_STATES}. */
export type RevisionState = (typeof REVISION_STATES)[number]

/** How a replica's folder stands to what is in force. */
export const FOLDER_STATES = ['inForce', 'behind', 'refused', 'unreadable'] as const
/** One of {@link FOLDER_STATES}. */
export type FolderState = (typeof FOLDER_STATES)[number]

/** A revision as it is shown. */
export interface RevisionRow extends Provenance {
  /** Counts refused ones too; of the others it is the generation. */
  readonly number: number
  readonly revision: string
  /** Content hash of the folder's files alone: another one where something of the API is merged into them. */
  readonly folderRevision: string
  /** Which change through the API made it, and by which key; `null` for one that the folder made. */
  readonly madeBy: string | null
  readonly state: RevisionState
  readonly seenAt: string
  /** Cases of its PolicyTests; 0 for one that was refused. */
  readonly tests: number
  readonly files: number
  readonly problems: readonly PolicyProblem[]
  /** Of all problems; the first ones are kept. */
  readonly problemCount: number
}

/** One revision with what it holds. */
export interface RevisionDetail extends RevisionRow {
  /** What was signed; `null` for one that was refused. */
  readonly manifest: string | null
  readonly difference: Difference | null
}

/** The revision in force, and where the folder's part of it comes from. */
export interface InForce extends Provenance {
  readonly generation: number
  readonly revision: string
  readonly folderRevision: string
  readonly manifest: string
  /** Files of the folder that are other ones in the manifest. */
  readonly originals: readonly PolicyFile[]
  readonly keyId: string
  /** From a backup: sidecars may run generations that came after it. */
  readonly restored: boolean
}

/** What a replica's folder holds. */
export interface FolderRow {
  readonly replica: string
  readonly state: FolderState
  readonly revision: string | null
  readonly problems: readonly PolicyProblem[]
  readonly seenAt: string
}

/** RFC 3339 UTC with milliseconds. */
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const json = (tx: Tx, value: unknown) => tx`${JSON.stringify(value)}::text::json`

const shown = (tx: Tx) => tx`
  number::float8, revision, folder_revision AS "folderRevision", made_by AS "madeBy", author, commit, ${iso(tx, 'committed_at')} AS "committedAt", uncommitted,
  CASE
    WHEN NOT published THEN 'refused'
    WHEN number = (SELECT max(number) FROM policy_revisions WHERE published) THEN 'inForce'
    ELSE 'superseded'
  END AS state,
  ${iso(tx, 'seen_at')} AS "seenAt", tests, files, problems, problem_count AS "problemCount"`

/** The revisions of the organisation of a transaction. */
export const policyRepository = {
  /** One transaction at a time publishes, of all replicas. */
  lock: async (tx: Tx): Promise<void> => {
    await tx`SELECT pg_advisory_xact_lock(hashtextextended('policy ' || current_org()::text, 0))`
  },
  inForce: async (tx: Tx): Promise<InForce | null> => {
    const [row] = await tx<InForce[]>`
      SELECT number::float8 AS generation, revision, folder_revision AS "folderRevision", manifest, originals,
        key_id AS "keyId", restored, author, commit, ${iso(tx, 'committed_at')} AS "committedAt", uncommitted
      FROM policy_revisions WHERE published ORDER BY number DESC LIMIT 1`
    return row ?? null
  },
  generation: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ generation: number }[]>`
      SELECT coalesce(max(number), 0)::float8 AS generation FROM policy_revisions WHERE published`
    return row?.generation ?? 0
  },
  newerThan: async (tx: Tx, generation: number): Promise<SignedBundle | null> => {
    const [row] = await tx<SignedBundle[]>`
      SELECT manifest, key_id AS "keyId", signature FROM policy_revisions
      WHERE published AND number > ${generation}::float8 ORDER BY number DESC LIMIT 1`
    return row ?? null
  },
  /** The database's clock in ms, and more than any number before. */
  nextNumber: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ next: number }[]>`
      SELECT greatest(coalesce(max(number), 0) + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)::float8 AS next
      FROM policy_revisions`
    if (row === undefined) throw new Error('a sum without a row')
    return row.next
  },
  /** Whether a folder's files were in force before, whatever was merged into them. */
  wasPublished: async (tx: Tx, folderRevision: string): Promise<boolean> =>
    (await tx`SELECT FROM policy_revisions WHERE published AND folder_revision = ${folderRevision} LIMIT 1`).count > 0,
  insertPublished: async (
    tx: Tx,
    row: Provenance & {
      readonly number: number
      readonly revision: string
      readonly folderRevision: string
      readonly originals: readonly PolicyFile[]
      readonly madeBy: string | null
      readonly tests: number
      readonly files: number
      readonly bundle: SignedBundle
      readonly difference: Difference
    },
  ): Promise<void> => {
    const { number, revision, folderRevision, originals, madeBy, tests, files, bundle, difference } = row
    const { author, commit, committedAt, uncommitted } = row
    await tx`
      INSERT INTO policy_revisions (org_id, number, revision, folder_revision, originals, made_by, published, author, commit,
        committed_at, uncommitted, tests, files, problems, problem_count, manifest, key_id, signature, difference)
      VALUES (current_org(), ${number}::float8, ${revision}, ${folderRevision}, ${json(tx, originals)}, ${madeBy}, true,
        ${author}, ${commit}, ${committedAt}::timestamptz, ${uncommitted}, ${tests}, ${files}, '[]', 0, ${bundle.manifest},
        ${bundle.keyId}, ${bundle.signature}, ${json(tx, difference)})`
  },
  /** Once for the same revision. @returns whether it was new */
  insertRefused: async (
    tx: Tx,
    row: Provenance & {
      readonly number: number
      readonly revision: string
      readonly files: number
      readonly problems: readonly PolicyProblem[]
      readonly problemCount: number
    },
  ): Promise<boolean> => {
    const { number, revision, files, problems, problemCount, author, commit, committedAt, uncommitted } = row
    const { count } = await tx`
      INSERT INTO policy_revisions (org_id, number, revision, folder_revision, published, author, commit, committed_at,
        uncommitted, tests, files, problems, problem_count)
      VALUES (current_org(), ${number}::float8, ${revision}, ${revision}, false, ${author}, ${commit}, ${committedAt}::timestamptz,
        ${uncommitted}, 0, ${files}, ${json(tx, problems)}, ${problemCount})
      ON CONFLICT DO NOTHING`
    return count === 1
  },
  /** Forgets all refused ones but the newest. */
  trimRefused: async (tx: Tx, kept: number): Promise<void> => {
    await tx`
      DELETE FROM policy_revisions WHERE NOT published AND number <= (
        SELECT number FROM policy_revisions WHERE NOT published ORDER BY number DESC OFFSET ${kept} LIMIT 1)`
  },
  /** What was published before it was committed gets its commit. */
  amend: async (tx: Tx, generation: number, provenance: Provenance): Promise<void> => {
    const { author, commit, committedAt, uncommitted } = provenance
    await tx`
      UPDATE policy_revisions
      SET author = ${author}, commit = ${commit}, committed_at = ${committedAt}::timestamptz, uncommitted = ${uncommitted}
      WHERE number = ${generation}::float8 AND ${uncommitted}::boolean IS NOT NULL
        AND (uncommitted IS NULL OR (uncommitted AND NOT ${uncommitted}::boolean))`
  },
  /** Of every organisation. */
  markRestored: async (tx: Tx): Promise<void> => {
    await tx`UPDATE policy_revisions SET restored = true WHERE published`
  },
  resign: async (tx: Tx, generation: number, { keyId, signature }: SignedBundle): Promise<void> => {
    await tx`
      UPDATE policy_revisions SET key_id = ${keyId}, signature = ${signature} WHERE number = ${generation}::float8`
  },
  /** Newest first. */
  list: (tx: Tx, before: number | null, limit: number): Promise<readonly RevisionRow[]> =>
    tx<RevisionRow[]>`
      SELECT ${shown(tx)} FROM policy_revisions
      WHERE ${before === null ? tx`true` : tx`number < ${before}::float8`} ORDER BY policy_revisions.number DESC LIMIT ${limit}`,
  /** By number, or the newest by revision. */
  find: async (tx: Tx, wanted: number | string): Promise<RevisionDetail | null> => {
    const [row] = await tx<RevisionDetail[]>`
      SELECT ${shown(tx)}, manifest, difference FROM policy_revisions
      WHERE ${typeof wanted === 'number' ? tx`number = ${wanted}::float8` : tx`revision = ${wanted}`}
      ORDER BY policy_revisions.number DESC LIMIT 1`
    return row ?? null
  },
  /** Which revision is in force. */
  atNow: async (tx: Tx): Promise<{ readonly generation: number; readonly revision: string } | null> => {
    const [row] = await tx<{ generation: number; revision: string }[]>`
      SELECT number::float8 AS generation, revision FROM policy_revisions WHERE published ORDER BY number DESC LIMIT 1`
    return row ?? null
  },
  /** The content hash of what is in force. */
  revisionInForce: async (tx: Tx): Promise<string | null> => {
    const [row] = await tx<{ revision: string }[]>`
      SELECT revision FROM policy_revisions WHERE published ORDER BY number DESC LIMIT 1`
    return row?.revision ?? null
  },
  /** The manifest that a revision was last published with. */
  manifest: async (tx: Tx, revision: string): Promise<string | null> => {
    const [row] = await tx<{ manifest: string }[]>`
      SELECT manifest FROM policy_revisions WHERE published AND revision = ${revision} ORDER BY number DESC LIMIT 1`
    return row?.manifest ?? null
  },
  revisions: (
    tx: Tx,
    generations: readonly number[],
  ): Promise<readonly { readonly generation: number; readonly revision: string }[]> =>
    tx<{ generation: number; revision: string }[]>`
      SELECT number::float8 AS generation, revision FROM policy_revisions
      WHERE published AND number = ANY(${generations.map(String)}::text[]::bigint[])`,
  noteFolder: async (tx: Tx, folder: Omit<FolderRow, 'seenAt'>): Promise<void> => {
    const { replica, state, revision, problems } = folder
    await tx`
      INSERT INTO policy_folders (org_id, replica, state, revision, problems)
      VALUES (current_org(), ${replica}, ${state}, ${revision}, ${json(tx, problems)})
      ON CONFLICT (org_id, replica) DO UPDATE
      SET state = excluded.state, revision = excluded.revision, problems = excluded.problems, seen_at = now()`
  },
  forgetFolder: async (tx: Tx, replica: string, silentMs: number): Promise<void> => {
    await tx`
      DELETE FROM policy_folders
      WHERE replica = ${replica} OR seen_at < now() - ${silentMs}::float8 * interval '1 millisecond'`
  },
  folders: (tx: Tx, heardWithinMs: number): Promise<readonly FolderRow[]> =>
    tx<FolderRow[]>`
      SELECT replica, state, revision, problems, ${iso(tx, 'seen_at')} AS "seenAt" FROM policy_folders
      WHERE seen_at > now() - ${heardWithinMs}::float8 * interval '1 millisecond' ORDER BY replica LIMIT 1000`,
}

/** The public key of an installation, SPKI PEM. */
export const signingKeyRepository = {
  noted: async (tx: Tx): Promise<string | null> => {
    const [row] = await tx<{ key: string }[]>`SELECT public_key AS key FROM policy_key`
    return row?.key ?? null
  },
  /** Notes a key where none is noted, or a former one. @returns the key that is noted then */
  note: async (tx: Tx, key: string, former: readonly string[]): Promise<string> => {
    await tx`
      INSERT INTO policy_key (public_key) VALUES (${key})
      ON CONFLICT (one) DO UPDATE SET public_key = excluded.public_key, noted_at = now()
      WHERE policy_key.public_key = ANY(${[...former]}::text[])`
    const [row] = await tx<{ key: string }[]>`SELECT public_key AS key FROM policy_key`
    if (row === undefined) throw new Error('a key that was just noted is not there')
    return row.key
  },
}
