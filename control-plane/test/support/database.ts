import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inCheckout } from '../../../test/support/paths.ts'
import { folderFor, type Scope } from '../../../test/support/scope.ts'
import { startCluster } from '../../db/cluster.ts'
import { connectAsOwner, type Database, type OwnerSql, openDatabase } from '../../db/database.ts'
import { migrate, readMigrations } from '../../db/migrate.ts'
import { makePartitions } from '../../db/partitions.ts'
import { createLogger } from '../../log.ts'

/** A database of a test's own. */
export interface TestDatabase {
  readonly url: string
  /** Its superuser, whom row-level security does not bind. */
  readonly owner: OwnerSql
  /** As the control plane uses it. */
  readonly database: Database
}

/** Logs nothing. */
export const QUIET = createLogger('error', () => {})

/** A PostgreSQL of this test file's own, gone with the scope. @returns the URL of a new, empty database in it */
export async function clusterFor(scope: Scope): Promise<() => Promise<string>> {
  // Nothing here has to survive a power loss.
  const settings = ['fsync=off', 'shared_buffers=32MB']
  const cluster = await startCluster({ folder: folderFor(scope), port: 0, settings, log: QUIET })
  scope.teardown(() => cluster.stop())
  return async () => {
    const name = `test_${randomUUID().replaceAll('-', '')}`
    await ask(cluster.url, `CREATE DATABASE ${name}`)
    return cluster.url.replace(/[^/]+$/, name)
  }
}

/** Connects to a database, migrated to the newest; the connections end with the scope. */
export async function databaseFor(scope: Scope, url: string): Promise<TestDatabase> {
  const owner = connectAsOwner(url)
  scope.teardown(() => owner.end({ timeout: 1 }))
  await migrate(owner, readMigrations(inCheckout('migrations')))
  await makePartitions(owner)
  const database = openDatabase(url, 6)
  scope.teardown(() => database.close())
  return { url, owner, database }
}

/** Runs one statement on a database, over a connection of its own. */
export async function ask(url: string, statement: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
