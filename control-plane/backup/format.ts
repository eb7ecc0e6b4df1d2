/**
 * The file of a backup: lines of JSON, and between them the rows of each table in PostgreSQL's own text format, all of it
 * in one zstd stream. `zstd -dc FILE` shows it.
 *
 * ```
 * agentcostcontrol backup
 * {"format":1, …}                                       header
 * {"table":"keys","columns":["org_id", …]}              for each table
 * 65536 1a2b3c4d                                        bytes of the block that follows, and its CRC-32
 * …
 * 0 00000000
 * {"table":"keys","rows":3,"bytes":412,"sha256":"…"}
 * {"end":true,"sha256":"…"}                             of everything before this line
 * ```
 */
import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import * as z from 'zod'

const MAGIC = 'agentcostcontrol backup\n'
/** Raised by a change that an older program could not read. */
const FORMAT = 1
/** Rows are gathered into blocks of about this size; no block is larger than twice as much. */
const BLOCK_BYTES = 256 * 1024
const LINE_BYTES_MAX = 16 * 1024 * 1024
const NEWLINE = 10

const identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/)
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const whole = z.int().min(0)
/** The only bound that partitions of ours have; it becomes a part of a statement. */
const bound = z.string().regex(/^FOR VALUES FROM \('[\d :+-]+'\) TO \('[\d :+-]+'\)$/)

/** What stands before the tables. */
export const headerSchema = z.strictObject({
  format: z.literal(FORMAT, { error: 'the backup is of another format than this program knows' }),
  madeAt: z.iso.datetime().describe('by the clock of the database: the moment that the backup shows'),
  systemIdentifier: z.string().describe('of the PostgreSQL that it was made of'),
  migrations: z.array(z.strictObject({ number: z.int().min(1), name: z.string(), checksum: digest })).min(1),
  partitions: z.array(z.strictObject({ name: identifier, of: identifier, bound })),
  sequences: z.array(z.strictObject({ name: identifier, value: z.string().regex(/^-?\d+$/), called: z.boolean() })),
  tables: z.array(identifier).describe('in the order in which they follow: a table behind those that it refers to'),
})

const tableSchema = z.strictObject({ table: identifier, columns: z.array(identifier).min(1) })
const tableEndSchema = z.strictObject({ table: identifier, rows: whole, bytes: whole, sha256: digest })
const endSchema = z.strictObject({ end: z.literal(true), sha256: digest })

/** What stands before the tables. */
export type BackupHeader = z.infer<typeof headerSchema>
/** A table whose rows follow. */
export type BackupTable = z.infer<typeof tableSchema>
/** What was read or written of a table. */
export type BackupTableEnd = z.infer<typeof tableEndSchema>

/** A part of a backup, checked as far as it goes. */
export type BackupPart =
  | { readonly kind: 'header'; readonly header: BackupHeader }
  | { readonly kind: 'table'; readonly table: BackupTable }
  /** Whole or half rows of the table. */
  | { readonly kind: 'rows'; readonly block: Buffer }
  | { readonly kind: 'tableEnd'; readonly end: BackupTableEnd }

/** The file is no backup, or it was cut or changed; the message says where. */
export class BackupFileError extends Error {
  override readonly name = 'BackupFileError'
}

/** A table with its rows, in pieces of PostgreSQL's text format. */
export interface TableRows extends BackupTable {
  readonly rows: AsyncIterable<Buffer>
}

/** The bytes of a backup before they are compressed. @param onTable told of each table that is written */
export async function* writeBackup(
  header: BackupHeader,
  tables: AsyncIterable<TableRows>,
  onTable: (end: BackupTableEnd) => void,
): AsyncGenerator<Buffer> {
  const whole = createHash('sha256')
  const hashed = (bytes: Buffer): Buffer => {
    whole.update(bytes)
    return bytes
  }
  yield hashed(Buffer.from(MAGIC))
  yield hashed(line(header))
  for await (const { table, columns, rows } of tables) {
    yield hashed(line({ table, columns }))
    const sums = createSums()
    for await (const block of inBlocks(rows)) {
      sums.add(block)
      yield hashed(Buffer.from(`${block.length} ${hex(block)}\n`))
      yield hashed(block)
    }
    yield hashed(Buffer.from('0 00000000\n'))
    const end = sums.end(table)
    yield hashed(line(end))
    onTable(end)
  }
  yield line({ end: true, sha256: whole.digest('hex') })
}

