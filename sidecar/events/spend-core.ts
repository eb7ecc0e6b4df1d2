import {
  type Holder,
  maxUsd,
  minUsd,
  NANO_USD_MAX,
  nanoUsd,
  periodOf,
  type UsageEvent,
} from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import type { Account } from '../budget/account.ts'
import { createBudgetGate, type GateStats, type SpendGate } from '../budget/gate.ts'
import { LeaseHolder } from '../budget/holder.ts'
import type { Hello, LeaseSource, Welcome } from '../budget/lease-source.ts'
import { createLedgerSession } from '../budget/ledger-session.ts'
import type { Clock, Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import type { Ballast } from './ballast.ts'
import { createOutbox, type GroupedOutbox, type OutboxStats } from './outbox.ts'
import type { OutboxDb } from './outbox-db.ts'

/** The parts that keep money right, put together on an open database and a grantor. */
export interface SpendCore {
  readonly instanceId: string
  readonly gate: SpendGate
  readonly outbox: GroupedOutbox
  readonly accounts: ReadonlyMap<string, Account>
  stats(): SpendStats
  /** Returns what is free, writes everything down and marks the file as closed in order. */
  close(): Promise<void>
}

/** For the metrics. */
export interface SpendStats {
  readonly outbox: OutboxStats
  readonly gate: GateStats
  readonly leases: number
  /** What the last start found: intents without an end. */
  readonly unresolvedAtStart: number
  readonly continuity: 'same' | 'broken'
}

/** What the core needs. */
export interface SpendCoreOptions {
  readonly db: OutboxDb
  readonly ballast: Ballast
  readonly source: LeaseSource
  readonly clock: Clock
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  /** The budgets of the policy in force; another array when that changes. */
  budgets(): readonly CompiledBudget[]
  readonly eventsMax: number
  /** True if events are brought up to a control plane. */
  readonly uploads: boolean
  /** The time that periods begin and end by. */
  readonly time: Pick<Clock, 'nowMs'>
  /** Whether the grantor is there, as far as is known beside leases. */
  isConnected(): boolean
  /** Another holder is known under this name: nothing can be reserved any more. */
  onFenced(): void
  /** Events are on disk. */
  onStored(): void
  readonly log: Logger
  /** The kernel's boot id, empty where there is none. */
  readonly bootId: string
  /** True if the database was begun anew because the old one was damaged. */
  readonly damaged: boolean
}

/** How long the start waits for a ledger that does not answer. */
const HELLO_TIMEOUT_MS = 3_000

/** Says hello to the grantor, resolves what the last process left open (H7), and starts. */
export async function startSpend(options: SpendCoreOptions): Promise<SpendCore> {
  const { db, ballast, source, clock, log, bootId } = options
  const { instance, generation: lastGeneration, boot, clean, ledgerEpoch: lastEpoch } = db.meta
  const isSound = !options.damaged && (clean === '1' || (boot === bootId && bootId !== ''))
  // What a ledger of one's own granted is not known to that of a control plane.
  const isKnown = !source.isRemote || lastEpoch !== '0'
  const hello: Hello = {
    instanceId: instance,
    generation: Number(lastGeneration),
    continuity: isSound && isKnown ? 'same' : 'broken',
    ledgerEpoch: Number(lastEpoch),
    leases: db.heldLeases(),
  }
  const greeting = source.isRemote ? await greetInTime(options, hello) : await source.hello(hello)
  const welcome = greeting ?? unanswered(hello)
  const { generation, continuity } = welcome
  // A sound disk knows what was sent, whoever grants from now on.
  const isCharged = continuity === 'same' || (isSound && !isKnown)
  const unresolvedAtStart = resolveIntents(db, welcome, isCharged, bootId, clock.nowMs())
  if (unresolvedAtStart > 0 || continuity === 'broken')
    log.warn('intents of the last process were resolved', { continuity, unresolved: unresolvedAtStart, generation })

  const identity: Holder = { instanceId: instance, generation }
  const accounts = restoreAccounts(db, welcome)
  if (greeting === null) believeStored(accounts, clock)
  const holder = new LeaseHolder({ ...options, generation, accounts, periods: welcome.periods })
  ballast.acquire()
  const outbox = createOutbox({
    ...options,
    holder,
    firstSeq: 1,
    onMoneyBack: () => gate.wake(),
    onStateChange: (writable, reason) => {
      if (writable) log.info('the outbox can be written again')
      else log.error('the outbox cannot be written: no request that costs money is sent', { reason })
    },
  })
  let epoch = Number(lastEpoch)
  let isWelcome = greeting !== null
  const heardOf = (heard: Welcome): void => {
    if (heard.ledgerEpoch === epoch) return
    // A ledger that was rolled back may have lost events that it acknowledged.
    const resends = epoch !== 0
    if (resends) outbox.resend()
    epoch = heard.ledgerEpoch
    try {
      db.durably(() => {
        db.setMeta('ledgerEpoch', String(epoch))
        // With the epoch: a process that dies before the next group is written would not know that it is still to be done.
        if (resends) db.setMeta('uploaded', '0')
      })
    } catch (error) {
      log.warn('the epoch of the ledger could not be written down: it is asked for again', errorFields(error))
    }
  }
  if (greeting !== null) heardOf(greeting)
  const session = createLedgerSession({
    ...options,
    identity,
    greeted: greeting !== null,
    commit: outbox.flush,
    hello: () => {
      const leases = db.heldLeases()
      if (isWelcome || continuity === 'same')
        return { instanceId: instance, generation, continuity: 'same', ledgerEpoch: epoch, leases }
      return { ...hello, leases: leases.filter((lease) => lease.generation <= hello.generation) }
    },
    onWelcome: (heard) => {
      isWelcome = true
      heardOf(heard)
      holder.welcome(heard.leases)
      gate.wake()
    },
    onFenced: options.onFenced,
  })
  const gate = createBudgetGate({ ...options, holder, session, commit: outbox.flush, fetchesAhead: source.isRemote })
  return {
    instanceId: identity.instanceId,
    gate,
    outbox,
    accounts: holder.accounts,
    stats: () => ({
      outbox: outbox.stats(),
      gate: gate.stats(),
      leases: holder.accounts.size,
      unresolvedAtStart,
      continuity,
    }),
    close: async () => {
      await gate.returnIdle(true)
      session.close()
      await outbox.close()
      db.durably(() => db.setMeta('clean', '1'))
    },
  }
}

/** The answer, or `null` if there is none in time: nothing more is sent then, since what is told may have changed. */
async function greetInTime({ source, db, timers }: SpendCoreOptions, hello: Hello): Promise<Welcome | null> {
  let isLate = false
  let callOff = (): void => {}
  const late = new Promise<null>((resolve) => {
    callOff = timers.after(HELLO_TIMEOUT_MS, () => {
      isLate = true
      resolve(null)
    })
  })
  const answer = source.hello(hello, async () => {
    if (isLate) throw new Error('the start did not wait for the ledger')
    return db.heldLeases()
  })
  return Promise.race([answer.catch(() => null), late]).finally(callOff)
}

/** What a holder goes by that nobody answered: a sound disk is trusted, and of any other nothing is spent. */
const unanswered = ({ generation, continuity, ledgerEpoch }: Hello): Welcome => ({
  generation: continuity === 'same' ? generation : generation + 1,
  continuity,
  ledgerEpoch,
  leases: [],
  periods: [],
})

/** Leases are believed as long as the last process was told, on the wall clock: there is no other that both know. */
function believeStored(accounts: readonly Account[], clock: Clock): void {
  for (const account of accounts) {
    account.believedUntilWallMs = account.storedUntilWallMs
    account.believedUntilMs = clock.monotonicMs() + account.storedUntilWallMs - clock.nowMs()
  }
}

/**
 * Ends the intents that the last process left open. Nobody knows whether their requests were sent: with `same` they are
 * charged their bound; with `broken` they are told without a charge, since the open money of their fenced leases stands
 * for them. The mark of an orderly end goes at the same time, before anything can be spent: a power loss that brought it
 * back would pass for one.
 */
function resolveIntents(
  db: OutboxDb,
  { generation }: Welcome,
  isCharged: boolean,
  bootId: string,
  nowMs: number,
): number {
  const intents = db.intents()
  db.durably(() => {
    const accounts = new Map(db.leases(generation).map((account) => [account.key, account]))
    for (const { seq, holds, bound, event } of intents) {
      if (isCharged) {
        for (const key of holds) {
          const account = accounts.get(key)
          if (account) account.charged = minUsd(NANO_USD_MAX, nanoUsd(account.charged + bound))
        }
      }
      db.insertEvent(isCharged ? event : uncharged(event))
      db.deleteIntent(seq)
    }
    for (const account of accounts.values()) db.saveLease(account)
    dropFormerLeases(db, generation, nowMs)
    db.setMeta('generation', String(generation))
    db.setMeta('boot', bootId)
    db.setMeta('clean', '0')
  })
  return intents.length
}

/** Leases of former generations are kept for a ledger that was lost, as long as their period runs. */
function dropFormerLeases(db: OutboxDb, generation: number, nowMs: number): void {
  for (const lease of db.heldLeases())
    if (lease.generation < generation && periodOf(lease.counter.periodId).endsAtMs <= nowMs) db.deleteLease(lease)
}

function restoreAccounts(db: OutboxDb, { generation, leases }: Welcome): readonly Account[] {
  const known = new Map(leases.map((lease) => [lease.key, lease]))
  return db.leases(generation).map((account) => {
    const lease = known.get(account.key)
    if (lease) {
      account.granted = maxUsd(account.granted, lease.granted)
      account.toldReturned = lease.returned
      account.toldCharged = lease.settled
    }
    return account
  })
}

const uncharged = (event: UsageEvent): UsageEvent => ({
  ...event,
  charges: event.charges.map((charge) => ({ ...charge, nanoUsd: '0' })),
  attempts: event.attempts.map((attempt) => ({
    ...attempt,
    chargedNanoUsd: '0',
    reason: 'the sidecar and its machine ended before the exchange did: covered by the open money of its lease',
  })),
})
