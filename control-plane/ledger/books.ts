import {
  type Counter,
  committedOf,
  counterKey,
  type LedgerLease,
  openOf,
  overrunOf,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { readPeriod } from './figures.ts'
import { periodRepository } from './period-repository.ts'
import { ledgerRepository } from './repository.ts'
import type { CounterRow, LeaseKey, LeaseRow, LiveRow, LockedRows, StoredLease } from './rows.ts'

/** What is looked at, and what for. */
export interface BooksOptions {
  /** Whether counters are made of budgets that nobody published: where something is booked that happened. */
  readonly unknownToo: boolean
  /** Counters that somebody asks about: what they hold is told, and what left a rolling window is taken out of it. */
  readonly asked?: readonly Counter[]
}

/**
 * Some counters of an organisation, locked until the end of the transaction, and leases on them. What is put is written
 * by {@link Books.write} at once, and the counters' sums move with it: nobody else writes either.
 */
export class Books {
  readonly #counters: ReadonlyMap<string, CounterRow>
  readonly #stored = new Map<string, StoredLease>()
  readonly #put = new Map<string, LeaseRow>()
  /** What was put, by counter: a message names a thousand. */
  readonly #putOn = new Map<string, Set<string>>()
  /** As it was stored. */
  readonly #live: ReadonlyMap<string, LiveRow>

  private constructor({ counters, leases, live }: LockedRows, aged: ReadonlyMap<string, bigint>) {
    this.#counters = new Map(
      counters.map((row) => {
        const key = counterKey(row.counter)
        return [key, { ...row, aged: aged.get(key) ?? row.aged }]
      }),
    )
    this.#live = new Map(live.map((row) => [row.key, row]))
    for (const lease of leases) this.#stored.set(leaseKey(lease), lease)
  }

  /** Locks the counters of these leases in the order of their keys (C1), and reads the leases. */
  static async open(tx: Tx, keys: readonly LeaseKey[], { unknownToo, asked = [] }: BooksOptions): Promise<Books> {
    const counters = distinct(keys.map(({ counter }) => counter))
    const live = distinct(asked)
    const rows = await ledgerRepository.lock(tx, counters, keys, live, 'all')
    if (rows.counters.length === counters.length) return new Books(rows, await age(tx, live))
    // No counter is locked yet: who makes some waits for others that do.
    await ledgerRepository.holdBudgets(tx, 'share')
    await ledgerRepository.makeCounters(tx, counters, unknownToo)
    const made = await ledgerRepository.lock(tx, counters, keys, live, 'those there are')
    return new Books(made, await age(tx, live))
  }

  /** A counter as it is stored; `null` where there is none. */
  counter(counter: Counter): CounterRow | null {
    return this.#counters.get(counterKey(counter)) ?? null
  }

  /** A lease as it stands now; `null` where there is none. */
  lease(key: LeaseKey): LeaseRow | null {
    return this.#put.get(leaseKey(key)) ?? this.#stored.get(leaseKey(key)) ?? null
  }

  /** Settled and escrow of every lease of a counter but this one. */
  committedBeside(key: LeaseKey): bigint {
    const own = leaseKey(key)
    const of = counterKey(key.counter)
    const counter = this.counter(key.counter)
    let committed = (counter?.settled ?? 0n) + (counter?.escrow ?? 0n) - this.#committed(own)
    for (const id of this.#putOn.get(of) ?? [])
      if (id !== own) committed += committedOf(this.#put.get(id)?.lease ?? NO_LEASE) - this.#committed(id)
    return committed
  }

  /** What the live leases of a counter hold, but this one. */
  liveBeside(key: LeaseKey): { readonly holders: number; readonly unspent: bigint } {
    const own = leaseKey(key)
    const of = counterKey(key.counter)
    let { holders, unspent } = this.#live.get(of) ?? NOBODY
    for (const id of new Set([own, ...(this.#putOn.get(of) ?? [])])) {
      const before = this.#stored.get(id)
      const stored = before?.isLive ? unspentOf(before) : 0n
      // What is put is written as a lease that holds from now on.
      const put = id === own ? undefined : this.#put.get(id)
      const now = put?.state === 'active' ? unspentOf(put) : 0n
      holders += Number(now > 0n) - Number(stored > 0n)
      unspent += now - stored
    }
    return { holders: Math.max(0, holders), unspent: unspent > 0n ? unspent : 0n }
  }

  /** Open in leases of a counter that ended without a word (C4). */
  unreported(counter: Counter): bigint {
    return this.#live.get(counterKey(counter))?.unreported ?? 0n
  }

  /** What a lease takes as it is stored. */
  #committed(id: string): bigint {
    return committedOf(this.#stored.get(id)?.lease ?? NO_LEASE)
  }

  /** Takes in a lease of another holder, as it is stored. */
  meet(row: StoredLease): void {
    this.#stored.set(leaseKey(row), row)
  }

  put(row: LeaseRow): void {
    const [id, of] = [leaseKey(row), counterKey(row.counter)]
    this.#put.set(id, row)
    this.#putOn.set(of, (this.#putOn.get(of) ?? new Set()).add(id))
  }

  /** Writes what was put. @param ttlMs how long the leases hold from now on */
  async write(tx: Tx, ttlMs: number): Promise<void> {
    const rows = [...this.#put.values()]
    if (rows.length === 0) return
    const changes = new Map<string, { counter: Counter; settled: bigint; escrow: bigint; overrun: bigint }>()
    for (const row of rows) {
      const before = this.#stored.get(leaseKey(row))?.lease ?? NO_LEASE
      const key = counterKey(row.counter)
      const change = changes.get(key) ?? { counter: row.counter, settled: 0n, escrow: 0n, overrun: 0n }
      change.settled += row.lease.settled - before.settled
      change.escrow += openOf(row.lease) - openOf(before)
      change.overrun += overrunOf(row.lease) - overrunOf(before)
      changes.set(key, change)
    }
    await Promise.all([
      ledgerRepository.saveLeases(tx, rows, ttlMs),
      ledgerRepository.saveCounters(tx, [...changes.values()]),
    ])
  }
}

/** A lease that was never granted anything. */
export const NO_LEASE: LedgerLease = { granted: ZERO_USD, returned: ZERO_USD, settled: ZERO_USD, released: ZERO_USD }

/** A lease that is about to be granted something, or charged. */
export const newLease = (counter: Counter, instanceId: string, generation: number): LeaseRow => ({
  counter,
  instanceId,
  generation,
  lease: NO_LEASE,
  charged: 0n,
  state: 'active',
})

const NOBODY = { holders: 0, unspent: 0n } as const

function age(tx: Tx, counters: readonly Counter[]): Promise<ReadonlyMap<string, bigint>> {
  const rolling = counters.flatMap((counter) => {
    const windowMs = readPeriod(counter.periodId)?.windowMs ?? null
    return windowMs === null ? [] : [{ counter, windowMs }]
  })
  return rolling.length === 0 ? Promise.resolve(new Map()) : periodRepository.age(tx, rolling)
}

/** Money of a lease that is set aside and, as far as is known, not spent. */
function unspentOf({ lease: { granted, returned, settled, released }, charged }: LeaseRow): bigint {
  const unspent = granted - returned - (settled > charged ? settled : charged) - released
  return unspent > 0n ? unspent : 0n
}

const distinct = (counters: readonly Counter[]): readonly Counter[] => [
  ...new Map(counters.map((counter) => [counterKey(counter), counter])).values(),
]

const leaseKey = ({ counter, instanceId, generation }: LeaseKey): string =>
  `${counterKey(counter)}\u001f${instanceId}\u001f${generation}`
