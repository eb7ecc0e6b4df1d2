import { nanoUsd, type Period } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { type Books, NO_LEASE } from './books.ts'
import { type CounterRow, ledgerRepository, NOBODYS } from './repository.ts'

const OPENING = { instanceId: NOBODYS, generation: 0 } as const

/**
 * The kind of a budget's period was edited: the new counter opens at what was spent in its period so far, and with the
 * escrow of the old ones, since running requests are still going to be charged there.
 */
export async function carryOver(tx: Tx, books: Books, { counter, settled }: CounterRow, period: Period): Promise<void> {
  const from = Number.isFinite(period.startsAtMs) ? new Date(period.startsAtMs).toISOString().slice(0, 10) : '-infinity'
  const key = { counter, ...OPENING }
  const [spent, open, known] = await Promise.all([
    ledgerRepository.chargedSince(tx, counter, from),
    ledgerRepository.openElsewhere(tx, counter),
    ledgerRepository.lease(tx, key),
    ledgerRepository.enterCounter(tx, counter),
  ])
  const lacking = spent + open - settled
  if (lacking <= 0n) return
  if (known !== null) books.meet(known)
  const before = books.lease(key)?.lease ?? NO_LEASE
  const lease = { ...before, settled: nanoUsd(before.settled + lacking) }
  books.put({ ...key, lease, charged: lease.settled, state: 'fenced' })
}
