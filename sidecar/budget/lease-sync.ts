import {
  type LeaseSyncItem,
  type LeaseSyncResult,
  maxUsd,
  type NanoUsd,
  nanoUsd,
  SYNC_ITEMS_MAX,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { Clock, Timers } from '../clock.ts'
import { type Account, balanceOf } from './account.ts'
import type { LeaseHolder } from './holder.ts'
import { StaleHolderError } from './lease-source.ts'
import type { LedgerSession } from './ledger-session.ts'

/** What an account asks the grantor for. */
export interface Ask {
  /** The balance that is needed now; `null` if none is. */
  readonly need: NanoUsd | null
  /** The smallest balance of use. */
  readonly least: NanoUsd
  /** All that is waited for. */
  readonly wish: NanoUsd
  /** Reservations of an audit budget that stand without cover until the answer. */
  readonly unmet: number
}

/** Talks to the grantor: one message under way at a time, with as much as it holds of what is to be said at that moment. */
export interface LeaseSync {
  /** There is something to say. */
  kick(): void
  /** Resolves when everything that there was to say has been said, or could not be. */
  idle(): Promise<void>
  /** False once a message was not answered, until one is. */
  readonly isReachable: boolean
  stats(): { readonly syncs: number; readonly syncFailures: number; readonly wouldDeny: number }
}

/** What the sync needs. */
export interface LeaseSyncOptions {
  readonly holder: LeaseHolder
  readonly session: Pick<LedgerSession, 'sync'>
  readonly clock: Clock
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  /** Resolves when every change of the accounts so far is on disk. */
  commit(): Promise<void>
  /** What is asked for now; called anew when all of that has been asked. */
  demand(): ReadonlyMap<Account, Ask>
  /** An answer came, or none: those who wait look again. */
  onAnswer(): void
}

/** How long `exhausted` is believed without asking again, less up to a quarter. */
const EXHAUSTED_MS = 1_000
/** Pause after a sync that failed. */
const RETRY_MS = 200
/** Most accounts that one message returns money of, and most that it asks for. */
const ITEMS_MAX = SYNC_ITEMS_MAX / 2
const NOTHING: ReadonlyMap<Account, Ask> = new Map()

/** Makes the sync. */
export function createLeaseSync(options: LeaseSyncOptions): LeaseSync {
  const { holder, session, clock, timers, random, commit, demand, onAnswer } = options
  const counts = { syncs: 0, syncFailures: 0, wouldDeny: 0 }
  let wanted = false
  let isReachable = true
  let running: Promise<void> | null = null

  async function run(): Promise<void> {
    try {
      while (wanted) {
        wanted = false
        try {
          // Returns come first: a counter that is asked about may follow one that they belong to.
          while (holder.untold > ITEMS_MAX) await say(NOTHING)
          await sayAll([...demand()])
          wanted ||= holder.untold > 0
        } catch {
          // Returns that were not told are on disk and are told with a later message.
          counts.syncFailures++
          await new Promise<void>((resolve) => timers.after(RETRY_MS, resolve))
        }
        onAnswer()
      }
    } finally {
      running = null
    }
  }

  /** Asks in as many messages as it takes: what comes first does not ask again before all others have asked once. */
  async function sayAll(asks: readonly (readonly [Account, Ask])[]): Promise<void> {
    if (asks.length === 0 && holder.untold > 0) await say(NOTHING)
    for (let at = 0; at < asks.length; at += ITEMS_MAX) {
      // One of a period that has ended may have been closed meanwhile.
      const page = asks.slice(at, at + ITEMS_MAX).filter(([account]) => !account.closed)
      if (page.length > 0) await say(new Map(page))
      onAnswer()
    }
  }

  async function say(asks: ReadonlyMap<Account, Ask>): Promise<void> {
    await commit()
    const untold = holder.takeUntold(ITEMS_MAX).filter((account) => !asks.has(account))
    const accounts = [...untold, ...asks.keys()]
    const sentAtMs = clock.monotonicMs()
    const sentAtWallMs = clock.nowMs()
    counts.syncs++
    const items = accounts.map((account) => itemOf(account, asks.get(account)))
    let results: readonly LeaseSyncResult[]
    try {
      results = await session.sync(items)
      isReachable = true
    } catch (error) {
      // A grantor that refuses the holder is there.
      isReachable = error instanceof StaleHolderError
      // Also those that were asked for: what was granted by an answer that was lost is heard of with the next one.
      for (const account of accounts) holder.tell(account)
      throw error
    }
    for (const [at, account] of accounts.entries()) {
      const [item, result] = [items[at], results[at]]
      if (item && result) hear(account, item, result, sentAtMs, sentAtWallMs, asks.get(account))
    }
    // The rows of leases that were closed go from the disk.
    if (items.some(({ close }) => close)) await commit()
  }

  function itemOf(account: Account, ask: Ask | undefined): LeaseSyncItem {
    const balance = balanceOf(account)
    const lacking = ask && ask.need !== null ? atLeastZero(ask.need - balance) : ZERO_USD
    return {
      counter: account.counter,
      limit: account.limit,
      granted: account.granted,
      returned: account.durableReturned,
      charged: account.durableCharged,
      uncharged: nanoUsd(account.uncharged + account.charged - account.durableCharged),
      least: ask ? atLeastZero(ask.least - balance) : ZERO_USD,
      need: lacking,
      want: ask ? maxUsd(maxUsd(lacking, account.slice), atLeastZero(ask.wish - balance)) : ZERO_USD,
      close: !ask && canClose(account),
    }
  }

  /** Nothing runs on it, all of it is given back, and that is on disk (H6). */
  function canClose(account: Account): boolean {
    const { uncharged, returned, durableReturned, charged, durableCharged } = account
    const isDurable = returned === durableReturned && charged === durableCharged
    return uncharged === 0n && balanceOf(account) <= 0n && isDurable && holder.isOver(account)
  }

  function hear(
    account: Account,
    item: LeaseSyncItem,
    result: LeaseSyncResult,
    sentAtMs: number,
    sentAtWallMs: number,
    ask: Ask | undefined,
  ): void {
    account.toldReturned = maxUsd(account.toldReturned, item.returned)
    account.toldCharged = maxUsd(account.toldCharged, item.charged)
    if (item.close) {
      holder.forget(account)
      return
    }
    holder.granted(account, result, sentAtMs, sentAtWallMs)
    // The limit was lowered while the question was under way: the answer still went by the old one.
    if (account.limit < item.limit) holder.giveBack(account)
    if (!ask) return
    const nowMs = clock.monotonicMs()
    const forgetAtMs = nowMs + EXHAUSTED_MS * (0.75 + random() / 4)
    if (result.verdict === 'exhausted') account.exhaustedUntilMs = forgetAtMs
    if (result.verdict === 'pending') account.askAgainAtMs = nowMs + result.retryAfterMs
    if (result.granted - item.granted < item.want) account.refillAgainAtMs = forgetAtMs
    if (result.verdict !== 'granted') counts.wouldDeny += ask.unmet
  }

  return {
    kick: () => {
      wanted = true
      running ??= Promise.resolve().then(run)
    },
    idle: async () => {
      while (running) await running
    },
    get isReachable() {
      return isReachable
    },
    stats: () => counts,
  }
}

const atLeastZero = (amount: bigint): NanoUsd => maxUsd(ZERO_USD, nanoUsd(amount))
