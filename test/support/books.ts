import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { UsageEvent } from '@agentcostcontrol/contract'
import { openIntents } from '../../sidecar/events/group-log.ts'
import { readEvents } from './sidecar.ts'

/** A lease as the holder's file or the ledger's file has it; amounts in nano-USD. */
export interface BookedLease {
  /** Name or uid of the budget, subject and period. */
  readonly counter: string
  readonly instance: string
  readonly generation: number
  readonly granted: bigint
  readonly returned: bigint
  /** `charged` of the holder, `settled` of the ledger. */
  readonly spent: bigint
  readonly state: string
}

/** Everything that the files of a data folder say about money. */
export interface Books {
  readonly events: readonly UsageEvent[]
  readonly openIntents: number
  readonly holder: readonly BookedLease[]
  readonly ledger: readonly BookedLease[]
}

/** Reads the files of a data folder. */
export function readBooks(dataDir: string): Books {
  const rows = (file: string, sql: string): readonly Readonly<Record<string, unknown>>[] => {
    // Where a control plane grants leases there is no ledger beside the outbox.
    if (!existsSync(join(dataDir, file))) return []
    const db = new DatabaseSync(join(dataDir, file), { readOnly: true, readBigInts: true })
    try {
      return db.prepare(sql).all()
    } finally {
      db.close()
    }
  }
  return {
    events: readEvents(dataDir),
    openIntents: countOpenIntents(dataDir),
    holder: rows(
      'outbox.sqlite',
      `SELECT budget_name || '/' || subject || '/' || period_id AS counter, '' AS instance, generation, granted, returned,
        charged AS spent, '' AS state FROM leases`,
    ).map(leaseOf),
    ledger: rows(
      'ledger.sqlite',
      `SELECT replace(counter, char(31), '/') AS counter, instance, generation, granted, returned, settled AS spent, state
        FROM leases`,
    ).map(leaseOf),
  }
}

function countOpenIntents(dataDir: string): number {
  const db = new DatabaseSync(join(dataDir, 'outbox.sqlite'), { readOnly: true })
  try {
    return openIntents(db).length
  } finally {
    db.close()
  }
}

const leaseOf = (row: Readonly<Record<string, unknown>>): BookedLease => {
  const amount = (name: string): bigint => (typeof row[name] === 'bigint' ? row[name] : 0n)
  return {
    counter: String(row.counter).replace(/^Budget\//, ''),
    instance: String(row.instance),
    generation: Number(row.generation),
    granted: amount('granted'),
    returned: amount('returned'),
    spent: amount('spent'),
    state: String(row.state),
  }
}

/** What the events charged, by counter. */
function chargesOf(events: readonly UsageEvent[]): ReadonlyMap<string, bigint> {
  const charges = new Map<string, bigint>()
  for (const event of events)
    for (const { budgetUid, subject, periodId, nanoUsd } of event.charges) {
      const counter = `${budgetUid.replace(/^Budget\//, '')}/${subject}/${periodId}`
      charges.set(counter, (charges.get(counter) ?? 0n) + BigInt(nanoUsd))
    }
  return charges
}

/**
 * Everything that is wrong in the books of a sidecar that was closed in order: an open intent, an event told twice, a
 * lease that was charged something else than its events say, money that did not come back. Empty when they balance.
 */
export function faultsOf(books: Books): readonly string[] {
  const faults: string[] = []
  if (books.openIntents > 0) faults.push(`${books.openIntents} open intents`)
  const ids = new Set(books.events.map(({ eventId }) => eventId))
  if (ids.size < books.events.length) faults.push(`${books.events.length - ids.size} events told twice`)
  const charges = chargesOf(books.events)
  for (const [name, leases] of Object.entries({ holder: books.holder, ledger: books.ledger })) {
    for (const counter of new Set([...charges.keys(), ...leases.map((lease) => lease.counter)])) {
      const own = leases.filter((lease) => lease.counter === counter)
      const spent = own.reduce((sum, lease) => sum + lease.spent, 0n)
      if (spent !== (charges.get(counter) ?? 0n))
        faults.push(`${name}: ${counter} was charged ${spent}, its events say ${charges.get(counter) ?? 0n}`)
    }
    for (const { counter, granted, returned, spent } of leases) {
      if (granted - returned - spent > 0n)
        faults.push(`${name}: ${granted - returned - spent} of ${counter} did not come back`)
    }
  }
  return faults
}
