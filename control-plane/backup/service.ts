import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import type { OwnerSql, Tx } from '../db/database.ts'
import { holdMigrations, type Migration, migrateWithin, refuseForeign } from '../db/migrate.ts'
import { afterRestore } from './after-restore.ts'
import {
  BackupFileError,
  type BackupHeader,
  type BackupPart,
  type BackupTableEnd,
  readBackup,
  type TableRows,
  writeBackup,
} from './format.ts'
import { type Installation, restoreRepository, type StoredTable, snapshotRepository } from './repository.ts'

/** What is in a backup. */
export interface BackupContents {
  /** RFC 3339 UTC, by the database's clock: the moment that it shows. */
  readonly madeAt: string
  readonly systemIdentifier: string
  /** Name of the last migration. */
  readonly schema: string
  readonly tables: readonly BackupTableEnd[]
}

/** A backup that was made. */
export interface MadeBackup extends BackupContents {
  readonly fileBytes: number
}

/** A restore that is committed. */
export interface Restored extends BackupContents {
  /** What was there before and is gone; `null` if there was nothing. */
  readonly replaced: Installation | null
}

/** How a backup is restored. */
export interface RestoreOptions {
  readonly file: string
  readonly migrations: readonly Migration[]
  /** Whether what is there may go. */
  readonly replace: boolean
}

/**
 * Writes everything that the database holds of an installation, as it stands at one moment, into a file: beside it first,
 * and under its name when it is whole. Nothing waits for it but a change of the schema. Memory is bounded.
 * @param signal calls it off; what was written is removed then
 */
export async function makeBackup(owner: OwnerSql, file: string, signal: AbortSignal): Promise<MadeBackup> {
  const partial = `${file}.${process.pid}.partial`
  try {
    const contents = await owner.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (tx) => {
      const about = await snapshotRepository.about(tx)
      const stored = await snapshotRepository.tables(tx)
      const orgIds = (await snapshotRepository.isBound(tx)) ? await snapshotRepository.organisationsBeside(owner) : null
      const header: BackupHeader = { format: 1, ...about, tables: stored.map(({ name }) => name) }
      const tables: BackupTableEnd[] = []
      const bytes = writeBackup(header, rowsOf(tx, stored, orgIds), (end) => tables.push(end))
      const target = createWriteStream(partial, { flags: 'wx', mode: 0o600, flush: true })
      await pipeline(bytes, createZstdCompress(WITH_CHECKSUM), target, { signal })
      return contentsOf(header, tables)
    })
    const { size } = await stat(partial)
    await rename(partial, file)
    await syncFolder(dirname(resolve(file)))
    return { ...contents, fileBytes: size }
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

const WITH_CHECKSUM = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }

async function* rowsOf(
  tx: Tx,
  stored: readonly StoredTable[],
  orgIds: readonly string[] | null,
): AsyncGenerator<TableRows> {
  for (const table of stored) {
    const parts = table.tenants && orgIds !== null ? orgIds : [null]
    yield { table: table.name, columns: [...table.columns], rows: each(tx, table, parts) }
  }
}

async function* each(tx: Tx, table: StoredTable, orgIds: readonly (string | null)[]): AsyncGenerator<Buffer> {
  for (const orgId of orgIds) yield* snapshotRepository.rows(tx, table, orgId)
}

const contentsOf = (
  { madeAt, systemIdentifier, migrations }: BackupHeader,
  tables: readonly BackupTableEnd[],
): BackupContents => ({ madeAt, systemIdentifier, schema: migrations.at(-1)?.name ?? '', tables })

/** So that the new name survives a power loss. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Reads a backup to its end without changing anything. @throws BackupFileError if it is none, or not whole */
export async function checkBackup(file: string, migrations: readonly Migration[]): Promise<BackupContents> {
  const tables: BackupTableEnd[] = []
  const header = await readParts(file, async (part) => {
    if (part.kind === 'tableEnd') tables.push(part.end)
  })
  // Behind the end: before it nobody knows whether the names are those that were written.
  refuseForeign(header.migrations, migrations, 'the backup')
  return contentsOf(header, tables)
}

