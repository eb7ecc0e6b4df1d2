import type { DatabaseSync } from 'node:sqlite'
import {
  type Counter,
  counterKey,
  type Holder,
  type LedgerLease,
  minUsd,
  NANO_USD_MAX,
  type NanoUsd,
  nanoUsd,
  periodOf,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { GrantedLease, KnownPeriod } from './lease-source.ts'

/** The local ledger's tables: its only SQL. */
export interface LedgerTables {
  /** Runs the work in one transaction that is on disk when it returns. */
  transaction<T>(work: () => T): T
  leasesOf(counter: Counter): readonly LeaseRow[]
  saveLease(counter: Counter, holder: Holder, lease: LedgerLease, state: LeaseRow['state']): void
  /** The active leases of a holder. */
  activeLeases(holder: Holder): readonly GrantedLease[]
  /** The generation of an instance; 0 if it was never here. */
  generationOf(instanceId: string): number
  /** The one holder that leases are granted to, if there ever was one. */
  currentHolder(): Holder | null
  /** Makes this the one holder that leases are granted to: all others are fenced. */
  setHolder(holder: Holder): void
  /** The newest period of those that are cut alike. */
  newestPeriod(budgetUid: string, spec: string): string | null
  /** Every counter of a budget, or of one subject of it, that has leases. */
  countersOf(budgetUid: string, subject?: string): readonly Counter[]
  /** Drops the closed and fenced leases of a counter. */
  dropEnded(counter: Counter): void
  /** Notes that a budget is in a new period. */
  beginPeriod(budgetUid: string, spec: string, periodId: string): void
  periods(): readonly KnownPeriod[]
  /** The period in which a budget's subject was last granted money, of whatever kind. */
  lastPeriod(counter: Counter): string | null
  setLastPeriod(counter: Counter): void
  /** Forgets the last periods that ended before. */
  dropLastPeriodsBefore(budgetUid: string, atMs: number): void
  /** Notes what a budget's subject spent on a UTC day, `YYYY-MM-DD`. */
  addSpend(counter: Counter, day: string, amount: NanoUsd): void
  /** What it spent from a day on, in every kind of period. */
  spendSince(counter: Counter, day: string): NanoUsd
  dropSpendBefore(budgetUid: string, day: string): void
  /** Stamps what was spent on a counter with a rolling window: in a bucket that ends then, ms since the epoch. */
  addBucket(counter: Counter, endsAtMs: number, amount: NanoUsd): void
  /** Takes the buckets out that ended by then. @returns the sum of all that ever were */
  age(counter: Counter, throughMs: number): NanoUsd
  /** Forgets the buckets of a counter. */
  dropBuckets(counter: Counter): void
}

/** A lease and whose it is. */
export interface LeaseRow {
  readonly holder: Holder
  readonly lease: LedgerLease
  readonly state: 'active' | 'closed' | 'fenced'
}

type Row = Readonly<Record<string, unknown>>

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS leases (
    counter TEXT NOT NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL,
    granted INTEGER NOT NULL, returned INTEGER NOT NULL, settled INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (counter, instance, generation)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS holders (
    instance TEXT PRIMARY KEY, generation INTEGER NOT NULL, current INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS periods (
    budget_uid TEXT NOT NULL, kind TEXT NOT NULL, period_id TEXT NOT NULL, PRIMARY KEY (budget_uid, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS last_periods (
    budget_uid TEXT NOT NULL, subject TEXT NOT NULL, period_id TEXT NOT NULL, PRIMARY KEY (budget_uid, subject)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS spend (
    budget_uid TEXT NOT NULL, subject TEXT NOT NULL, day TEXT NOT NULL, nano INTEGER NOT NULL,
    PRIMARY KEY (budget_uid, subject, day)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS buckets (
    counter TEXT NOT NULL, ends_at INTEGER NOT NULL, nano INTEGER NOT NULL, PRIMARY KEY (counter, ends_at)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS aged (
    counter TEXT PRIMARY KEY, nano INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`

/** Prepares the tables of an open database; they are made where they are missing. */
export function ledgerTables(db: DatabaseSync): LedgerTables {
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL')
  db.exec(SCHEMA)
  const ofCounter = db.prepare('SELECT * FROM leases WHERE counter = ?')
  const ofHolder = db.prepare("SELECT * FROM leases WHERE instance = ? AND generation = ? AND state = 'active'")
  const upsertLease = db.prepare(`
    INSERT INTO leases (counter, instance, generation, granted, returned, settled, state) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET granted = excluded.granted, returned = excluded.returned, settled = excluded.settled, state = excluded.state`)
  const generation = db.prepare('SELECT generation FROM holders WHERE instance = ?')
  const current = db.prepare('SELECT instance, generation FROM holders WHERE current = 1')
  const noHolder = db.prepare('UPDATE holders SET current = 0')
  const upsertHolder = db.prepare(
    'INSERT INTO holders VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET generation = excluded.generation, current = 1',
  )
  const fence = db.prepare(
    "UPDATE leases SET state = 'fenced' WHERE state = 'active' AND NOT (instance = ? AND generation = ?)",
  )
  const newest = db.prepare('SELECT period_id FROM periods WHERE budget_uid = ? AND kind = ?')
  const upsertPeriod = db.prepare(
    'INSERT INTO periods VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET period_id = excluded.period_id',
  )
  // The separator of a counter's key is U+001F: what follows it sorts below U+0020.
  const countersOf = db.prepare("SELECT DISTINCT counter FROM leases WHERE counter > ? || x'1f' AND counter < ? || ' '")
  const dropEnded = db.prepare("DELETE FROM leases WHERE counter = ? AND state <> 'active'")
  const last = db.prepare('SELECT period_id FROM last_periods WHERE budget_uid = ? AND subject = ?')
  const lasts = db.prepare('SELECT subject, period_id FROM last_periods WHERE budget_uid = ?')
  const upsertLast = db.prepare(
    'INSERT INTO last_periods VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET period_id = excluded.period_id',
  )
  const dropLast = db.prepare('DELETE FROM last_periods WHERE budget_uid = ? AND subject = ?')
  const upsertSpend = db.prepare(
    'INSERT INTO spend VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET nano = min(nano, 9223372036854775807 - excluded.nano) + excluded.nano',
  )
  const spendSince = db.prepare('SELECT nano FROM spend WHERE budget_uid = ? AND subject = ? AND day >= ?')
  const dropSpend = db.prepare('DELETE FROM spend WHERE budget_uid = ? AND day < ?')
  const upsertBucket = db.prepare(
    'INSERT INTO buckets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET nano = min(nano, 9223372036854775807 - excluded.nano) + excluded.nano',
  )
  const oldBuckets = db.prepare('DELETE FROM buckets WHERE counter = ? AND ends_at <= ? RETURNING nano')
  const aged = db.prepare('SELECT nano FROM aged WHERE counter = ?')
  const upsertAged = db.prepare('INSERT INTO aged VALUES (?, ?) ON CONFLICT DO UPDATE SET nano = excluded.nano')
  const dropBuckets = db.prepare('DELETE FROM buckets WHERE counter = ?')
  const dropAged = db.prepare('DELETE FROM aged WHERE counter = ?')

  return {
    transaction: (work) => {
      db.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        db.exec('COMMIT')
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    },
    leasesOf: (counter) => ofCounter.all(counterKey(counter)).map(leaseRow),
    saveLease: (counter, { instanceId, generation }, { granted, returned, settled }, state) =>
      upsertLease.run(counterKey(counter), instanceId, generation, granted, returned, settled, state),
    activeLeases: ({ instanceId, generation }) =>
      ofHolder.all(instanceId, generation).map((row) => ({ key: String(row.counter), ...leaseRow(row).lease })),
    currentHolder: () => {
      const row = current.get()
      return row ? holderOf(row) : null
    },
    generationOf: (instanceId) => Number(generation.get(instanceId)?.generation ?? 0),
    setHolder: (holder) => {
      fence.run(holder.instanceId, holder.generation)
      noHolder.run()
      upsertHolder.run(holder.instanceId, holder.generation)
    },
    countersOf: (budgetUid, subject) => {
      const prefix = subject === undefined ? budgetUid : `${budgetUid}${SEPARATOR}${subject}`
      return countersOf.all(prefix, prefix).map(({ counter }) => {
        const [, name = '', periodId = ''] = String(counter).split(SEPARATOR)
        return { budgetUid, subject: name, periodId }
      })
    },
    dropEnded: (counter) => dropEnded.run(counterKey(counter)),
    newestPeriod: (budgetUid, spec) => textOf(newest.get(budgetUid, spec)?.period_id),
    beginPeriod: (budgetUid, spec, periodId) => upsertPeriod.run(budgetUid, spec, periodId),
    periods: () =>
      db
        .prepare('SELECT budget_uid, period_id FROM periods')
        .all()
        .map((row) => ({ budgetUid: String(row.budget_uid), periodId: String(row.period_id) })),
    lastPeriod: ({ budgetUid, subject }) => textOf(last.get(budgetUid, subject)?.period_id),
    setLastPeriod: ({ budgetUid, subject, periodId }) => upsertLast.run(budgetUid, subject, periodId),
    dropLastPeriodsBefore: (budgetUid, atMs) => {
      for (const { subject, period_id } of lasts.all(budgetUid))
        if (periodOf(String(period_id)).endsAtMs < atMs) dropLast.run(budgetUid, String(subject))
    },
    addSpend: ({ budgetUid, subject }, day, amount) => upsertSpend.run(budgetUid, subject, day, amount),
    spendSince: ({ budgetUid, subject }, day) =>
      spendSince.all(budgetUid, subject, day).reduce((sum, { nano }) => nanoUsd(sum + amountOf(nano)), ZERO_USD),
    dropSpendBefore: (budgetUid, day) => dropSpend.run(budgetUid, day),
    addBucket: (counter, endsAtMs, amount) => upsertBucket.run(counterKey(counter), endsAtMs, amount),
    age: (counter, throughMs) => {
      const key = counterKey(counter)
      const before = amountOf(aged.get(key)?.nano)
      const left = oldBuckets.all(key, throughMs)
      if (left.length === 0) return before
      const sum = left.reduce((total, { nano }) => minUsd(NANO_USD_MAX, nanoUsd(total + amountOf(nano))), before)
      upsertAged.run(key, sum)
      return sum
    },
    dropBuckets: (counter) => {
      dropBuckets.run(counterKey(counter))
      dropAged.run(counterKey(counter))
    },
  }
}

const SEPARATOR = '\u001f'

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const amountOf = (value: unknown): NanoUsd => nanoUsd(typeof value === 'bigint' ? value : 0n)

const holderOf = (row: Row): Holder => ({ instanceId: String(row.instance), generation: Number(row.generation) })

function leaseRow(row: Row): LeaseRow {
  return {
    holder: holderOf(row),
    lease: {
      granted: amountOf(row.granted),
      returned: amountOf(row.returned),
      settled: amountOf(row.settled),
      released: ZERO_USD,
    },
    state: row.state === 'active' ? 'active' : row.state === 'closed' ? 'closed' : 'fenced',
  }
}
