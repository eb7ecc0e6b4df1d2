import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Counter, counterKey, type NanoUsd, nanoUsd, periodOf, type UsageEvent } from '@agentcostcontrol/contract'
import { Account } from '../budget/account.ts'
import type { HeldLease } from '../budget/lease-source.ts'
import { createGroupLog, GROUP_SCHEMA, type StoredIntent } from './group-log.ts'
import { openSound } from './sound-file.ts'

/**
 * The outbox's file: intents, events and leases of one sidecar. Written by the main thread alone, with
 * synchronous=NORMAL: what is committed survives the process; a power loss may take the last commits, which the boot id
 * tells (H7).
 */
export interface OutboxDb {
  readonly meta: OutboxMeta
  /** Leases of one generation as they stand on disk. */
  leases(generation: number): readonly Account[]
  /** Leases of every generation. */
  heldLeases(): readonly HeldLease[]
  intents(): readonly StoredIntent[]
  insertIntent(intent: StoredIntent): void
  deleteIntent(seq: number): void
  insertEvent(event: UsageEvent): void
  saveLease(account: Account): void
  deleteLease(lease: Pick<Account, 'key' | 'generation'>): void
  setMeta(key: keyof OutboxMeta, value: string): void
  /**
   * Rolls the oldest events up into the spend of their day and deletes them, but none of the group `before` or behind it;
   * the number of events that went.
   */
  prune(limit: number, before?: number): number
  /** How many events are kept, from a group on. */
  countEvents(first?: number): number
  begin(): void
  commit(): void
  rollback(): void
  /** Does the work in one transaction that is safe from a power loss when this returns, and all before it with it. */
  durably(work: () => void): void
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
  /** The number of the last event that the control plane has stored; 0 for none. */
  readonly uploaded: string
  /** The epoch of the control plane's ledger that was last heard of; 0 for a ledger of its own. */
  readonly ledgerEpoch: string
}

const SCHEMA_VERSION = 4n
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE leases (
    counter TEXT NOT NULL, generation INTEGER NOT NULL, budget_uid TEXT NOT NULL, budget_name TEXT NOT NULL,
    subject TEXT NOT NULL, period_id TEXT NOT NULL, budget_limit INTEGER NOT NULL,
    granted INTEGER NOT NULL, returned INTEGER NOT NULL, charged INTEGER NOT NULL, believed_until INTEGER NOT NULL,
    PRIMARY KEY (counter, generation)
  ) STRICT, WITHOUT ROWID;
  ${GROUP_SCHEMA}
  PRAGMA user_version = ${SCHEMA_VERSION}`

/**
 * Opens the file, or makes it. A file that is damaged is kept aside and told of.
 * @param fresh what a new file knows
 * @throws if it cannot be opened for any other reason, such as a full disk or a newer schema: it stays as it is then
 */
export function openOutboxDb(
  dataDir: string,
  fresh: Pick<OutboxMeta, 'instance' | 'boot'>,
  onDamaged: (keptAs: string, reason: string) => void,
  nowMs: number,
): OutboxDb {
  const file = join(dataDir, 'outbox.sqlite')
  return openSound(file, (db) => wrap(db, fresh), onDamaged, nowMs)
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
    throw new Error(
      `the outbox is of version ${version}, and this sidecar knows ${SCHEMA_VERSION}: run the one that wrote it`,
    )

  const setMeta = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  const saveLease = db.prepare(`
    INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET budget_limit = excluded.budget_limit, granted = excluded.granted,
      returned = excluded.returned, charged = excluded.charged, believed_until = excluded.believed_until`)
  const deleteLease = db.prepare('DELETE FROM leases WHERE counter = ? AND generation = ?')
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const groups = createGroupLog(db)

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
      uploaded: meta.uploaded ?? '0',
      ledgerEpoch: meta.ledgerEpoch ?? '0',
    },
    leases: (generation) => db.prepare('SELECT * FROM leases WHERE generation = ?').all(generation).map(accountOf),
    heldLeases: () => db.prepare('SELECT * FROM leases').all().map(heldLeaseOf),
    intents: groups.intents,
    insertIntent: groups.open,
    deleteIntent: groups.end,
    insertEvent: groups.tell,
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
        account.isAhead ? 0 : Math.floor(Math.max(account.storedUntilWallMs, account.believedUntilWallMs)),
      )
    },
    deleteLease: ({ key, generation }) => deleteLease.run(key, generation),
    setMeta: (key, value) => setMeta.run(key, value),
    prune: groups.prune,
    countEvents: groups.countEvents,
    begin: () => begin.run(),
    commit: () => {
      groups.write()
      commit.run()
      groups.written()
    },
    rollback: () => {
      groups.forget()
      if (db.isTransaction) db.exec('ROLLBACK')
    },
    durably: (work) => {
      // With FULL a commit waits until the WAL is on the disk; the checkpoint after it puts the same into the file itself.
      db.exec('PRAGMA synchronous=FULL')
      try {
        begin.run()
        work()
        groups.write()
        commit.run()
        groups.written()
        db.exec('PRAGMA wal_checkpoint(FULL)')
      } finally {
        groups.forget()
        if (db.isTransaction) db.exec('ROLLBACK')
        db.exec('PRAGMA synchronous=NORMAL')
      }
    },
    bytes: () =>
      Number(
        db.prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()').get()
          ?.bytes ?? 0,
      ),
    close: () => db.close(),
  }
}

type Row = Readonly<Record<string, unknown>>

const amountOf = (value: unknown): NanoUsd => nanoUsd(typeof value === 'bigint' ? value : 0n)

function heldLeaseOf(row: Row): HeldLease {
  const counter: Counter = {
    budgetUid: String(row.budget_uid),
    subject: String(row.subject),
    periodId: String(row.period_id),
  }
  return {
    key: counterKey(counter),
    counter,
    generation: Number(row.generation),
    granted: amountOf(row.granted),
    returned: amountOf(row.returned),
    charged: amountOf(row.charged),
  }
}

function accountOf(row: Row): Account {
  const { counter, generation, granted, returned, charged } = heldLeaseOf(row)
  const period = periodOf(counter.periodId)
  const account = new Account(counter, generation, String(row.budget_name), period, amountOf(row.budget_limit))
  account.granted = granted
  account.returned = account.durableReturned = returned
  account.charged = account.durableCharged = charged
  account.storedUntilWallMs = Number(row.believed_until)
  return account
}
