import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OwnerSql, Tx } from './database.ts'
import { ROLE } from './database.ts'

/** One file of `migrations/`. */
export interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** Taken in each transaction, so that two replicas that start at once migrate one after the other. */
const LOCK = 0x61_63_63_31
const FILE = /^(\d{4})_[a-z0-9_]+\.sql$/

/** Reads the migrations of a folder. @throws if their numbers leave a gap or a name has another form */
export function readMigrations(folder: string): readonly Migration[] {
  return readdirSync(folder)
    .sort()
    .map((name, at) => {
      const number = Number(FILE.exec(name)?.[1])
      if (number !== at + 1) throw new Error(`${name}: expected ${String(at + 1).padStart(4, '0')}_name.sql`)
      const sql = readFileSync(join(folder, name), 'utf8')
      return { number, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

/**
 * Brings the database to the newest of these migrations, each in a transaction of its own. There is no way back.
 * @returns how many were applied
 * @throws if one that was applied has changed since, or if the database is newer
 */
export async function migrate(owner: OwnerSql, migrations: readonly Migration[]): Promise<number> {
  await owner.begin(prepare)
  for (let applied = 0; ; applied++) {
    const next = await owner.begin(async (tx) => {
      await holdMigrations(tx)
      return applyNext(tx, migrations)
    })
    if (next === null) return applied
  }
}

/** Brings the database to one of these migrations, in a transaction that is the caller's: it stays or goes with all of it. */
export async function migrateWithin(tx: Tx, migrations: readonly Migration[], throughNumber: number): Promise<void> {
  await prepare(tx)
  const wanted = migrations.slice(0, throughNumber)
  while ((await applyNext(tx, wanted)) !== null);
}

/** Applies the first that is missing. @returns its number; `null` if none is */
async function applyNext(tx: Tx, migrations: readonly Migration[]): Promise<number | null> {
  const applied = await appliedTo(tx)
  refuseForeign(applied, migrations, 'the database')
  const migration = migrations[applied.length]
  if (migration === undefined) return null
  const { number, name, sql, checksum } = migration
  await tx.unsafe(sql).simple()
  await tx`INSERT INTO acc.schema_migrations (number, name, checksum) VALUES (${number}, ${name}, ${checksum})`
  return number
}

/** A migration that was applied. */
export type AppliedMigration = Omit<Migration, 'sql'>

const appliedTo = (tx: Tx): Promise<readonly AppliedMigration[]> =>
  tx<AppliedMigration[]>`SELECT number, name, checksum FROM acc.schema_migrations ORDER BY number`

/**
 * Compares what was applied with what is known here.
 * @param what that it was applied to
 * @throws if it has one that is not known, or one that has changed since
 */
export function refuseForeign(
  applied: readonly AppliedMigration[],
  migrations: readonly Migration[],
  what: 'the database' | 'the backup',
): void {
  for (const { number, name, checksum } of applied) {
    const known = migrations[number - 1]
    if (known === undefined)
      throw new Error(`${what} is newer than this control plane: it has ${name}, which is not known here`)
    if (known.checksum !== checksum)
      throw new Error(
        `${known.name} has changed since it was applied: a migration is never edited, a new one follows it`,
      )
  }
}

/** Keeps every other program from migrating until the transaction ends; waits for one that does. */
export async function holdMigrations(tx: Tx): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(${LOCK})`
}

/** What the migrations themselves stand on: the schema, their own table, and the role. */
async function prepare(tx: Tx): Promise<void> {
  await holdMigrations(tx)
  const [role] = await tx<{ bypasses: boolean; member: boolean }[]>`
    SELECT rolsuper OR rolbypassrls AS bypasses, pg_has_role(current_user, oid, 'SET') AS member
    FROM pg_roles WHERE rolname = ${ROLE}`
  if (role?.bypasses)
    throw new Error(`the role ${ROLE} would pass by row-level security: take SUPERUSER and BYPASSRLS from it`)
  if (role === undefined) await createRole(tx)
  if (!role?.member) await tx.unsafe(`GRANT ${ROLE} TO CURRENT_USER`)
  await tx`CREATE SCHEMA IF NOT EXISTS acc`
  await tx`
    CREATE TABLE IF NOT EXISTS acc.schema_migrations (
      number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
    )`
}

async function createRole(tx: Tx): Promise<void> {
  try {
    await tx.savepoint((inner) => inner.unsafe(`CREATE ROLE ${ROLE} NOLOGIN`))
  } catch (cause) {
    throw new Error(
      `the role ${ROLE} is not there and could not be made: CREATE ROLE ${ROLE} NOLOGIN; GRANT ${ROLE} TO the user of DATABASE_URL`,
      { cause },
    )
  }
}
