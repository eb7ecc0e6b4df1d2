import postgres, { type Sql, type TransactionSql } from 'postgres'

/** A transaction of one organisation. Amounts come and go as bigint. */
export type Tx = TransactionSql<{ bigint: bigint }>

/** A connection's worth of SQL, outside any organisation. */
export type OwnerSql = Sql<{ bigint: bigint }>

/** The database of a control plane. */
export interface Database {
  /**
   * Work of one organisation in one transaction: as the role whom row-level security binds, with the organisation set
   * until its end.
   */
  inOrg<T>(orgId: string, work: (tx: Tx) => Promise<T>): Promise<T>
  /** The same role without an organisation: it sees no tenant's row. */
  inNone<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The role whom row-level security binds. It cannot log in: the user of `DATABASE_URL` takes it on. */
export const ROLE = 'agentcost'

const RECONNECT_S_MAX = 1
const CLOSE_TIMEOUT_S = 5

/** What else a pool is told; `onnotify` is how postgres.js itself listens, and is missing in its types. */
interface Hooks {
  onclose?(): void
  onnotify?(channel: string, payload: string): void
}

const connect = (
  url: string,
  connections: number,
  role: string | null,
  hooks: Hooks = {},
  settings: Readonly<Record<string, string | number>> = {},
): OwnerSql =>
  postgres(url, {
    max: connections,
    connect_timeout: 5,
    backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, RECONNECT_S_MAX),
    onnotice: () => {},
    ...hooks,
    types: { bigint: postgres.BigInt },
    connection: {
      application_name: 'agentcostcontrol',
      search_path: 'acc',
      TimeZone: 'UTC',
      client_min_messages: 'warning',
      statement_timeout: 30_000,
      idle_in_transaction_session_timeout: 60_000,
      ...(role === null ? {} : { role }),
      ...settings,
    },
  })

/** Connects as the owner of the tables: for migrations and partitions alone. */
export const connectAsOwner = (url: string): OwnerSql => connect(url, 2, null)

/** The same for a program that runs once and for as long as it takes; by its name it is told from a control plane. */
export const connectAsTool = (url: string): OwnerSql =>
  connect(
    url,
    2,
    null,
    {},
    { application_name: 'agentcostcontrol-tool', statement_timeout: 0, idle_in_transaction_session_timeout: 0 },
  )

/** One connection that hears notifications, for as long as it holds: it is told when it ends, and another one is made. */
export const connectToHear = (url: string, hooks: Required<Hooks>): OwnerSql => connect(url, 1, ROLE, hooks)

/**
 * Whether an error is one that postgres.js throws where nobody can catch it, and on which nothing hangs: out of a timer
 * when a connection ends inside a transaction (porsager/postgres#1154), which was told already; or of what it asks by
 * itself on each new connection, the types of arrays, when that ends meanwhile and is made again.
 */
export const isDriversOwn = (error: Error): boolean =>
  error instanceof TypeError
    ? /nextWrite \(.*postgres.src.connection\.js/.test(error.stack ?? '')
    : 'query' in error && String(error.query).includes('from pg_catalog.pg_type a')

/** What is to be done when a transaction is committed. */
const COMMITTED = new WeakMap<Tx, (() => void)[]>()

/**
 * Does something once a transaction is committed, and never if it is not. It must not throw.
 * @param tx as {@link Database} gave it: of a savepoint nothing is remembered
 */
export const afterCommit = (tx: Tx, work: () => void): void => void COMMITTED.get(tx)?.push(work)

/** Connects as {@link ROLE}. */
export function openDatabase(url: string, connectionsMax: number): Database {
  let closing = false
  /** What a connection that ended had not sent spoils its next use: all of them are made anew, and the others finish. */
  const open = (): OwnerSql => {
    const onclose = (): void => {
      if (closing || pool !== sql) return
      sql = open()
      pool.end({ timeout: CLOSE_TIMEOUT_S }).catch(() => {})
    }
    const pool = connect(url, connectionsMax, ROLE, { onclose })
    return pool
  }
  let sql = open()
  const inNone: Database['inNone'] = async (work) => {
    const results: Awaited<ReturnType<typeof work>>[] = []
    const afterwards: (() => void)[] = []
    await sql.begin(async (tx) => {
      COMMITTED.set(tx, afterwards)
      results.push(await work(tx))
    })
    for (const each of afterwards) each()
    for (const result of results) return result
    throw new Error('a transaction ended without a result')
  }
  return {
    inNone,
    inOrg: (orgId, work) =>
      inNone(async (tx) => {
        // Sent first, and not waited for: what the work asks is behind it on the same connection.
        const set = tx`SELECT set_config('acc.org_id', ${orgId}, true)`.execute()
        const [result] = await Promise.all([work(tx), set])
        return result
      }),
    close: () => {
      closing = true
      return sql.end({ timeout: CLOSE_TIMEOUT_S })
    },
  }
}
