/** SQLite's primary result code of an error that node:sqlite threw; `null` for any other error. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error && 'errcode' in error && typeof error.errcode === 'number')) return null
  return error.errcode & 0xff
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** Thrown for a database that can be read and does not hold together. */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError'
}

/** Whether the file itself is damaged. A full disk, missing rights or a lock say nothing about it. */
export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error)
  return error instanceof DamagedFileError || code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}
