import {
  type Holder,
  type LeaseSyncItem,
  maxUsd,
  minUsd,
  type NanoUsd,
  nanoUsd,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { Clock } from '../clock.ts'
import { Account, balanceOf, type LeaseHolder, type Slot } from './holder.ts'
import type { LeaseSource } from './lease-source.ts'
import type { BudgetGate, Reservation, ReserveOutcome, ReserveRequest, Shortage } from './types.ts'

/** The gate that can be told of money that came back, and measured. */
export interface SpendGate extends BudgetGate {
  /** Money came back or was charged: those who wait look again. */
  wake(): void
  /** Returns what idle leases hold; with `all`, everything. Resolves when the grantor knows. */
  returnIdle(all: boolean): Promise<void>
  stats(): GateStats
}

/** For the metrics. */
export interface GateStats {
  readonly reserved: number
  readonly exhausted: number
  readonly busy: number
  readonly syncs: number
  readonly syncFailures: number
  readonly waiting: number
  /** USD that running requests hold. */
  readonly reservedUsd: number
  readonly wouldDeny: number
}

/** What the gate needs. */
export interface GateOptions {
  readonly holder: LeaseHolder
  readonly identity: Holder
  readonly source: LeaseSource
  readonly clock: Clock
  /** 0 to 1, for jitter. */
  random(): number
  /** Resolves when every change of the accounts so far is on disk. */
  commit(): Promise<void>
}

/** Longest wait for a lease, and most that wait at once. */
const WAIT_MS = 1_000
const WAITING_MAX = 1_024
/** How long `exhausted` is believed without asking again, less up to a quarter. */
const EXHAUSTED_MS = 1_000
const IDLE_MS = 5_000
/** Pause after a sync that failed. */
const RETRY_MS = 200
/** A refill is asked for when less than this part of a slice is left. */
const LOW_WATER_PARTS = 2n
const SLICE_PARTS_MIN = 5n

/** What a sync is for: `more` asks for a slice beyond the need. */
interface Ask {
  readonly need: NanoUsd
  readonly least: NanoUsd
  readonly more: boolean
}

interface Waiter {
  readonly request: ReserveRequest
  readonly deadlineMs: number
  resolve(outcome: ReserveOutcome): void
}

/** Makes the gate. */
export function createBudgetGate({ holder, identity, source, clock, random, commit }: GateOptions): SpendGate {
  const counts = { reserved: 0, exhausted: 0, busy: 0, syncs: 0, syncFailures: 0 }
  let waiters: Waiter[] = []
  /** What the next sync asks for, by account. */
  const asks = new Map<Account, Ask>()
  let syncing: Promise<void> | null = null
  let _timer: NodeJS.Timeout | null = null

  function attempt(request: ReserveRequest): ReserveOutcome | readonly Slot[] {
    const slots = holder.slots(request.lines)
    const result = holder.reserve(slots, request.bound)
    if (result.kind === 'short') return result.slots
    counts.reserved++
    for (const account of result.accounts) {
      if (balanceOf(account) * LOW_WATER_PARTS < account.slice) refill(account)
    }
    const reservation: Reservation = { bound: request.bound, holds: result.accounts }
    return { kind: 'reserved', reservation }
  }

  /** Asks ahead of need, unless the budget is known to have no more. */
  function refill(account: Account): void {
    if (clock.monotonicMs() < account.exhaustedUntilMs) return
    if (syncing && asks.has(account)) return
    account.slice = minUsd(nanoUsd(account.slice * 2n), nanoUsd(account.limit / SLICE_PARTS_MIN))
    ask(account, { need: ZERO_USD, least: ZERO_USD, more: true })
  }

  function ask(account: Account, { need, least, more }: Ask): void {
    const known = asks.get(account)
    asks.set(account, {
      need: known ? maxUsd(known.need, need) : need,
      least: known ? minUsd(known.least, least) : least,
      more: more || known?.more === true,
    })
    syncing ??= Promise.resolve().then(runSyncs)
  }

  async function runSyncs(): Promise<void> {
    while (asks.size > 0) {
      const batch = [...asks]
      asks.clear()
      try {
        await commit()
        await syncOnce(batch)
      } catch {
        counts.syncFailures++
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    syncing = null
    wake()
  }

  async function syncOnce(batch: readonly (readonly [Account, Ask])[]): Promise<void> {
    counts.syncs++
    const sentAtMs = clock.monotonicMs()
    const items = batch.map(([account, { need, least, more }]): LeaseSyncItem => {
      // What came back since the question was noted is not asked for again.
      const lacking = need === 0n ? ZERO_USD : maxUsd(ZERO_USD, nanoUsd(need - balanceOf(account)))
      return {
        counter: account.counter,
        limit: account.limit,
        granted: account.granted,
        returned: account.durableReturned,
        charged: account.durableCharged,
        uncharged: nanoUsd(account.uncharged + account.charged - account.durableCharged),
        least: maxUsd(ZERO_USD, nanoUsd(least - maxUsd(ZERO_USD, balanceOf(account)))),
        need: lacking,
        want: more ? maxUsd(lacking, account.slice) : lacking,
        close: false,
      }
    })
    for (const [at, result] of (await source.sync(identity, items)).entries()) {
      holder.granted(result, sentAtMs)
      const account = batch[at]?.[0]
      if (account) account.toldCharged = items[at]?.charged ?? account.toldCharged
      if (
        account &&
        (result.verdict === 'exhausted' ||
          (result.available === 0n && batch[at]?.[1].more === true && items[at]?.need === 0n))
      ) {
        account.exhaustedUntilMs = clock.monotonicMs() + EXHAUSTED_MS * (0.75 + random() / 4)
      }
      if (account && result.verdict === 'pending') account.askAgainAtMs = clock.monotonicMs() + result.retryAfterMs
    }
  }

  /** What to do about a request that is short: refuse it now, or let it wait. */
  function judgeShort(request: ReserveRequest, slots: readonly Slot[]): ReserveOutcome | null {
    const nowMs = clock.monotonicMs()
    for (const slot of slots) {
      const { account } = slot
      if (nowMs >= account.believedUntilMs || nowMs >= account.exhaustedUntilMs) continue
      // Money that running requests hold may still come back.
      const possible = maxUsd(ZERO_USD, balanceOf(account)) + account.uncharged
      if (possible < request.bound) {
        counts.exhausted++
        return { kind: 'exhausted', shortage: shortageOf(slot, request.bound) }
      }
    }
    return null
  }

  function askFor(request: ReserveRequest, slots: readonly Slot[]): void {
    const nowMs = clock.monotonicMs()
    for (const { account } of slots) {
      if (nowMs < account.believedUntilMs && (nowMs < account.exhaustedUntilMs || nowMs < account.askAgainAtMs))
        continue
      ask(account, { need: request.bound, least: request.least, more: true })
    }
  }

  function reserve(request: ReserveRequest): ReserveOutcome | Promise<ReserveOutcome> {
    const first = attempt(request)
    if ('kind' in first) return first
    const refused = judgeShort(request, first)
    if (refused) return refused
    if (waiters.length >= WAITING_MAX) return busy(request, first)
    return new Promise((resolve) => {
      waiters.push({ request, deadlineMs: clock.monotonicMs() + WAIT_MS, resolve })
      request.signal.addEventListener('abort', wake, { once: true })
      _timer ??= setTimeout(onTimer, WAIT_MS / 20)
      askFor(request, first)
    })
  }

  function onTimer(): void {
    _timer = null
    wake()
    if (waiters.length > 0) _timer ??= setTimeout(onTimer, WAIT_MS / 20)
  }

  /** In order of arrival, each waiter that can go on goes on. */
  function wake(): void {
    if (waiters.length === 0) return
    const still: Waiter[] = []
    const looking = waiters
    waiters = []
    for (const waiter of looking) {
      const outcome = look(waiter)
      if (outcome) waiter.resolve(outcome)
      else still.push(waiter)
    }
    waiters = [...still, ...waiters]
  }

  function look(waiter: Waiter): ReserveOutcome | null {
    const { request, deadlineMs } = waiter
    if (request.signal.aborted) return { kind: 'abandoned' }
    const result = attempt(request)
    if ('kind' in result) return result
    const refused = judgeShort(request, result)
    if (refused) return refused
    if (clock.monotonicMs() >= deadlineMs) return busy(request, result)
    if (!syncing) askFor(request, result)
    return null
  }

  function busy(request: ReserveRequest, slots: readonly Slot[]): ReserveOutcome {
    counts.busy++
    const [slot] = slots
    const shortage: Shortage = slot
      ? shortageOf(slot, request.bound)
      : { budgetName: '', subject: '', limit: ZERO_USD, available: ZERO_USD, asked: request.bound, resetsAtMs: null }
    return { kind: 'busy', shortage, retryAfterMs: WAIT_MS }
  }

  return {
    reserve,
    release: (reservation) => {
      holder.release(accountsOf(reservation), reservation.bound)
      wake()
    },
    wake,
    returnIdle: async (all) => {
      const nowMs = clock.monotonicMs()
      for (const account of holder.accounts.values()) {
        if (!all && nowMs - account.usedAtMs < IDLE_MS) continue
        if (balanceOf(account) <= 0n && account.toldCharged === account.charged) continue
        holder.giveBack(account)
        ask(account, { need: ZERO_USD, least: ZERO_USD, more: false })
      }
      await syncing
    },
    stats: () => ({
      ...counts,
      waiting: waiters.length,
      wouldDeny: holder.wouldDeny,
      reservedUsd: [...holder.accounts.values()].reduce((sum, { uncharged }) => sum + Number(uncharged), 0) / 1e9,
    }),
  }
}

/** The accounts behind a reservation: its holds are those. */
export const accountsOf = (reservation: Reservation): readonly Account[] =>
  reservation.holds.filter((hold) => hold instanceof Account)

const shortageOf = ({ budget, subject, account }: Slot, asked: NanoUsd): Shortage => ({
  budgetName: budget.name,
  subject,
  limit: account.limit,
  available: maxUsd(ZERO_USD, balanceOf(account)),
  asked,
  resetsAtMs: Number.isFinite(account.period.endsAtMs) ? account.period.endsAtMs : null,
})
