import { nanoUsd, type Period } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { type Books, NO_LEASE } from './books.ts'
import { inBuckets } from './figures.ts'
import { periodRepository } from './period-repository.ts'
import { ledgerRepository } from './repository.ts'
import { type CounterRow, NOBODYS } from './rows.ts'

const OPENING = { instanceId: NOBODYS, generation: 0 } as const

/**
 * How a budget's periods are cut was edited: the new counter opens at what was spent in its period so far, by whole days
 * of UTC, and with the escrow of the old ones, since running requests are still going to be charged there. What a reset
 * left behind stays there.
 */
export async function carryOver(
  tx: Tx,
  books: Books,
  { counter, settled, aged }: CounterRow,
  period: Period,
  nowMs: number,
): Promise<void> {
  const startsAtMs = period.windowMs === null ? period.startsAtMs : nowMs - period.windowMs
  const from = Number.isFinite(startsAtMs) ? new Date(startsAtMs).toISOString().slice(0, 10) : '-infinity'
  const key = { counter, ...OPENING }
  const [spent, open, known] = await Promise.all([
    periodRepository.chargedSince(tx, counter, from),
    periodRepository.openElsewhere(tx, counter),
    ledgerRepository.lease(tx, key),
    periodRepository.enterCounter(tx, counter),
  ])
  const lacking = spent + open - (settled - aged)
  if (lacking <= 0n) return
  if (known !== null) books.meet(known)
  const before = books.lease(key)?.lease ?? NO_LEASE
  const lease = { ...before, settled: nanoUsd(before.settled + lacking) }
  books.put({ ...key, lease, charged: lease.settled, state: 'fenced' })
  // It leaves a rolling window as if it were spent now.
  const rolling = inBuckets([{ counter, nano: lacking }])
  if (rolling.length > 0) await periodRepository.addBuckets(tx, rolling)
}
