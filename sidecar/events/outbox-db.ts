import { closeSync, existsSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Counter, type NanoUsd, nanoUsd, type UsageEvent, ZERO_USD } from '@agentcostcontrol/contract'
import { Account } from '../budget/holder.ts'
import { periodOf } from '../budget/periods.ts'
import { decodeEvent, encodeEvent } from './event-codec.ts'
import { type EventRow, eventRow } from './event-row.ts'

/**
 * The outbox's file: intents, events and leases of one sidecar. Written by the main thread alone, with
 * synchronous=NORMAL: what is committed survives the process; a power loss may take the last commits, which the boot id
 * tells (H7).
 */
export interface OutboxDb {
  readonly meta: OutboxMeta
  /** Leases of the current generation as they stand on disk. */
  leases(generation: number): readonly Account[]
  intents(): readonly StoredIntent[]
  insertIntent(intent: StoredIntent): void
  deleteIntent(seq: number): void
  insertEvent(event: UsageEvent): void
  saveLease(account: Account): void
  setMeta(key: keyof OutboxMeta, value: string): void
  /** Rolls the oldest events up into the spend of their day and deletes them; the number of events that went. */
  prune(limit: number): number
  countEvents(): number
  begin(): void
  commit(): void
  rollback(): void
  /** Makes what was committed durable against power loss. */
  sync(): void
  /** Bytes in use, the WAL left out. */
  bytes(): number
  close(): void
}

/** What the file knows of itself. */
export interface OutboxMeta {
  readonly instance: string
  readonly generation: string
  /** The kernel's boot id at the last start, and whether it was closed in order since. */
  readonly boot: string
  readonly clean: string
}

/** An intent on disk: what is told and charged if nothing more is heard. */
export interface StoredIntent {
  readonly seq: number
  /** The keys of the counters that it was reserved from. */
  readonly holds: readonly string[]
  readonly bound: NanoUsd
  readonly event: UsageEvent
}

