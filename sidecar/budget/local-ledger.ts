import { DatabaseSync } from 'node:sqlite'
import {
  counterKey,
  type Holder,
  type LeaseSyncItem,
  type LeaseSyncResult,
  nanoUsd,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import { grant, type LedgerLease } from './grantor.ts'
import type { GrantedLease, Hello } from './lease-source.ts'

/**
 * The ledger of a sidecar that stands alone: grants leases to the one holder beside it. Runs in the storage worker;
 * every answer is on disk (synchronous=FULL) before it is given.
 */
export interface LocalLedger {
  hello(hello: Hello): { readonly generation: number; readonly leases: readonly GrantedLease[] }
  sync(holder: Holder, items: readonly LeaseSyncItem[]): readonly LeaseSyncResult[]
  close(): void
}

/** A lease of the local ledger holds until its period ends; the time only bounds how long an answer is believed. */
const LEASE_TTL_MS = 3_600_000
const RETRY_AFTER_MS = 200

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS leases (
    counter TEXT NOT NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL,
    granted INTEGER NOT NULL, returned INTEGER NOT NULL, settled INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (counter, instance, generation)
  ) STRICT, WITHOUT ROWID`

const bigintOf = (value: unknown): bigint => (typeof value === 'bigint' ? value : 0n)

const leaseOf = (row: Readonly<Record<string, unknown>>): LedgerLease => ({
  granted: nanoUsd(bigintOf(row.granted)),
  returned: nanoUsd(bigintOf(row.returned)),
  settled: nanoUsd(bigintOf(row.settled)),
})

/** Opens the ledger's file, or makes it. */
export function openLocalLedger(file: string): LocalLedger {
  const db = new DatabaseSync(file, { readBigInts: true })
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL')
  db.exec(SCHEMA)
  const ofCounter = db.prepare('SELECT instance, generation, granted, returned, settled FROM leases WHERE counter = ?')
  const ofHolder = db.prepare(
    "SELECT counter, granted FROM leases WHERE instance = ? AND generation = ? AND state = 'active'",
  )
  const fence = db.prepare("UPDATE leases SET state = 'fenced' WHERE instance = ? AND generation <= ?")
  const fenceOthers = db.prepare("UPDATE leases SET state = 'fenced' WHERE instance <> ?")
  const upsert = db.prepare(`
    INSERT INTO leases (counter, instance, generation, granted, returned, settled, state) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET granted = excluded.granted, returned = excluded.returned, settled = excluded.settled, state = excluded.state`)

  function transaction<T>(work: () => T): T {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }

  function answer(holder: Holder, item: LeaseSyncItem): LeaseSyncResult {
    const key = counterKey(item.counter)
    const rows = ofCounter.all(key)
    const isOwn = (row: Readonly<Record<string, unknown>>): boolean =>
      row.instance === holder.instanceId && row.generation === BigInt(holder.generation)
    const ownRow = rows.find(isOwn)
    const own = ownRow ? leaseOf(ownRow) : { granted: ZERO_USD, returned: ZERO_USD, settled: ZERO_USD }
    const { lease, verdict, available } = grant(item, own, rows.filter((row) => !isOwn(row)).map(leaseOf))
    upsert.run(
      key,
      holder.instanceId,
      holder.generation,
      lease.granted,
      lease.returned,
      lease.settled,
      item.close ? 'closed' : 'active',
    )
    return {
      counter: item.counter,
      granted: lease.granted,
      verdict,
      available,
      ttlMs: LEASE_TTL_MS,
      periodEndsInMs: null,
      retryAfterMs: RETRY_AFTER_MS,
    }
  }

  return {
    hello: ({ instanceId, generation, continuity }) =>
      transaction(() => {
        if (continuity === 'broken') fence.run(instanceId, generation)
        // This ledger has one holder: another instance is one whose outbox is lost. Its open money stands.
        fenceOthers.run(instanceId)
        const current = continuity === 'broken' ? generation + 1 : generation
        const leases = ofHolder
          .all(instanceId, current)
          .map((row) => ({ key: String(row.counter), granted: nanoUsd(bigintOf(row.granted)) }))
        return { generation: current, leases }
      }),
    sync: (holder, items) => transaction(() => items.map((item) => answer(holder, item))),
    close: () => db.close(),
  }
}
