import type { OwnerSql, Tx } from '../db/database.ts'
import type { BackupHeader } from './format.ts'

/** A table as a backup sees it. */
export interface StoredTable {
  readonly name: string
  readonly columns: readonly string[]
  /** Whether its rows belong to organisations. */
  readonly tenants: boolean
}

/** What stands in an installation, in few words. */
export interface Installation {
  readonly organisations: number
  readonly requests: number
  /** RFC 3339 UTC; `null` where there is none. */
  readonly lastRequestAt: string | null
  readonly keys: number
}

/** How long the list of organisations is waited for, while another transaction holds it. */
const LOCK_WAIT = '5s'
/** The name of the connections of running control planes. */
const RUNNING = 'agentcostcontrol'

/** SQLSTATE of a statement in a transaction that an earlier one has ended. */
const ABORTED = '25P02'

/** What a backup reads of a database, in its one snapshot. */
export const snapshotRepository = {
  /** Must be the first that is read: the snapshot begins here. */
  about: async (tx: Tx): Promise<Omit<BackupHeader, 'format' | 'tables'>> => {
    const migrations = await tx<{ number: number; name: string; checksum: string }[]>`
      SELECT number, name, checksum FROM acc.schema_migrations ORDER BY number`
    const [about] = await tx<{ madeAt: string; systemIdentifier: string }[]>`
      SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "madeAt",
        (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier"`
    const partitions = await tx<{ name: string; of: string; bound: string }[]>`
      SELECT c.relname AS name, p.relname AS of, pg_get_expr(c.relpartbound, c.oid) AS bound
      FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid JOIN pg_class AS p ON p.oid = i.inhparent
      WHERE c.relnamespace = 'acc'::regnamespace AND c.relispartition
        AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' ORDER BY 1`
    const names = await tx<{ name: string }[]>`
      SELECT relname AS name FROM pg_class WHERE relnamespace = 'acc'::regnamespace AND relkind = 'S' ORDER BY 1`
    const sequences = []
    for (const { name } of names) {
      const [at] = await tx<{ value: string; called: boolean }[]>`
        SELECT last_value::text AS value, is_called AS called FROM ${tx(`acc.${name}`)}`
      if (at !== undefined) sequences.push({ name, ...at })
    }
    if (about === undefined) throw new Error('the database does not tell of itself')
    return { ...about, migrations: [...migrations], partitions: [...partitions], sequences }
  },
  /** Every table, each behind those that it refers to; locked against changes of their columns until the end. */
  tables: async (tx: Tx): Promise<readonly StoredTable[]> => {
    const tables = await tx<(StoredTable & { readonly refersTo: readonly string[] })[]>`
      SELECT relname AS name, relrowsecurity AS tenants,
        (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
        ARRAY(SELECT confrelid::regclass::text FROM pg_constraint
          WHERE conrelid = c.oid AND contype = 'f' AND confrelid <> c.oid AND conparentid = 0) AS "refersTo"
      FROM pg_class AS c
      WHERE relnamespace = 'acc'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname <> 'schema_migrations' ORDER BY 1`
    const sorted: StoredTable[] = []
    const left = new Map(tables.map((table) => [table.name, table]))
    while (left.size > 0) {
      const [next] = [...left.values()].filter(({ refersTo }) => !refersTo.some((name) => left.has(bare(name))))
      if (next === undefined) throw new Error(`tables refer to each other in a circle: ${[...left.keys()].join(', ')}`)
      left.delete(next.name)
      sorted.push({ name: next.name, columns: next.columns, tenants: next.tenants })
    }
    // The organisations themselves are left out: `organisationsBeside` takes them for a moment.
    for (const { name } of sorted)
      if (name !== 'organisations') await tx`LOCK TABLE ${tx(`acc.${name}`)} IN ACCESS SHARE MODE`
    return sorted
  },
  /** Whether row-level security binds the user: then it sees rows of one organisation at a time. */
  isBound: async (tx: Tx): Promise<boolean> => {
    const [role] = await tx<{ bound: boolean }[]>`
      SELECT NOT (rolsuper OR rolbypassrls) AS bound FROM pg_roles WHERE rolname = current_user`
    return role?.bound ?? true
  },
  /**
   * Every organisation, for an owner whom row-level security binds: it is lifted from their table for a moment, in a
   * transaction that is rolled back.
   */
  organisationsBeside: async (owner: OwnerSql): Promise<readonly string[]> => {
    const found: string[] = []
    class Enough extends Error {}
    try {
      await owner.begin(async (tx) => {
        await tx`SELECT set_config('lock_timeout', ${LOCK_WAIT}, true)`
        await tx`ALTER TABLE acc.organisations NO FORCE ROW LEVEL SECURITY`
        const rows = await tx<{ orgId: string }[]>`SELECT org_id AS "orgId" FROM acc.organisations ORDER BY 1`
        found.push(...rows.map(({ orgId }) => orgId))
        throw new Enough()
      })
    } catch (error) {
      if (!(error instanceof Enough)) throw error
    }
    return found
  },
  /** The rows of a table, or of it those of one organisation, in PostgreSQL's text format. */
  rows: async function* (tx: Tx, { name, columns }: StoredTable, orgId: string | null): AsyncGenerator<Buffer> {
    if (orgId !== null) await tx`SELECT set_config('acc.org_id', ${orgId}, true)`
    const where = orgId === null ? '' : 'WHERE org_id = acc.current_org()'
    const copy = await tx.unsafe(`COPY (SELECT ${list(columns)} FROM acc.${name} ${where}) TO STDOUT`).readable()
    yield* copy
    // postgres.js pauses its socket when the stream is full, and goes on when it is read: if the end came with the rows that
    // filled it, nobody reads it any more, and no answer would ever be heard again.
    copy._read(0)
  },
}

