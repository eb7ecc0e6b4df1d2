import type { DatabaseSync } from 'node:sqlite'
import {
  counterState,
  grant,
  type Holder,
  type LeaseSyncItem,
  type LeaseSyncResult,
  type LedgerLease,
  maxUsd,
  type NanoUsd,
  nanoUsd,
  openOf,
  periodOf,
  withCharged,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { Clock } from '../clock.ts'
import { type HeldLease, type Hello, StaleHolderError, type Welcome } from './lease-source.ts'
import { agedOf, bookSpend, dropEnded, enter, isPast, NO_LEASE } from './ledger-periods.ts'
import { type LeaseRow, type LedgerTables, ledgerTables } from './ledger-tables.ts'

/**
 * The ledger of a sidecar that stands alone: grants leases to the one holder beside it. Runs in the storage worker;
 * every answer is on disk (synchronous=FULL) before it is given.
 */
export interface LocalLedger {
  hello(hello: Hello): Welcome
  /** @throws StaleHolderError */
  sync(holder: Holder, items: readonly LeaseSyncItem[]): readonly LeaseSyncResult[]
  close(): void
}

/** A lease of the local ledger holds until its period ends; the time only bounds how long an answer is believed. */
const LEASE_TTL_MS = 3_600_000
const RETRY_AFTER_MS = 200

/** The ledger in an open database. */
export const createLocalLedger = (db: DatabaseSync, clock: Pick<Clock, 'nowMs'>): LocalLedger =>
  ledgerOn(ledgerTables(db), clock, () => db.close())

function ledgerOn(tables: LedgerTables, clock: Pick<Clock, 'nowMs'>, close: () => void): LocalLedger {
  let current = tables.currentHolder()

  function answer(holder: Holder, item: LeaseSyncItem): LeaseSyncResult {
    const { counter } = item
    const nowMs = clock.nowMs()
    const endsInMs = Math.max(0, periodOf(counter.periodId).endsAtMs - nowMs)
    const ttlMs = Math.min(LEASE_TTL_MS, endsInMs)
    const terms = { counter, ttlMs, retryAfterMs: RETRY_AFTER_MS }
    const nothing = {
      ...terms,
      granted: item.granted,
      verdict: 'exhausted',
      available: ZERO_USD,
      spent: ZERO_USD,
    } as const
    const asks = item.need > 0n || item.want > 0n
    if (asks && !enter(tables, counter, nowMs)) return nothing
    const aged = agedOf(tables, counter, nowMs)
    const rows = tables.leasesOf(counter)
    const own = rows.find((row) => isOf(row, holder))
    // A closed lease grants nothing more: who still asks for it has lost what it knew of it.
    if (own ? own.state !== 'active' : item.close) return nothing
    const before = own?.lease ?? NO_LEASE
    const beside = rows.filter((row) => row !== own)
    const others = beside.map((row) => ({ ...row.lease, live: false }))
    const { lease, verdict, available } = grant(
      item,
      withCharged({ ...before, granted: maxUsd(before.granted, item.granted) }, item.charged),
      counterState(nanoUsd(item.limit + aged), others),
    )
    tables.saveLease(counter, holder, lease, item.close ? 'closed' : 'active')
    bookSpend(tables, counter, nowMs, before, lease)
    if (item.close && isPast(tables, counter)) dropEnded(tables, counter, nowMs)
    return {
      ...terms,
      granted: lease.granted,
      verdict,
      available,
      spent: nanoUsd(spentOf(lease, beside) - aged),
    }
  }

  return {
    hello: (hello) =>
      tables.transaction(() => {
        const trusted = isTrusted(tables, hello)
        for (const held of hello.leases) adopt(tables, hello, held, trusted, clock.nowMs())
        const known = Math.max(hello.generation, tables.generationOf(hello.instanceId))
        const generation = trusted ? hello.generation : known + 1
        current = { instanceId: hello.instanceId, generation }
        tables.setHolder(current)
        return {
          generation,
          continuity: trusted ? 'same' : 'broken',
          ledgerEpoch: 0,
          leases: tables.activeLeases(current),
          periods: tables.periods(),
        }
      }),
    sync: (holder, items) => {
      if (holder.instanceId !== current?.instanceId || holder.generation !== current.generation)
        throw new StaleHolderError(`leases are not granted to generation ${holder.generation} of ${holder.instanceId}`)
      return tables.transaction(() => items.map((item) => answer(holder, item)))
    },
    close,
  }
}

/** Settled, and open in leases that ended (C4). */
const spentOf = ({ settled }: LedgerLease, others: readonly LeaseRow[]): NanoUsd =>
  nanoUsd(
    others.reduce(
      (sum, { lease, state }) => sum + lease.settled + (state === 'active' ? 0n : openOf(lease)),
      BigInt(settled),
    ),
  )

const isOf = ({ holder }: LeaseRow, { instanceId, generation }: Holder): boolean =>
  holder.instanceId === instanceId && holder.generation === generation

/** A holder that knows less than it once told has lost state, whatever it says. */
function isTrusted(tables: LedgerTables, { instanceId, generation, continuity, leases }: Hello): boolean {
  if (continuity === 'broken' || generation < tables.generationOf(instanceId)) return false
  const held = new Map(leases.filter((lease) => lease.generation === generation).map((lease) => [lease.key, lease]))
  return tables.activeLeases({ instanceId, generation }).every(({ key, returned, settled }) => {
    const own = held.get(key)
    return own !== undefined && own.returned >= returned && own.charged >= settled
  })
}

/**
 * Takes over what the holder knows and this ledger does not: it may have been restored from a copy, or lost. Returns are
 * taken from a holder whose state is sound, and where there is nothing better.
 */
function adopt(
  tables: LedgerTables,
  { instanceId, generation }: Hello,
  held: HeldLease,
  trusted: boolean,
  nowMs: number,
): void {
  const { counter } = held
  const holder: Holder = { instanceId, generation: held.generation }
  const row = tables.leasesOf(counter).find((each) => isOf(each, holder))
  if (!row && isPast(tables, counter)) return
  const known = row?.lease ?? NO_LEASE
  const takesReturns = !row || (trusted && held.generation === generation)
  const lease: LedgerLease = {
    granted: maxUsd(known.granted, held.granted),
    settled: maxUsd(known.settled, held.charged),
    returned: takesReturns ? maxUsd(known.returned, held.returned) : known.returned,
    released: ZERO_USD,
  }
  tables.saveLease(counter, holder, lease, row?.state ?? 'active')
  bookSpend(tables, counter, nowMs, known, lease)
}
