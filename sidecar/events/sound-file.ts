import { existsSync, renameSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { DamagedFileError, isDamage } from './sqlite-error.ts'

/**
 * Opens a database that has to hold together. One that does not is kept aside under another name and told of, and a new
 * one is begun.
 * @param use prepares the open database
 * @throws if it cannot be opened for a reason that is not damage; the file stays where it is then
 */
export function openSound<T>(
  file: string,
  use: (db: DatabaseSync) => T,
  onDamaged: (keptAs: string, reason: string) => void,
  nowMs: number,
): T {
  try {
    return openFile(file, use)
  } catch (error) {
    if (!isDamage(error)) throw error
    const keptAs = `${file}.damaged-${nowMs}`
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(file + suffix)) renameSync(file + suffix, keptAs + suffix)
    onDamaged(keptAs, error instanceof Error ? error.message : String(error))
    return openFile(file, use)
  }
}

function openFile<T>(file: string, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(file, { readBigInts: true })
  try {
    const check = db.prepare('PRAGMA quick_check(1)').get()
    if (check?.quick_check !== 'ok') throw new DamagedFileError(String(check?.quick_check))
    return use(db)
  } catch (error) {
    db.close()
    throw error
  }
}