const SCHEMA_VERSION = 1n
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE leases (
    counter TEXT NOT NULL, generation INTEGER NOT NULL, budget_uid TEXT NOT NULL, budget_name TEXT NOT NULL,
    subject TEXT NOT NULL, period_id TEXT NOT NULL, budget_limit INTEGER NOT NULL,
    granted INTEGER NOT NULL, returned INTEGER NOT NULL, charged INTEGER NOT NULL,
    PRIMARY KEY (counter, generation)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE intents (seq INTEGER PRIMARY KEY, holds TEXT NOT NULL, bound INTEGER NOT NULL, event TEXT NOT NULL) STRICT;
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY, day TEXT NOT NULL, agent TEXT NOT NULL, workflow TEXT NOT NULL, provider TEXT NOT NULL,
    model TEXT NOT NULL, precision TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, charged INTEGER NOT NULL, event TEXT NOT NULL
  ) STRICT;
  CREATE TABLE spend_daily (
    day TEXT NOT NULL, agent TEXT NOT NULL, workflow TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    precision TEXT NOT NULL, requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, charged INTEGER NOT NULL,
    PRIMARY KEY (day, agent, workflow, provider, model, precision)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION}`

/** Thrown when another process holds the folder. */
export class OutboxLockedError extends Error {
  override readonly name = 'OutboxLockedError'
}

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
    throw new OutboxLockedError(`another sidecar is using the data folder ${dataDir}: give each its own ACC_DATA_DIR`, {
      cause,
    })
  }
  return { release: () => db.close() }
}

/** Opens the file, or makes it. A file that is damaged is kept aside and told of. @param fresh what a new file knows */
export function openOutboxDb(
  dataDir: string,
  fresh: Pick<OutboxMeta, 'instance' | 'boot'>,
  onDamaged: (keptAs: string, reason: string) => void,
  nowMs: number,
): OutboxDb {
  const file = join(dataDir, 'outbox.sqlite')
  try {
    return openFile(file, fresh)
  } catch (error) {
    if (!existsSync(file)) throw error
    const keptAs = `${file}.damaged-${nowMs}`
    renameSync(file, keptAs)
    for (const extra of ['-wal', '-shm']) if (existsSync(file + extra)) renameSync(file + extra, keptAs + extra)
    onDamaged(keptAs, error instanceof Error ? error.message : String(error))
    return openFile(file, fresh)
  }
}

function openFile(file: string, fresh: Pick<OutboxMeta, 'instance' | 'boot'>): OutboxDb {
  const db = new DatabaseSync(file, { readBigInts: true })
  try {
    return wrap(db, fresh)
  } catch (error) {
    db.close()
    throw error
  }
}

function wrap(db: DatabaseSync, fresh: Pick<OutboxMeta, 'instance' | 'boot'>): OutboxDb {
  db.exec(
    'PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA busy_timeout=2000',
  )
  const version = db.prepare('PRAGMA user_version').get()?.user_version
  if (version === 0n) {
    db.exec('BEGIN')
    db.exec(SCHEMA)
    const set = db.prepare('INSERT INTO meta VALUES (?, ?)')
    for (const [key, value] of Object.entries({ ...fresh, generation: '1', clean: '1' })) set.run(key, value)
    db.exec('COMMIT')
  } else if (version !== SCHEMA_VERSION)
    throw new Error(`its schema is version ${version}, this sidecar knows ${SCHEMA_VERSION}`)
  const check = db.prepare('PRAGMA quick_check(1)').get()
  if (check?.quick_check !== 'ok') throw new Error(`it is damaged: ${String(check?.quick_check)}`)

  const setMeta = db.prepare('UPDATE meta SET value = ? WHERE key = ?')
  const insertIntent = db.prepare('INSERT INTO intents VALUES (?, ?, ?, ?)')
  const deleteIntent = db.prepare('DELETE FROM intents WHERE seq = ?')
  const insertEvent = db.prepare('INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const saveLease = db.prepare(`
    INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET budget_limit = excluded.budget_limit, granted = excluded.granted,
      returned = excluded.returned, charged = excluded.charged`)
  const oldest = db.prepare(
    'SELECT max(seq) AS last, count(*) AS count FROM (SELECT seq FROM events ORDER BY seq LIMIT ?)',
  )
  const rollUp = db.prepare(`
    INSERT INTO spend_daily
    SELECT day, agent, workflow, provider, model, precision, count(*), sum(input_tokens), sum(output_tokens), sum(cost), sum(charged)
    FROM events WHERE seq <= ? GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, input_tokens = input_tokens + excluded.input_tokens,
      output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost, charged = charged + excluded.charged`)
  const deleteEvents = db.prepare('DELETE FROM events WHERE seq <= ?')
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')

  const meta = Object.fromEntries(
    db
      .prepare('SELECT key, value FROM meta')
      .all()
      .map((row) => [String(row.key), String(row.value)]),
  )
  return {
    meta: {
      instance: meta.instance ?? '',
      generation: meta.generation ?? '',
      boot: meta.boot ?? '',
      clean: meta.clean ?? '',
    },
    leases: (generation) => db.prepare('SELECT * FROM leases WHERE generation = ?').all(generation).map(accountOf),
    intents: () => db.prepare('SELECT * FROM intents ORDER BY seq').all().map(intentOf),
    insertIntent: (intent) =>
      insertIntent.run(intent.seq, JSON.stringify(intent.holds), intent.bound, encodeEvent(intent.event)),
    deleteIntent: (seq) => deleteIntent.run(seq),
    insertEvent: (event) => insertEvent.run(...columns(eventRow(event)), encodeEvent(event)),
    saveLease: (account) => {
      const { counter, key, generation, budgetName, limit, granted, returned, charged } = account
      saveLease.run(
        key,
        generation,
        counter.budgetUid,
        budgetName,
        counter.subject,
        counter.periodId,
        limit,
        granted,
        returned,
        charged,
      )
    },
    setMeta: (key, value) => setMeta.run(value, key),
    prune: (limit) => {
      const row = oldest.get(limit)
      const count = Number(row?.count ?? 0)
      const last = row?.last
      if (count === 0 || typeof last !== 'bigint') return 0
      rollUp.run(last)
      deleteEvents.run(last)
      return count
    },
    countEvents: () => Number(db.prepare('SELECT count(*) AS count FROM events').get()?.count ?? 0),
    begin: () => begin.run(),
    commit: () => commit.run(),
    rollback: () => {
      if (db.isTransaction) db.exec('ROLLBACK')
    },
    sync: () => db.exec('PRAGMA wal_checkpoint(FULL)'),
    bytes: () =>
      Number(
        db.prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()').get()
          ?.bytes ?? 0,
      ),
    close: () => db.close(),
  }
}

const columns = (row: EventRow) =>
  [
    row.day,
    row.agent,
    row.workflow,
    row.provider,
    row.model,
    row.precision,
    row.inputTokens,
    row.outputTokens,
    row.cost,
    row.charged,
  ] as const

function accountOf(row: Readonly<Record<string, unknown>>): Account {
  const counter: Counter = {
    budgetUid: String(row.budget_uid),
    subject: String(row.subject),
    periodId: String(row.period_id),
  }
  const amount = (name: string) => nanoUsd(typeof row[name] === 'bigint' ? row[name] : ZERO_USD)
  const account = new Account(
    counter,
    Number(row.generation),
    String(row.budget_name),
    periodOf(counter.periodId),
    amount('budget_limit'),
  )
  account.granted = amount('granted')
  account.returned = account.durableReturned = amount('returned')
  account.charged = account.durableCharged = amount('charged')
  return account
}

function intentOf(row: Readonly<Record<string, unknown>>): StoredIntent {
  const holds: readonly string[] = JSON.parse(String(row.holds))
  const bound = nanoUsd(typeof row.bound === 'bigint' ? row.bound : ZERO_USD)
  return { seq: Number(row.seq), holds, bound, event: decodeEvent(String(row.event)) }
}

/** Space that is given up when the disk is full, so that what was sent can still be settled. */
export interface Ballast {
  readonly held: boolean
  release(): void
  /** Takes the space again; false while there is none. */
  acquire(): boolean
}

const BALLAST_BYTES = 8 * 1024 * 1024

/** The ballast of a data folder. */
export function createBallast(dataDir: string): Ballast {
  const file = join(dataDir, 'outbox.ballast')
  let held = false
  return {
    get held() {
      return held
    },
    release: () => {
      rmSync(file, { force: true })
      held = false
    },
    acquire: () => {
      try {
        const handle = openSync(file, 'w')
        try {
          const zeros = Buffer.alloc(1024 * 1024)
          for (let at = 0; at < BALLAST_BYTES; at += zeros.length) {
            if (writeSync(handle, zeros) < zeros.length) throw new Error('no space')
          }
        } finally {
          closeSync(handle)
        }
        held = true
      } catch {
        rmSync(file, { force: true })
        held = false
      }
      return held
    },
  }
}