const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`)
const hex = (block: Buffer): string => crc32(block).toString(16).padStart(8, '0')

function createSums() {
  const hash = createHash('sha256')
  let [rows, bytes] = [0, 0]
  return {
    rows: () => rows,
    add: (block: Buffer): void => {
      hash.update(block)
      bytes += block.length
      // No row holds a newline: the text format escapes them.
      for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) rows++
    },
    end: (table: string): BackupTableEnd => ({ table, rows, bytes, sha256: hash.digest('hex') }),
  }
}

/** Gathers small pieces and cuts large ones. */
async function* inBlocks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = []
  let bytes = 0
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      const part = piece.subarray(at, at + BLOCK_BYTES)
      gathered.push(part)
      bytes += part.length
      if (bytes < BLOCK_BYTES) continue
      yield Buffer.concat(gathered)
      gathered = []
      bytes = 0
    }
  }
  if (bytes > 0) yield Buffer.concat(gathered)
}

/**
 * Reads a backup from its uncompressed bytes and checks it as it goes; what comes out last was followed by a right end.
 * @throws BackupFileError at the first byte that is wrong or missing
 */
export async function* readBackup(source: AsyncIterable<Buffer>): AsyncGenerator<BackupPart> {
  const bytes = createByteReader(source)
  let place = 'at its beginning'
  try {
    if (!(await bytes.take(MAGIC.length)).equals(Buffer.from(MAGIC)))
      throw new BackupFileError('the file is not a backup of a control plane')
    const header = parse(headerSchema, await bytes.line())
    yield { kind: 'header', header }
    for (const name of header.tables) {
      place = `in the table ${name}`
      const table = parse(tableSchema, await bytes.line())
      if (table.table !== name) throw new Broken(`the table ${table.table} stands here`)
      yield { kind: 'table', table }
      const sums = createSums()
      for (;;) {
        const [, length = '', sum = ''] = /^(\d{1,7}) ([0-9a-f]{8})$/.exec(await bytes.line()) ?? []
        if (length === '') throw new Broken('no block begins here')
        if (Number(length) === 0) break
        const block = await bytes.take(Number(length))
        if (hex(block) !== sum) throw new Broken('the bytes of this block were changed')
        sums.add(block)
        place = `in the table ${name}, behind row ${sums.rows()}`
        yield { kind: 'rows', block }
      }
      const end = parse(tableEndSchema, await bytes.line())
      const read = sums.end(name)
      if (JSON.stringify(end) !== JSON.stringify(read)) throw new Broken('its rows are not those that were written')
      yield { kind: 'tableEnd', end }
    }
    place = 'at its end'
    const sha256 = bytes.digest()
    if (parse(endSchema, await bytes.line()).sha256 !== sha256) throw new Broken('its checksum is another')
    if (await bytes.more()) throw new Broken('something stands behind its end')
  } catch (error) {
    throw told(error, place, bytes.position())
  }
}

/** What is wrong at a place that the reader knows. */
class Broken extends Error {}

function told(error: unknown, place: string, position: number): unknown {
  if (error instanceof BackupFileError) return error
  const ours = error instanceof Broken || error instanceof z.ZodError || error instanceof SyntaxError
  // What the decompressor says: a file that was cut or changed.
  const damaged = error instanceof Error && 'code' in error && /^(ZSTD_|Z_|ERR_ZSTD|ERR_ZLIB)/.test(String(error.code))
  if (!ours && !damaged) return error
  if (position === 0) return new BackupFileError('the file is not a backup of a control plane', { cause: error })
  const reason = error instanceof z.ZodError ? z.prettifyError(error) : error.message
  return new BackupFileError(`the backup is damaged ${place} (byte ${position} of its contents): ${reason}`, {
    cause: error,
  })
}

const parse = <T>(schema: z.ZodType<T>, text: string): T => schema.parse(JSON.parse(text))

/** Lines and counted bytes out of chunks of any size. */
function createByteReader(source: AsyncIterable<Buffer>) {
  const chunks = source[Symbol.asyncIterator]()
  let hash: Hash | null = createHash('sha256')
  let held: Buffer = Buffer.alloc(0)
  let position = 0

  async function pull(): Promise<boolean> {
    const { value, done } = await chunks.next()
    if (done) return false
    held = held.length === 0 ? value : Buffer.concat([held, value])
    return true
  }

  function cut(length: number): Buffer {
    const taken = held.subarray(0, length)
    held = held.subarray(length)
    position += length
    hash?.update(taken)
    return taken
  }

  return {
    position: () => position,
    take: async (length: number): Promise<Buffer> => {
      if (length > 2 * BLOCK_BYTES) throw new Broken('a block is larger than any that is written')
      while (held.length < length) if (!(await pull())) throw new Broken('the file ends here')
      return cut(length)
    },
    /** Without its end. */
    line: async (): Promise<string> => {
      let searched = 0
      for (;;) {
        const at = held.indexOf(NEWLINE, searched)
        if (at !== -1) return cut(at + 1).toString('utf8', 0, at)
        if (held.length > LINE_BYTES_MAX) throw new Broken('a line is longer than any that is written')
        searched = held.length
        if (!(await pull())) throw new Broken('the file ends here')
      }
    },
    more: async (): Promise<boolean> => held.length > 0 || (await pull()),
    /** Of everything so far; nothing is added to it any more. */
    digest: (): string => {
      const sum = hash?.digest('hex') ?? ''
      hash = null
      return sum
    },
  }
}
