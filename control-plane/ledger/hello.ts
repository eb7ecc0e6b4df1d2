import { counterKey, type LeaseHello, type LeaseWelcome, maxUsd, minUsd, nanoUsd } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { Books, NO_LEASE, newLease } from './books.ts'
import { endedRepository } from './ended-repository.ts'
import { amountOf, LEASE_TTL_MS, readPeriod, wire } from './figures.ts'
import { periodRepository } from './period-repository.ts'
import { type LedgerState, ledgerRepository } from './repository.ts'
import type { LeaseRow } from './rows.ts'

/** Answers a hello. `isBehind`: the holder knows of more than the ledger does, in an epoch that both know. */
export async function greet(
  tx: Tx,
  instanceId: string,
  hello: LeaseHello,
): Promise<{ readonly welcome: LeaseWelcome; readonly isBehind: boolean }> {
  const state = await ledgerRepository.state(tx)
  await ledgerRepository.meetHolder(tx, instanceId)
  const known = (await ledgerRepository.holder(tx, instanceId)) ?? 0
  const active = await ledgerRepository.activeLeases(tx, instanceId, hello.generation)
  const trusted = isTrusted(hello, known, active.filter(isInPage(hello)))
  if (hello.page !== undefined && hello.page.through !== null) return greetPage(tx, instanceId, hello, trusted, state)
  // A repeated hello of a holder that was given a new generation, and has nothing in it, is given the same one.
  const repeated =
    !trusted &&
    known === hello.generation + 1 &&
    (await ledgerRepository.activeLeases(tx, instanceId, known)).length === 0
  const generation = trusted ? hello.generation : repeated ? known : Math.max(known, hello.generation) + 1
  const isBehind = await adopt(tx, instanceId, hello, trusted)
  await ledgerRepository.fenceFormer(tx, instanceId, generation)
  await ledgerRepository.saveHolder(tx, instanceId, generation, state.epoch)
  const [leases, periods] = await Promise.all([
    ledgerRepository.activeLeases(tx, instanceId, generation),
    periodRepository.periods(tx),
  ])
  const welcome = welcomeOf(hello, generation, trusted, state, leases)
  return { isBehind: isBehind && hello.ledgerEpoch === state.epoch, welcome: { ...welcome, periods: [...periods] } }
}

/** A page before the last: what it tells is taken over, and nobody is another holder for it yet. */
async function greetPage(
  tx: Tx,
  instanceId: string,
  hello: LeaseHello,
  trusted: boolean,
  state: LedgerState,
): Promise<{ readonly welcome: LeaseWelcome; readonly isBehind: boolean }> {
  const isBehind = await adopt(tx, instanceId, hello, trusted)
  const leases = await ledgerRepository.activeLeases(tx, instanceId, hello.generation)
  const welcome = welcomeOf(hello, Math.max(1, hello.generation), trusted, state, leases)
  return { isBehind: isBehind && hello.ledgerEpoch === state.epoch, welcome }
}

const welcomeOf = (
  hello: LeaseHello,
  generation: number,
  trusted: boolean,
  { epoch, nowMs }: LedgerState,
  leases: readonly LeaseRow[],
): LeaseWelcome => ({
  generation,
  continuity: trusted ? 'same' : 'broken',
  ledgerEpoch: epoch,
  nowMs,
  leases: leases.filter(isInPage(hello)).map(({ counter, lease }) => ({
    counter,
    granted: wire(lease.granted),
    returned: wire(lease.returned),
    settled: wire(lease.settled),
  })),
  periods: [],
})

/** Whether a lease is one of those that a page of a hello tells of. */
const isInPage =
  ({ page }: LeaseHello) =>
  ({ counter }: LeaseRow): boolean => {
    if (page === undefined) return true
    const key = counterKey(counter)
    return (page.after === null || key > page.after) && (page.through === null || key <= page.through)
  }

/**
 * Whether a holder is who it says: one that knows less than it once told has lost state, whatever it says (H7). One that
 * the ledger does not know any more, and that knows of the ledger, was forgotten by it.
 */
function isTrusted(
  { continuity, generation, ledgerEpoch, leases }: LeaseHello,
  known: number,
  active: readonly LeaseRow[],
) {
  if (continuity === 'broken' || generation < 1 || ledgerEpoch < 1 || generation < known) return false
  const held = new Map(
    leases.filter((lease) => lease.generation === generation).map((lease) => [counterKey(lease.counter), lease]),
  )
  return active.every(({ counter, lease }) => {
    const own = held.get(counterKey(counter))
    return own !== undefined && BigInt(own.returned) >= lease.returned && BigInt(own.charged) >= lease.settled
  })
}

/**
 * Takes over what a holder knows and the ledger does not, also of periods that ended: a lease is closed only where it is
 * known. @returns whether money was granted that is not known here
 */
async function adopt(
  tx: Tx,
  instanceId: string,
  { leases, generation }: LeaseHello,
  trusted: boolean,
): Promise<boolean> {
  const sound = leases.filter(({ counter }) => readPeriod(counter.periodId) !== null)
  const removed = await endedRepository.removedAmong(
    tx,
    sound.map(({ counter }) => counter),
  )
  const held = sound.filter(({ counter }) => !removed.has(counterKey(counter)))
  if (held.length === 0) return false
  await ledgerRepository.planForMany(tx)
  const books = await Books.open(
    tx,
    held.map(({ counter, generation: of }) => ({ counter, instanceId, generation: of })),
    { unknownToo: true },
  )
  let isBehind = false
  for (const { counter, generation: ofGeneration, granted, returned, charged } of held) {
    const row = books.lease({ counter, instanceId, generation: ofGeneration })
    const { lease } = row ?? { lease: NO_LEASE }
    isBehind ||= amountOf(granted) > lease.granted
    const takesReturns = row === null || (trusted && ofGeneration === generation)
    const taken = maxUsd(lease.granted, amountOf(granted))
    const adopted = {
      ...lease,
      granted: taken,
      returned: takesReturns ? minUsd(taken, maxUsd(lease.returned, amountOf(returned))) : lease.returned,
    }
    const most = maxUsd(nanoUsd(row?.charged ?? 0n), amountOf(charged))
    books.put({ ...(row ?? newLease(counter, instanceId, ofGeneration)), lease: adopted, charged: most })
  }
  await books.write(tx, LEASE_TTL_MS)
  return isBehind
}
