import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Holder, nanoUsd, type UsageEvent } from '@agentcostcontrol/contract'
import { createBudgetGate, type GateStats } from '../budget/gate.ts'
import { type Account, LeaseHolder } from '../budget/holder.ts'
import type { BudgetGate } from '../budget/types.ts'
import type { Clock, NewId } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import { createOutbox, type OutboxStats } from './outbox.ts'
import { createBallast, lockFolder, type OutboxDb, openOutboxDb } from './outbox-db.ts'
import { startStorageThread } from './storage-thread.ts'
import type { Outbox } from './types.ts'

/** Everything that keeps money right on this machine: leases, reservations, intents, events. */
export interface SpendStore {
  readonly instanceId: string
  readonly gate: BudgetGate
  readonly outbox: Outbox
  stats(): SpendStats
  /** Writes everything down, returns idle money and marks the files as closed in order. */
  close(): Promise<void>
}

/** For the metrics. */
export interface SpendStats {
  readonly outbox: OutboxStats
  readonly gate: GateStats
  readonly leases: readonly {
    readonly budgetName: string
    readonly subject: string
    readonly limit: bigint
    readonly charged: bigint
    readonly held: bigint
  }[]
  /** What the last start found: intents without an end. */
  readonly unresolvedAtStart: number
  readonly continuity: 'same' | 'broken'
}

/** What the store needs. */
export interface SpendStoreOptions {
  readonly dataDir: string
  readonly clock: Clock
  readonly newId: NewId
  /** 0 to 1, for jitter. */
  random(): number
  readonly eventsMax: number
  readonly log: Logger
  /** The kernel's boot id; another one means that power may have been lost. */
  readonly bootId?: string
}

const CHECKPOINT_EVERY_MS = 1_000
const IDLE_CHECK_MS = 5_000

/** Opens the data folder and resolves what the last process left open (H7). @throws OutboxLockedError */
export async function openSpendStore(options: SpendStoreOptions): Promise<SpendStore> {
  const { dataDir, clock, random, eventsMax, log } = options
  const bootId = options.bootId ?? readBootId()
  const lock = lockFolder(dataDir)
  let damaged = false
  const db = openOutboxDb(
    dataDir,
    { instance: options.newId(), boot: bootId },
    (keptAs, reason) => {
      damaged = true
      log.error('the outbox is damaged and was kept aside; a new one is in use', { keptAs, reason })
    },
    clock.nowMs(),
  )
  const continuity = !damaged && (db.meta.boot === bootId || db.meta.clean === '1') ? 'same' : 'broken'
  const thread = startStorageThread(
    { ledgerFile: join(dataDir, 'ledger.sqlite'), outboxFile: join(dataDir, 'outbox.sqlite') },
    (error) => log.error('the storage worker ended', errorFields(error)),
  )
  const hello = await thread.hello({ instanceId: db.meta.instance, generation: Number(db.meta.generation), continuity })
  const { generation } = hello
  const unresolvedAtStart = resolveIntents(db, continuity, generation, bootId)
  const accounts = db.leases(generation)
  const byKey = new Map(accounts.map((account) => [account.key, account]))
  for (const { key, granted } of hello.leases) {
    const account = byKey.get(key)
    if (account && granted > account.granted) account.granted = granted
  }
  if (unresolvedAtStart > 0 || continuity === 'broken') {
    log.warn('intents of the last process were resolved', { continuity, unresolved: unresolvedAtStart, generation })
  }

  const identity: Holder = { instanceId: db.meta.instance, generation }
  const holder = new LeaseHolder(clock, generation, accounts)
  const ballast = createBallast(dataDir)
  ballast.acquire()
  const outbox = createOutbox({
    db,
    ballast,
    holder,
    eventsMax,
    firstSeq: 1,
    onMoneyBack: () => gate.wake(),
    onStateChange: (writable, reason) => {
      if (writable) log.info('the outbox can be written again')
      else log.error('the outbox cannot be written: no request that costs money is sent', { reason })
    },
  })
  const gate = createBudgetGate({ holder, identity, source: thread, clock, random, commit: outbox.flush })
  let checkpointing = false
  const checkpoint = setInterval(() => {
    if (checkpointing) return
    checkpointing = true
    thread
      .checkpoint()
      .catch(() => {})
      .finally(() => {
        checkpointing = false
      })
  }, CHECKPOINT_EVERY_MS)
  const idle = setInterval(() => void gate.returnIdle(false), IDLE_CHECK_MS)
  checkpoint.unref()
  idle.unref()

  return {
    instanceId: identity.instanceId,
    gate,
    outbox,
    stats: () => ({
      outbox: outbox.stats(),
      gate: gate.stats(),
      leases: [...holder.accounts.values()].map(leaseStats),
      unresolvedAtStart,
      continuity,
    }),
    close: async () => {
      clearInterval(checkpoint)
      clearInterval(idle)
      await gate.returnIdle(true)
      await outbox.close()
      await thread.close()
      db.setMeta('clean', '1')
      db.sync()
      db.close()
      lock.release()
    },
  }
}

const leaseStats = ({ budgetName, counter, limit, charged, granted, returned }: Account) => ({
  budgetName,
  subject: counter.subject,
  limit,
  charged,
  held: granted - returned - charged,
})

/** The id that Linux makes at each boot; elsewhere there is none, and then every start counts as a new boot. */
function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/**
 * Ends the intents that the last process left open. Nobody knows whether their requests were sent: with `same` they are
 * charged their bound; with `broken` they are told without a charge, since the open money of their fenced leases stands
 * for them.
 */
function resolveIntents(db: OutboxDb, continuity: 'same' | 'broken', generation: number, bootId: string): number {
  const intents = db.intents()
  db.begin()
  try {
    const accounts = new Map(db.leases(generation).map((account) => [account.key, account]))
    for (const { seq, holds, bound, event } of intents) {
      if (continuity === 'same') {
        for (const key of holds) {
          const account = accounts.get(key)
          if (account) account.charged = nanoUsd(account.charged + bound)
        }
      }
      db.insertEvent(continuity === 'same' ? event : uncharged(event))
      db.deleteIntent(seq)
    }
    for (const account of accounts.values()) db.saveLease(account)
    db.setMeta('generation', String(generation))
    db.setMeta('boot', bootId)
    db.setMeta('clean', '0')
    db.commit()
  } catch (error) {
    db.rollback()
    throw error
  }
  return intents.length
}

const uncharged = (event: UsageEvent): UsageEvent => ({
  ...event,
  attempts: event.attempts.map((attempt) => ({
    ...attempt,
    chargedNanoUsd: '0',
    reason: 'the sidecar and its machine ended before the exchange did: covered by the open money of its lease',
  })),
})
