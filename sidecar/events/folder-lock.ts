import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteCode } from './sqlite-error.ts'

/** Thrown when another process holds the folder. */
export class OutboxLockedError extends Error {
  override readonly name = 'OutboxLockedError'
}

const SQLITE_BUSY = 5

/**
 * Holds the folder for this process alone, by a transaction that stays open on a file of its own; the kernel frees it
 * with the process. Copies of a running machine cannot be seen.
 * @throws OutboxLockedError
 */
export function lockFolder(dataDir: string): { release(): void } {
  const db = new DatabaseSync(join(dataDir, 'outbox.lock'))
  try {
    db.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    db.close()
    if (sqliteCode(cause) !== SQLITE_BUSY) throw cause
    throw new OutboxLockedError(`another sidecar is using the data folder ${dataDir}: give each its own ACC_DATA_DIR`, {
      cause,
    })
  }
  return { release: () => db.close() }
}