/** What a restore does to a database, in its one transaction. */
export const restoreRepository = {
  /** Other control planes that are connected to the database. */
  running: async (tx: Tx): Promise<number> => {
    const [row] = await tx<{ count: number }[]>`
      SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = ${RUNNING}`
    return row?.count ?? 0
  },
  /** What there is; `null` where there is no schema. @throws if the schema is somebody else's */
  installation: async (tx: Tx): Promise<Installation | null> => {
    const [schema] = await tx<{ there: boolean; ours: boolean }[]>`
      SELECT to_regnamespace('acc') IS NOT NULL AS there, to_regclass('acc.schema_migrations') IS NOT NULL AS ours`
    if (!schema?.there) return null
    if (!schema.ours)
      throw new Error('the database has a schema "acc" that is not of a control plane: nothing was changed')
    await setForced(tx, false)
    const [known] = await tx<{ known: boolean }[]>`SELECT to_regclass('acc.usage_events') IS NOT NULL AS known`
    if (!known?.known) return { organisations: 0, requests: 0, lastRequestAt: null, keys: 0 }
    const [found] = await tx<Installation[]>`
      SELECT (SELECT count(*) FROM acc.organisations)::float8 AS organisations,
        (SELECT count(*) FROM acc.usage_events)::float8 AS requests,
        (SELECT to_char(max(intent_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM acc.usage_events)
          AS "lastRequestAt",
        (SELECT count(*) FROM acc.keys)::float8 AS keys`
    return found ?? null
  },
  drop: async (tx: Tx): Promise<void> => {
    await tx.unsafe('DROP SCHEMA IF EXISTS acc CASCADE')
  },
  makePartition: async (tx: Tx, { name, of, bound }: BackupHeader['partitions'][number]): Promise<void> => {
    await tx.unsafe(`CREATE TABLE IF NOT EXISTS acc.${name} PARTITION OF acc.${of} ${bound}`)
  },
  /** What migrations put into the tables is in the backup too. */
  empty: async (tx: Tx, tables: readonly string[]): Promise<void> => {
    if (tables.length > 0) await tx.unsafe(`TRUNCATE ${tables.map((table) => `acc.${table}`).join(', ')}`)
  },
  setSequence: async (tx: Tx, { name, value, called }: BackupHeader['sequences'][number]): Promise<void> => {
    await tx`SELECT setval(${`acc.${name}`}::regclass, ${value}::bigint, ${called})`
  },
  /** COPY is refused on a table whose row-level security binds its owner too: it is lifted for the transaction alone. */
  liftSecurity: (tx: Tx): Promise<void> => setForced(tx, false),
  bindSecurity: (tx: Tx): Promise<void> => setForced(tx, true),
  /** Begins to write rows into a table. */
  beginRows: async (tx: Tx, table: string, columns: readonly string[]) => {
    const copy = await tx.unsafe(`COPY acc.${table} (${list(columns)}) FROM STDIN`).writable()
    let refusal: Error | null = null
    copy.on('error', (error) => {
      refusal ??= error
    })
    return {
      /** Resolves when the block is on its way. */
      write: async (block: Buffer): Promise<void> => {
        await new Promise<void>((resolve, reject) => {
          copy.write(block, (error) => (error ? reject(refusal ?? error) : resolve()))
        })
        if (refusal !== null) throw refusal
      },
      /** @returns the rows of the whole table; rejects if they were not taken */
      end: async (): Promise<number> => {
        if (refusal !== null || copy.destroyed) throw refusal ?? new Error('the connection to the database ended')
        copy.end()
        const count = tx<{ count: number }[]>`SELECT count(*)::float8 AS count FROM ${tx(`acc.${table}`)}`
        const [row] = await count.catch((error) => {
          if (error.code !== ABORTED) throw error
          throw new Error(`PostgreSQL did not take the rows of the table ${table}`, { cause: error })
        })
        return row?.count ?? 0
      },
      /** The server waits for rows until it is told that there will be none. */
      giveUp: (): void => {
        if (!copy.writableEnded && !copy.destroyed) copy.destroy(new Error('called off'))
      },
    }
  },
}

/** Binds the owner to row-level security on every table that has it, or frees it. */
async function setForced(tx: Tx, forced: boolean): Promise<void> {
  const tables = await tx<{ name: string }[]>`
    SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'acc'::regnamespace AND relrowsecurity AND relforcerowsecurity <> ${forced}`
  for (const { name } of tables)
    await tx.unsafe(`ALTER TABLE acc.${name} ${forced ? '' : 'NO '}FORCE ROW LEVEL SECURITY`)
}

const bare = (name: string): string => name.replace(/^acc\./, '').replaceAll('"', '')
const list = (columns: readonly string[]): string => columns.map((column) => `"${column}"`).join(', ')