/** Tells of each part in its order. @returns the header, when everything was right to the end */
async function readParts(file: string, onPart: (part: BackupPart) => Promise<void>): Promise<BackupHeader> {
  const source = createReadStream(file)
  const contents = createZstdDecompress()
  // Not by `pipeline`: what is wrong is told with the place, which the reader alone knows.
  source.once('error', (error) => contents.destroy(error))
  let header: BackupHeader | null = null
  try {
    for await (const part of readBackup(source.pipe(contents))) {
      if (part.kind === 'header') header = part.header
      await onPart(part)
    }
  } finally {
    source.destroy()
    contents.destroy()
  }
  if (header === null) throw new BackupFileError('the file is empty')
  return header
}

/**
 * Puts a backup in the place of what the database holds, in one transaction: the schema as it was, the rows, and then the
 * newer migrations. The file should have been checked: one that is damaged is found here as well, and changes nothing.
 * @throws if there is something and it may not go, if a control plane runs on it, or if the file is not whole
 */
export function restoreBackup(owner: OwnerSql, { file, migrations, replace }: RestoreOptions): Promise<Restored> {
  return owner.begin(async (tx) => {
    await holdMigrations(tx)
    const running = await restoreRepository.running(tx)
    if (running > 0)
      throw new Error(`a control plane is connected to the database (${running} connections): stop it first`)
    const there = await restoreRepository.installation(tx)
    const replaced = there !== null && there.organisations + there.requests + there.keys > 0 ? there : null
    if (replaced !== null && !replace)
      throw new Error(
        `there is an installation already, which would be gone: ${describe(replaced)}. Say --replace if it may go; nothing was changed`,
      )
    await restoreRepository.drop(tx)
    const tables: BackupTableEnd[] = []
    const header = await load(tx, file, migrations, (end) => tables.push(end))
    await finish(tx, header, migrations)
    return { ...contentsOf(header, tables), replaced }
  })
}

/** The schema as it was, and its rows. */
async function load(
  tx: Tx,
  file: string,
  migrations: readonly Migration[],
  onTable: (end: BackupTableEnd) => void,
): Promise<BackupHeader> {
  let rows: Awaited<ReturnType<typeof restoreRepository.beginRows>> | null = null
  const put = async (part: BackupPart): Promise<void> => {
    switch (part.kind) {
      case 'header':
        return makeSchema(tx, part.header, migrations)
      case 'table':
        rows = await restoreRepository.beginRows(tx, part.table.table, part.table.columns)
        return
      case 'rows':
        return rows?.write(part.block)
      case 'tableEnd': {
        const count = await rows?.end()
        if (count !== part.end.rows)
          throw new Error(`the table ${part.end.table} has ${count} rows of ${part.end.rows}: nothing was changed`)
        return onTable(part.end)
      }
    }
  }
  const giveUp = (): void => rows?.giveUp()
  return readParts(file, put).catch((error) => {
    giveUp()
    throw error
  })
}

async function makeSchema(tx: Tx, header: BackupHeader, migrations: readonly Migration[]): Promise<void> {
  refuseForeign(header.migrations, migrations, 'the backup')
  await migrateWithin(tx, migrations, header.migrations.length)
  for (const partition of header.partitions) await restoreRepository.makePartition(tx, partition)
  await restoreRepository.empty(tx, header.tables)
  await restoreRepository.liftSecurity(tx)
}

async function finish(tx: Tx, { sequences }: BackupHeader, migrations: readonly Migration[]): Promise<void> {
  for (const sequence of sequences) await restoreRepository.setSequence(tx, sequence)
  await restoreRepository.bindSecurity(tx)
  await migrateWithin(tx, migrations, migrations.length)
  await restoreRepository.liftSecurity(tx)
  await afterRestore(tx)
  await restoreRepository.bindSecurity(tx)
}

/** An installation in few words. */
const describe = ({ organisations, requests, lastRequestAt, keys }: Installation): string =>
  `${organisations} ${organisations === 1 ? 'organisation' : 'organisations'}, ${keys} keys, ${requests} requests${lastRequestAt === null ? '' : `, the last of ${lastRequestAt}`}`
