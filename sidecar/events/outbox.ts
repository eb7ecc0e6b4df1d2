import type { NanoUsd, UsageEvent } from '@agentcostcontrol/contract'
import { type Account, LeaseReservation } from '../budget/account.ts'
import type { LeaseHolder } from '../budget/holder.ts'
import type { Timers } from '../clock.ts'
import { afterTurn } from '../turn.ts'
import type { Ballast } from './ballast.ts'
import type { OutboxDb } from './outbox-db.ts'
import { groupOf, indexOf } from './settled-events.ts'
import { type Intent, type Outbox, OutboxUnavailableError, type Settlement } from './types.ts'

/** The outbox with what its owner needs. */
export interface GroupedOutbox extends Outbox {
  /** Resolves when everything so far on which money hangs is on disk; rejects if that fails now. */
  flush(): Promise<void>
  /** Refuses new intents from now on and writes down what is queued. @throws OutboxUnavailableError if it cannot */
  close(): Promise<void>
  /** The number of the last event that the control plane has stored. */
  readonly uploaded: number
  /** The control plane has stored everything behind `from` up to `seq`, `count` events. */
  acknowledge(from: number, seq: number, count: number): void
  /** All events that are kept are brought up again. */
  resend(): void
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
  /** Events that the control plane has not stored yet; 0 where there is none. */
  readonly unacknowledged: number
  /** Events of refused requests that found the queue full; they hold no money. */
  readonly droppedEvents: number
}

/** What the outbox needs. */
export interface OutboxOptions {
  readonly db: OutboxDb
  readonly ballast: Ballast
  readonly holder: LeaseHolder
  readonly timers: Timers
  /** Most events that are kept one by one; older ones are summed up by day. */
  readonly eventsMax: number
  readonly firstSeq: number
  /** Most events that wait to be written while the disk is full. */
  readonly queuedMax?: number
  /** True if events are brought up: none is summed up and deleted before the control plane has it. */
  readonly uploads: boolean
  /** Events are on disk. */
  onStored(): void
  onMoneyBack(): void
  onStateChange(writable: boolean, reason: string): void
}

const QUEUED_MAX = 20_000
/**
 * Above this part of the queue, or of the events that may be kept if none of them is with the control plane yet, no
 * intents and no events without money are taken: the rest is for what was sent (H3).
 */
const OPEN_TO_ALL = 0.8
/** Most events without money in one group: after an hour of refusals on a full disk they do not hold up the event loop. */
const GROUP_EVENTS_MAX = 500
const PRUNE_ROWS = 512
const RETRY_MS = 250

interface QueuedIntent {
  readonly seq: number
  readonly intent: Intent
  resolve(): void
  reject(error: Error): void
}

type QueuedEvent = { readonly seq: number | null; readonly event: UsageEvent }

/** What goes to disk in one transaction. */
interface Group {
  readonly intents: readonly QueuedIntent[]
  readonly events: readonly QueuedEvent[]
  readonly flushers: readonly { resolve(): void; reject(error: Error): void }[]
  readonly accounts: readonly Account[]
}

