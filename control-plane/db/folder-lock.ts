import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Holds a data folder for this process alone, by a transaction that stays open; the kernel frees it with the process.
 * @throws if another one holds it
 */
export function lockFolder(dataDir: string): { release(): void } {
  const db = new DatabaseSync(join(dataDir, 'control-plane.lock'))
  try {
    db.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    db.close()
    throw new Error(
      `another control plane is using the data folder ${dataDir}: give each its own CONTROL_PLANE_DATA_DIR, or all the same DATABASE_URL`,
      { cause },
    )
  }
  return { release: () => db.close() }
}
