import type { DatabaseSync } from 'node:sqlite'
import {
  type Counter,
  counterState,
  grant,
  type Holder,
  isLater,
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
const NO_LEASE: LedgerLease = { granted: ZERO_USD, returned: ZERO_USD, settled: ZERO_USD, released: ZERO_USD }
/** Stands as the holder of what a counter opened with when its budget's kind of period was edited. */
const OPENING: Holder = { instanceId: '', generation: 0 }

/** What a budget spent by day is kept for so long: the longest period with an end, and the week before it. */
const SPEND_KEPT_MS = 40 * 86_400_000

/** The ledger in an open database. */
export const createLocalLedger = (db: DatabaseSync, clock: Pick<Clock, 'nowMs'>): LocalLedger =>
  ledgerOn(ledgerTables(db), clock, () => db.close())

function ledgerOn(tables: LedgerTables, clock: Pick<Clock, 'nowMs'>, close: () => void): LocalLedger {
  let current = tables.currentHolder()
  const today = (): string => dayOf(clock.nowMs())

  function answer(holder: Holder, item: LeaseSyncItem): LeaseSyncResult {
    const { counter } = item
    const terms = { counter, ttlMs: LEASE_TTL_MS, periodEndsInMs: null, retryAfterMs: RETRY_AFTER_MS }
    const nothing = {
      ...terms,
      granted: item.granted,
      verdict: 'exhausted',
      available: ZERO_USD,
      spent: ZERO_USD,
    } as const
    const asks = item.need > 0n || item.want > 0n
    if (asks && !enter(tables, counter, clock.nowMs())) return nothing
    const rows = tables.leasesOf(counter)
    const own = rows.find((row) => isOf(row, holder))
    // A closed lease grants nothing more: who still asks for it has lost what it knew of it.
    if (own ? own.state !== 'active' : item.close) return nothing
    const before = own?.lease ?? NO_LEASE
    const others = rows.filter((row) => row !== own).map((row) => ({ ...row.lease, live: false }))
    const { lease, verdict, available } = grant(
      item,
      withCharged({ ...before, granted: maxUsd(before.granted, item.granted) }, item.charged),
      counterState(item.limit, others),
    )
    tables.saveLease(counter, holder, lease, item.close ? 'closed' : 'active')
    bookSpend(tables, counter, today(), before, lease)
    if (item.close && isPast(tables, counter)) dropEnded(tables, counter, today())
    return {
      ...terms,
      granted: lease.granted,
      verdict,
      available,
      spent: spentOf(
        lease,
        rows.filter((row) => row !== own),
      ),
    }
  }

  return {
    hello: (hello) =>
      tables.transaction(() => {
        const trusted = isTrusted(tables, hello)
        for (const held of hello.leases) adopt(tables, hello, held, trusted, today())
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
  today: string,
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
  bookSpend(tables, counter, today, known, lease)
}

function bookSpend(tables: LedgerTables, counter: Counter, day: string, before: LedgerLease, after: LedgerLease): void {
  const spent = nanoUsd(after.settled - before.settled)
  if (spent > 0n) tables.addSpend(counter, day, spent)
}

const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

function isPast(tables: LedgerTables, { budgetUid, periodId }: Counter): boolean {
  const period = periodOf(periodId)
  const newest = tables.newestPeriod(budgetUid, period.spec)
  return newest !== null && isLater(periodOf(newest), period)
}

/** Notes that money is asked of the counter. @returns false if its period is over, since periods never go back */
function enter(tables: LedgerTables, counter: Counter, nowMs: number): boolean {
  if (isPast(tables, counter)) return false
  const { budgetUid, periodId } = counter
  const period = periodOf(periodId)
  if (tables.newestPeriod(budgetUid, period.spec) !== periodId) {
    tables.beginPeriod(budgetUid, period.spec, periodId)
    for (const each of tables.countersOf(budgetUid)) if (isPast(tables, each)) dropEnded(tables, each, dayOf(nowMs))
    tables.dropSpendBefore(budgetUid, dayOf(nowMs - SPEND_KEPT_MS))
    tables.dropLastPeriodsBefore(budgetUid, nowMs - SPEND_KEPT_MS)
  }
  const last = tables.lastPeriod(counter)
  if (last === periodId) return true
  tables.setLastPeriod(counter)
  if (last !== null && periodOf(last).spec !== period.spec) carryOver(tables, counter)
  return true
}

/** Drops leases of a period that is over. Open money that nobody accounted for counts as spent. */
function dropEnded(tables: LedgerTables, counter: Counter, today: string): void {
  const ended = tables.leasesOf(counter).filter(({ state }) => state !== 'active')
  const unreported = ended.reduce((sum, { lease }) => sum + openOf(lease), 0n)
  if (unreported > 0n) tables.addSpend(counter, today, nanoUsd(unreported))
  tables.dropEnded(counter)
}

/**
 * The kind of a budget's period was edited: the new counter opens at what was spent in its period so far, and with the
 * escrow of the old ones, since running requests are still going to be charged there.
 */
function carryOver(tables: LedgerTables, to: Counter): void {
  const { budgetUid, subject, periodId } = to
  const { startsAtMs } = periodOf(periodId)
  const spent = tables.spendSince(to, Number.isFinite(startsAtMs) ? dayOf(startsAtMs) : '')
  const escrow = tables
    .countersOf(budgetUid, subject)
    .filter((counter) => counter.periodId !== periodId)
    .flatMap((counter) => tables.leasesOf(counter))
    .reduce((sum, { lease }) => sum + openOf(lease), 0n)
  const rows = tables.leasesOf(to)
  const lacking = spent + escrow - rows.reduce((sum, { lease }) => sum + lease.settled, 0n)
  if (lacking <= 0n) return
  const opening = rows.find((row) => isOf(row, OPENING))?.lease ?? NO_LEASE
  tables.saveLease(to, OPENING, { ...opening, settled: nanoUsd(opening.settled + lacking) }, 'fenced')
}
