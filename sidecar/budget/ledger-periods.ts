/** How the counters of a local ledger go on from one period to the next, and what counts in a rolling window. */
import {
  type Counter,
  type Holder,
  isLater,
  type LedgerLease,
  type NanoUsd,
  nanoUsd,
  openOf,
  type Period,
  periodOf,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { LedgerTables } from './ledger-tables.ts'

/** A lease that was never granted anything. */
export const NO_LEASE: LedgerLease = { granted: ZERO_USD, returned: ZERO_USD, settled: ZERO_USD, released: ZERO_USD }
/** Stands as the holder of what a counter opened with when its budget's periods were edited. */
const OPENING: Holder = { instanceId: '', generation: 0 }
/** What a budget spent by day is kept for so long: the longest rolling window, and a week. */
const SPEND_KEPT_MS = 100 * 86_400_000
/** A rolling window is cut into so many buckets: what is spent counts for at most one of them longer. */
const BUCKETS = 100

/** Notes by day, and in a rolling window by bucket, what was charged to a lease. */
export function bookSpend(
  tables: LedgerTables,
  counter: Counter,
  nowMs: number,
  before: LedgerLease,
  after: LedgerLease,
): void {
  const spent = nanoUsd(after.settled - before.settled)
  if (spent <= 0n) return
  tables.addSpend(counter, dayOf(nowMs), spent)
  stamp(tables, counter, nowMs, spent)
}

/** What was spent so long ago that it left the counter's rolling window: it raises the limit. */
export function agedOf(tables: LedgerTables, counter: Counter, nowMs: number): NanoUsd {
  const { windowMs } = periodOf(counter.periodId)
  return windowMs === null ? ZERO_USD : tables.age(counter, nowMs - windowMs)
}

function stamp(tables: LedgerTables, counter: Counter, nowMs: number, amount: NanoUsd): void {
  const { windowMs } = periodOf(counter.periodId)
  if (windowMs === null) return
  const bucketMs = Math.ceil(windowMs / BUCKETS)
  tables.addBucket(counter, Math.ceil(nowMs / bucketMs) * bucketMs, amount)
}

const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

/** Whether a budget was in a later period of the same spec already. */
export function isPast(tables: LedgerTables, { budgetUid, periodId }: Counter): boolean {
  const period = periodOf(periodId)
  const newest = tables.newestPeriod(budgetUid, period.spec)
  return newest !== null && isLater(periodOf(newest), period)
}

/** Notes that money is asked of the counter. @returns false if its period is over, since periods never go back */
export function enter(tables: LedgerTables, counter: Counter, nowMs: number): boolean {
  if (isPast(tables, counter)) return false
  const { budgetUid, periodId } = counter
  const period = periodOf(periodId)
  if (tables.newestPeriod(budgetUid, period.spec) !== periodId) {
    tables.beginPeriod(budgetUid, period.spec, periodId)
    for (const each of tables.countersOf(budgetUid)) if (isPast(tables, each)) dropEnded(tables, each, nowMs)
    tables.dropSpendBefore(budgetUid, dayOf(nowMs - SPEND_KEPT_MS))
    tables.dropLastPeriodsBefore(budgetUid, nowMs - SPEND_KEPT_MS)
  }
  const last = tables.lastPeriod(counter)
  if (last === periodId) return true
  tables.setLastPeriod(counter)
  if (last !== null && isEdit(periodOf(last), period)) carryOver(tables, counter, nowMs)
  return true
}

/** Drops leases of a period that is over. Open money that nobody accounted for counts as spent. */
export function dropEnded(tables: LedgerTables, counter: Counter, nowMs: number): void {
  const ended = tables.leasesOf(counter).filter(({ state }) => state !== 'active')
  const unreported = ended.reduce((sum, { lease }) => sum + openOf(lease), 0n)
  if (unreported > 0n) tables.addSpend(counter, dayOf(nowMs), nanoUsd(unreported))
  tables.dropEnded(counter)
  tables.dropBuckets(counter)
}

/** A reset is none: nothing is carried over. */
const isEdit = (last: Period, next: Period): boolean => last.spec !== next.spec && last.resets === next.resets

/**
 * How a budget's periods are cut was edited: the new counter opens at what was spent in its period so far, by whole days
 * of UTC, and with the escrow of the old ones, since running requests are still going to be charged there.
 */
function carryOver(tables: LedgerTables, to: Counter, nowMs: number): void {
  const { budgetUid, subject, periodId } = to
  const { startsAtMs, windowMs, resets } = periodOf(periodId)
  const sinceMs = windowMs === null ? startsAtMs : nowMs - windowMs
  const spent = tables.spendSince(to, Number.isFinite(sinceMs) ? dayOf(sinceMs) : '')
  const escrow = tables
    .countersOf(budgetUid, subject)
    .filter((counter) => counter.periodId !== periodId && periodOf(counter.periodId).resets >= resets)
    .flatMap((counter) => tables.leasesOf(counter))
    .reduce((sum, { lease }) => sum + openOf(lease), 0n)
  const rows = tables.leasesOf(to)
  const settled = rows.reduce((sum, { lease }) => sum + lease.settled, 0n) - agedOf(tables, to, nowMs)
  const lacking = nanoUsd(spent + escrow - settled)
  if (lacking <= 0n) return
  const opening = rows.find(({ holder }) => holder.instanceId === OPENING.instanceId)?.lease ?? NO_LEASE
  tables.saveLease(to, OPENING, { ...opening, settled: nanoUsd(opening.settled + lacking) }, 'fenced')
  // It leaves a rolling window as if it were spent now.
  stamp(tables, to, nowMs, lacking)
}
