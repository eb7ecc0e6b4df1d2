import type { NanoUsd, UsageEvent } from '@agentcostcontrol/contract'
import { accountsOf } from '../budget/gate.ts'
import type { Account, LeaseHolder } from '../budget/holder.ts'
import type { Ballast, OutboxDb } from './outbox-db.ts'
import { type Intent, type Outbox, OutboxUnavailableError, type Settlement } from './types.ts'

/** The outbox with what its owner needs. */
export interface GroupedOutbox extends Outbox {
  /** Resolves when everything handed in so far is on disk; rejects if that fails now. */
  flush(): Promise<void>
  /** Refuses new intents from now on and writes down what is queued. */
  close(): Promise<void>
  stats(): OutboxStats
}

/** For the metrics. */
export interface OutboxStats {
  /** False while the last group could not be written. */
  readonly writable: boolean
  readonly intentsOpen: number
  readonly settlementsQueued: number
  readonly eventsStored: number
  readonly bytes: number
  readonly commits: number
  readonly failures: number
  readonly refusedIntents: number
  readonly prunedEvents: number
}

/** What the outbox needs. */
export interface OutboxOptions {
  readonly db: OutboxDb
  readonly ballast: Ballast
  readonly holder: LeaseHolder
  /** Most events that are kept one by one; older ones are summed up by day. */
  readonly eventsMax: number
  readonly firstSeq: number
  onMoneyBack(): void
  onStateChange(writable: boolean, reason: string): void
}

/** Events waiting to be written while the disk is full: beyond this no intent is taken. */
const QUEUED_MAX = 20_000
const PRUNE_ROWS = 512
const RETRY_MS = 250

interface QueuedIntent {
  readonly seq: number
  readonly intent: Intent
  resolve(): void
  reject(error: Error): void
}

type QueuedEvent = { readonly seq: number | null; readonly event: UsageEvent }

/** Makes the outbox: everything of one turn of the event loop goes to disk in one transaction. */
export function createOutbox(options: OutboxOptions): GroupedOutbox {
  const { db, ballast, holder, eventsMax } = options
  let intents: QueuedIntent[] = []
  let events: QueuedEvent[] = []
  let flushers: { resolve(): void; reject(error: Error): void }[] = []
  const seqs = new WeakMap<Intent, number>()
  let scheduled = false
  let retrying: NodeJS.Timeout | null = null
  let closed = false
  let writable = true
  let nextSeq = options.firstSeq
  let stored = db.countEvents()
  const counts = { open: 0, commits: 0, failures: 0, refused: 0, pruned: 0 }

  function schedule(): void {
    if (scheduled || retrying) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      commitGroup()
    })
  }

  function commitGroup(): void {
    const group = { intents, events, flushers, accounts: holder.takeDirty() }
    intents = []
    events = []
    flushers = []
    try {
      writeDown(group.intents, group.events, group.accounts)
    } catch (error) {
      failed(group, error)
      return
    }
    if (!writable) recovered()
    for (const { resolve } of group.intents) resolve()
    for (const { resolve } of group.flushers) resolve()
  }

  function writeDown(
    newIntents: readonly QueuedIntent[],
    newEvents: readonly QueuedEvent[],
    accounts: readonly Account[],
  ): void {
    let pruned = 0
    try {
      db.begin()
      for (const { seq, intent } of newIntents) {
        const holds = accountsOf(intent.reservation).map(({ key }) => key)
        db.insertIntent({ seq, holds, bound: intent.reservation.bound, event: intent.event })
      }
      for (const { seq, event } of newEvents) {
        if (seq !== null) db.deleteIntent(seq)
        db.insertEvent(event)
      }
      for (const account of accounts) db.saveLease(account)
      if (stored + newEvents.length > eventsMax) pruned = db.prune(Math.max(PRUNE_ROWS, newEvents.length * 2))
      db.commit()
    } catch (error) {
      db.rollback()
      throw error
    }
    counts.commits++
    counts.pruned += pruned
    stored += newEvents.length - pruned
    for (const account of accounts) {
      account.durableCharged = account.charged
      account.durableReturned = account.returned
    }
  }

  /** Nothing of the group was written: its intents are refused, what was sent is kept and tried again. */
  function failed(
    group: {
      readonly intents: readonly QueuedIntent[]
      readonly events: QueuedEvent[]
      readonly flushers: typeof flushers
      readonly accounts: readonly Account[]
    },
    error: unknown,
  ): void {
    counts.failures++
    const reason = error instanceof Error ? error.message : String(error)
    events = [...group.events, ...events]
    holder.stillDirty(group.accounts)
    for (const { reject } of group.intents) reject(refusal('disk', error))
    for (const { reject } of group.flushers) reject(refusal('disk', error))
    if (writable) options.onStateChange(false, reason)
    writable = false
    if (ballast.held) {
      ballast.release()
      schedule()
      return
    }
    retrying ??= setTimeout(() => {
      retrying = null
      commitGroup()
    }, RETRY_MS)
  }

  function recovered(): void {
    // Intents are taken again once the ballast fits: until then the space left is kept for what was sent.
    if (!ballast.held && !ballast.acquire()) {
      retrying ??= setTimeout(() => {
        retrying = null
        commitGroup()
      }, RETRY_MS)
      return
    }
    writable = true
    options.onStateChange(true, '')
  }

  function refusal(reason: OutboxUnavailableError['reason'], cause?: unknown): OutboxUnavailableError {
    counts.refused++
    return new OutboxUnavailableError(reason, { cause })
  }

  function queue(event: QueuedEvent): void {
    events.push(event)
    schedule()
  }

  return {
    get writable() {
      return writable
    },
    commitIntent: (intent) => {
      if (closed) return Promise.reject(refusal('closed'))
      if (!writable) return Promise.reject(refusal('disk'))
      if (events.length > QUEUED_MAX) return Promise.reject(refusal('full'))
      return new Promise((resolve, reject) => {
        const seq = nextSeq++
        seqs.set(intent, seq)
        counts.open++
        intents.push({
          seq,
          intent,
          resolve,
          reject: (error) => {
            counts.open--
            reject(error)
          },
        })
        schedule()
      })
    },
    settle: ({ intent, charged, event }: Settlement) => {
      counts.open--
      charge(holder, intent, charged)
      queue({ seq: seqs.get(intent) ?? null, event })
      options.onMoneyBack()
    },
    record: (event) => queue({ seq: null, event }),
    flush: () =>
      new Promise((resolve, reject) => {
        flushers.push({ resolve, reject })
        schedule()
      }),
    close: async () => {
      closed = true
      if (retrying) clearTimeout(retrying)
      retrying = null
      commitGroup()
      if (retrying) clearTimeout(retrying)
      if (events.length > 0) throw new OutboxUnavailableError('disk')
    },
    stats: () => ({
      writable,
      intentsOpen: counts.open,
      settlementsQueued: events.length,
      eventsStored: stored,
      bytes: db.bytes(),
      commits: counts.commits,
      failures: counts.failures,
      refusedIntents: counts.refused,
      prunedEvents: counts.pruned,
    }),
  }
}

const charge = (holder: LeaseHolder, intent: Intent, charged: NanoUsd): void =>
  holder.charge(accountsOf(intent.reservation), intent.reservation.bound, charged)