/** Makes the outbox: everything of one turn of the event loop goes to disk in one transaction. */
export function createOutbox(options: OutboxOptions): GroupedOutbox {
  const { db, ballast, holder, timers, eventsMax, queuedMax = QUEUED_MAX } = options
  let intents: QueuedIntent[] = []
  let events: QueuedEvent[] = []
  let flushers: { resolve(): void; reject(error: Error): void }[] = []
  /** Intents that were taken and have not ended. */
  let intentsOpen = 0
  let scheduled = false
  let callOffRetry: (() => void) | null = null
  let state: 'open' | 'closing' | 'closed' = 'open'
  let writable = true
  let nextSeq = options.firstSeq
  let stored = db.countEvents()
  const counts = { commits: 0, failures: 0, refused: 0, pruned: 0, dropped: 0 }
  let uploaded = Number(db.meta.uploaded)
  let acknowledged: number | null = null
  let unacknowledged = options.uploads ? Math.max(0, db.countEvents(groupOf(uploaded)) - indexOf(uploaded)) : 0
  const isCrowded = (): boolean => events.length > queuedMax * OPEN_TO_ALL || unacknowledged > eventsMax * OPEN_TO_ALL

  if (!ballast.held) {
    writable = false
    options.onStateChange(false, 'there is no room for the reserve that settlements need on a full disk')
    retryLater()
  }

  function schedule(): void {
    if (scheduled || callOffRetry || state === 'closed') return
    scheduled = true
    afterTurn(() => {
      scheduled = false
      if (state !== 'closed') commitGroup()
    })
  }

  function retryLater(): void {
    if (state !== 'open') return
    callOffRetry ??= timers.after(RETRY_MS, () => {
      callOffRetry = null
      commitGroup()
    })
  }

  /**
   * What goes to disk next. What ends an intent comes first and always; the space that was kept for it is not for the
   * events of requests that were refused meanwhile.
   */
  function takeEvents(roomForAll: boolean): readonly QueuedEvent[] {
    const all = events
    events = []
    if (roomForAll && all.length <= GROUP_EVENTS_MAX) return all
    const taken: QueuedEvent[] = []
    for (const event of all) {
      const goes = event.seq !== null || (roomForAll && taken.length < GROUP_EVENTS_MAX)
      if (goes) taken.push(event)
      else events.push(event)
    }
    return taken
  }

  function commitGroup(roomForAll = writable): void {
    const group: Group = { intents, events: takeEvents(roomForAll), flushers, accounts: holder.takeDirty() }
    intents = []
    flushers = []
    try {
      writeDown(group)
    } catch (error) {
      failed(group, error)
      return
    }
    if (!writable) recovered()
    if (writable && events.length > 0) schedule()
    for (const { resolve } of group.intents) resolve()
    for (const { resolve } of group.flushers) resolve()
  }

  function writeDown(group: Group): void {
    let pruned = 0
    try {
      db.begin()
      for (const { seq, intent } of group.intents) {
        const { holds, bound } = intent.reservation
        db.insertIntent({ seq, holds: holds.map(({ key }) => key), bound, event: intent.event })
      }
      for (const { seq, event } of group.events) {
        if (seq !== null) db.deleteIntent(seq)
        db.insertEvent(event)
      }
      for (const account of group.accounts) {
        if (account.closed) db.deleteLease(account)
        else db.saveLease(account)
      }
      const added = group.events.length
      if (acknowledged !== null) db.setMeta('uploaded', String(acknowledged))
      const before = options.uploads ? groupOf(uploaded) : Number.POSITIVE_INFINITY
      if (stored + added > eventsMax) pruned = db.prune(Math.max(PRUNE_ROWS, added * 2), before)
      db.commit()
    } catch (error) {
      db.rollback()
      throw error
    }
    counts.commits++
    counts.pruned += pruned
    stored += group.events.length - pruned
    uploaded = acknowledged ?? uploaded
    acknowledged = null
    if (options.uploads) unacknowledged += group.events.length
    if (group.events.length > 0) options.onStored()
    for (const account of group.accounts) {
      account.durableCharged = account.charged
      account.durableReturned = account.returned
    }
  }

  /** Nothing of the group was written: its intents are refused, what was sent is kept and tried again. */
  function failed(group: Group, error: unknown): void {
    counts.failures++
    events = [...group.events, ...events]
    holder.stillDirty(group.accounts)
    for (const { intent, reject } of group.intents) {
      forget(intent)
      reject(refusal('disk', error))
    }
    for (const { reject } of group.flushers) reject(refusal('disk', error))
    if (writable) options.onStateChange(false, error instanceof Error ? error.message : String(error))
    writable = false
    if (ballast.held) {
      ballast.release()
      schedule()
    } else retryLater()
  }

  function recovered(): void {
    // Intents are taken again once the ballast fits: until then the space left is kept for what was sent.
    if (state === 'open' && !ballast.held && !ballast.acquire()) {
      retryLater()
      return
    }
    writable = true
    options.onStateChange(true, '')
  }

  function refusal(reason: OutboxUnavailableError['reason'], cause?: unknown): OutboxUnavailableError {
    counts.refused++
    return new OutboxUnavailableError(reason, { cause })
  }

  function forget(intent: Intent): void {
    intent.seq = undefined
    intentsOpen--
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
      if (state !== 'open') return Promise.reject(refusal('closed'))
      if (!writable) return Promise.reject(refusal('disk'))
      if (isCrowded()) return Promise.reject(refusal('full'))
      return new Promise((resolve, reject) => {
        const seq = nextSeq++
        intent.seq = seq
        intentsOpen++
        intents.push({ seq, intent, resolve, reject })
        schedule()
      })
    },
    settle: ({ intent, charged, event }: Settlement) => {
      const { seq } = intent
      // Its intent stands on disk after the close; the next start resolves it.
      if (seq === undefined || state === 'closed') return
      forget(intent)
      charge(holder, intent, charged)
      queue({ seq, event })
      options.onMoneyBack()
    },
    record: (event) => {
      if (state === 'closed' || isCrowded()) counts.dropped++
      else queue({ seq: null, event })
    },
    flush: () =>
      new Promise((resolve, reject) => {
        if (state === 'closed') {
          reject(refusal('closed'))
          return
        }
        flushers.push({ resolve, reject })
        schedule()
      }),
    get uploaded() {
      return acknowledged ?? uploaded
    },
    acknowledge: (from, seq, count) => {
      // All of it is to be sent again since the batch was read.
      if (from !== (acknowledged ?? uploaded)) return
      acknowledged = seq
      unacknowledged -= count
      schedule()
    },
    resend: () => {
      acknowledged = 0
      unacknowledged = stored
      schedule()
      options.onStored()
    },
    close: async () => {
      state = 'closing'
      callOffRetry?.()
      callOffRetry = null
      commitGroup()
      // On a full disk the ballast gave way to what ends an intent; now it is there for everything.
      for (let left = Number.POSITIVE_INFINITY; events.length > 0 && events.length < left; ) {
        left = events.length
        commitGroup(writable || !events.some(({ seq }) => seq !== null))
      }
      state = 'closed'
      if (events.length > 0) throw new OutboxUnavailableError('disk')
    },
    stats: () => ({
      writable,
      intentsOpen,
      settlementsQueued: events.length,
      eventsStored: stored,
      bytes: db.bytes(),
      commits: counts.commits,
      failures: counts.failures,
      refusedIntents: counts.refused,
      prunedEvents: counts.pruned,
      unacknowledged,
      droppedEvents: counts.dropped,
    }),
  }
}

function charge(holder: LeaseHolder, { reservation }: Intent, charged: NanoUsd): void {
  if (reservation instanceof LeaseReservation) holder.charge(reservation, charged)
}
