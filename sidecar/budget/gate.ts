import {
  type Counter,
  counterKey,
  LEASE_AHEAD_MS,
  maxUsd,
  type NanoUsd,
  nanoUsd,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import { type Account, balanceOf, isTold, LeaseReservation } from './account.ts'
import type { Match, Slot } from './books.ts'
import { type Ask, createLeaseSync, type LeaseSyncOptions } from './lease-sync.ts'
import { pressureOf } from './pressure.ts'
import type { BudgetGate, ReserveOutcome, ReserveRequest, Shortage } from './types.ts'

/** The gate that can be told of money that came back, and measured. */
export interface SpendGate extends BudgetGate {
  /** Money came back or was charged: those who wait look again, once this turn of the event loop is through. */
  wake(): void
  /** Returns what is free of these counters' leases: somebody else needs it. */
  recall(counters: readonly Counter[]): void
  /**
   * Returns what idle leases hold, and fetches those that are needed when a period ends; with `all`, returns everything.
   * Resolves when the grantor knows, or cannot be reached; with `all`, not in several tries.
   */
  returnIdle(all: boolean): Promise<void>
  stats(): GateStats
}

/** For the metrics. */
export interface GateStats {
  readonly reserved: number
  readonly exhausted: number
  readonly busy: number
  /** Requests that could not be answered at once. */
  readonly waited: number
  readonly syncs: number
  readonly syncFailures: number
  readonly waiting: number
  /** USD that running requests hold. */
  readonly reservedUsd: number
  readonly wouldDeny: number
}

/** What the gate needs: it talks to the grantor, and knows itself what to ask for and who waits for the answer. */
export interface GateOptions extends Omit<LeaseSyncOptions, 'demand' | 'onAnswer'> {
  /** Whether whoever grants leases is there, as far as is known beside the gate's own messages. */
  isConnected(): boolean
  /** Whether leases of the next period are fetched before it begins: not from a ledger in the same process. */
  readonly fetchesAhead: boolean
}

/** Longest wait for a lease, and most that wait at once. */
const WAIT_MS = 1_000
const WAITING_MAX = 1_024
/** How often those who wait look again without being woken. */
const LOOK_MS = 50
const IDLE_MS = 5_000
/** How often it is asked what is spent of a budget that warns or does something. */
const SPENT_EVERY_MS = 1_000
/** The latest that leases of the next period are fetched: time for a second try. Each sidecar has a moment of its own. */
const AHEAD_MS_MIN = 15_000
/** Subjects that asked for nothing for longer need no lease at once when a period begins; and most that are fetched at a time. */
const AHEAD_USED_MS = 60_000
const AHEAD_MAX = 256
/** So often, and for so long, everything is returned at the end: whoever stops the sidecar waits for it. */
const RETURN_TRIES = 4
const RETURN_MS_MAX = 6_000
/** Most leases that one look for idle money returns, so that it never holds up requests. */
const RETURNS_MAX = 512

/** A request that waits; it holds nothing. */
interface Waiter {
  readonly request: ReserveRequest
  readonly deadlineMs: number
  /** What it lacked when it last looked. */
  lacks: readonly Slot[]
  resolve(outcome: ReserveOutcome): void
}

/** Makes the gate. */
export function createBudgetGate(options: GateOptions): SpendGate {
  const { holder, clock, timers } = options
  const counts = { reserved: 0, exhausted: 0, busy: 0, waited: 0, wouldDeny: 0 }
  let waiters: Waiter[] = []
  /** What someone waits for: later requests do not take it from under him (H2). */
  let claimed: ReadonlySet<Account> = new Set()
  const refills = new Set<Account>()
  const ahead = new Map<Account, NanoUsd>()
  const aheadMs = AHEAD_MS_MIN + options.random() * (LEASE_AHEAD_MS - AHEAD_MS_MIN)
  const unmet = new Map<Account, number>()
  let callOff: (() => void) | null = null
  let waking = false
  const sync = createLeaseSync({ ...options, demand, onAnswer: lookAll })

  const isConnected = (): boolean => sync.isReachable && options.isConnected()

  function reserve(request: ReserveRequest): ReserveOutcome | Promise<ReserveOutcome> {
    const match = holder.match(request.lines)
    const first = attempt(request, match, claimed)
    if ('kind' in first) return first
    if (request.signal.aborted) return ABANDONED
    if (waiters.length >= WAITING_MAX) return busy(request, first)
    counts.waited++
    return new Promise((resolve) => {
      waiters.push({ request, deadlineMs: clock.monotonicMs() + WAIT_MS, lacks: first, resolve })
      claimed = new Set([...claimed, ...first.map(({ account }) => account)])
      request.signal.addEventListener('abort', wake, { once: true })
      callOff ??= timers.after(LOOK_MS, onTimer)
      if (first.some((slot) => isWorthAsking(slot, request))) sync.kick()
    })
  }

  /** Reserves, refuses, or tells what the request lacks. `taken`: accounts that others have waited for longer. */
  function attempt(
    request: ReserveRequest,
    match: Match,
    taken: ReadonlySet<Account>,
  ): ReserveOutcome | readonly Slot[] {
    const isAway = !isConnected()
    const refused = isAway ? match.slots.find(({ book }) => refusesAway(book.budget)) : undefined
    if (refused) {
      // So that it is noticed at once when the grantor is back.
      holder.tell(refused.account)
      sync.kick()
      return { kind: 'disconnected', shortage: shortageOf(refused, request.bound) }
    }
    const isBehind = taken.size > 0 && match.slots.some((slot) => taken.has(slot.account) && !passesAway(slot))
    const result = isBehind
      ? { kind: 'short' as const, slots: match.slots.filter((slot) => lacks(slot, request, taken)) }
      : holder.reserve(match, request.bound, isAway)
    if (result.kind === 'short') return refusal(request, result.slots) ?? result.slots
    counts.reserved++
    for (const slot of result.unmet) overdraw(slot.account)
    for (const account of match.accounts) if (balanceOf(account) < account.lowWater) refill(account)
    return { kind: 'reserved', reservation: result.reservation }
  }

  /** Whether the slot's budget lets pass uncovered what there is no lease for now (H8). */
  const passesAway = ({ book }: Slot): boolean => book.budget.onDisconnect === 'allow' && !isConnected()

  function lacks(slot: Slot, { bound }: ReserveRequest, taken: ReadonlySet<Account>): boolean {
    const { account, book } = slot
    if (passesAway(slot)) return false
    if (taken.has(account)) return true
    return book.budget.isHard && (balanceOf(account) < bound || !holder.isBelieved(account))
  }

  /** Asks ahead of need, unless the grantor just said that it has no more. */
  function refill(account: Account): void {
    if (clock.monotonicMs() < account.refillAgainAtMs || refills.has(account)) return
    holder.growSlice(account)
    refills.add(account)
    sync.kick()
  }

  /** A budget in audit mode was overdrawn: whether it would have refused is known when the grantor has answered. */
  function overdraw(account: Account): void {
    if (isExhausted(account) && reachable(account) < 0n) {
      counts.wouldDeny++
      return
    }
    unmet.set(account, (unmet.get(account) ?? 0) + 1)
    sync.kick()
  }

  /** What is spent may become less without a reservation here: a window goes on, a holder comes back. */
  function askSpent(key: string): void {
    const account = holder.accounts.get(key)
    const nowMs = clock.monotonicMs()
    if (!account || nowMs < account.spentAskedAtMs + SPENT_EVERY_MS) return
    account.spentAskedAtMs = nowMs
    holder.tell(account)
    sync.kick()
  }

  const isExhausted = (account: Account): boolean =>
    holder.isBelieved(account) && clock.monotonicMs() < account.exhaustedUntilMs

  /** The refusal, if a budget is exhausted for this much; it names the one with the least left. */
  function refusal(request: ReserveRequest, slots: readonly Slot[]): ReserveOutcome | null {
    let worst: Shortage | null = null
    for (const slot of slots) {
      const { account } = slot
      if (!isExhausted(account)) continue
      // Everything that this counter can still give: what running requests hold may come back.
      if (reachable(account) + account.uncharged >= request.bound) continue
      const shortage = shortageOf(slot, request.bound)
      if (worst === null || shortage.available < worst.available) worst = shortage
    }
    if (worst === null) return null
    counts.exhausted++
    return { kind: 'exhausted', shortage: worst }
  }

  /** False while the grantor's last answer already says that there is nothing to be had. */
  function isWorthAsking({ account, book }: Slot, { bound }: ReserveRequest): boolean {
    if (!book.budget.isHard) return false
    if (!holder.isBelieved(account)) return true
    if (balanceOf(account) >= bound) return false
    if (reachable(account) >= bound) return true
    const nowMs = clock.monotonicMs()
    return nowMs >= account.exhaustedUntilMs && nowMs >= account.askAgainAtMs
  }

  /** What the next message asks for: made of those who wait at this moment, so that nothing is asked for twice. */
  function demand(): ReadonlyMap<Account, Ask> {
    const asks = new Map<Account, Ask>()
    const wishes = new Map<Account, NanoUsd>()
    for (const { request, lacks } of waiters) {
      const { bound, least } = request
      for (const slot of lacks) {
        const { account } = slot
        wishes.set(account, nanoUsd((wishes.get(account) ?? 0n) + bound))
        if (!asks.has(account) && isWorthAsking(slot, request)) asks.set(account, { ...REFILL, need: bound, least })
      }
    }
    for (const [account, ask] of asks) asks.set(account, { ...ask, wish: wishes.get(account) ?? ZERO_USD })
    for (const account of refills) if (!asks.has(account)) asks.set(account, REFILL)
    refills.clear()
    for (const [account, wish] of ahead) if (!asks.has(account)) asks.set(account, { ...REFILL, wish })
    ahead.clear()
    for (const [account, count] of unmet) asks.set(account, { ...REFILL, need: ZERO_USD, unmet: count })
    unmet.clear()
    return asks
  }

  function onTimer(): void {
    callOff = null
    lookAll()
    if (waiters.length > 0) callOff ??= timers.after(LOOK_MS, onTimer)
  }

  function wake(): void {
    if (waiters.length === 0 || waking) return
    waking = true
    queueMicrotask(() => {
      waking = false
      lookAll()
    })
  }

  /** In order of arrival, each waiter that can go on goes on; what the others lack is not taken from them. */
  function lookAll(): void {
    if (waiters.length === 0) return
    const taken = new Set<Account>()
    const looking = waiters
    waiters = []
    for (const waiter of looking) {
      const outcome = look(waiter, taken)
      if (outcome === null) {
        waiters.push(waiter)
        for (const { account } of waiter.lacks) taken.add(account)
        continue
      }
      waiter.request.signal.removeEventListener('abort', wake)
      waiter.resolve(outcome)
    }
    claimed = taken
    if (waiters.length === 0) {
      callOff?.()
      callOff = null
    }
  }

  function look(waiter: Waiter, taken: ReadonlySet<Account>): ReserveOutcome | null {
    const { request, deadlineMs } = waiter
    if (request.signal.aborted) return ABANDONED
    const result = attempt(request, holder.match(request.lines), taken)
    if ('kind' in result) return result
    waiter.lacks = result
    if (clock.monotonicMs() >= deadlineMs) return busy(request, result)
    if (result.some((slot) => isWorthAsking(slot, request))) sync.kick()
    return null
  }

  function busy({ bound }: ReserveRequest, slots: readonly Slot[]): ReserveOutcome {
    counts.busy++
    const [slot] = slots
    const shortage: Shortage = slot
      ? shortageOf(slot, bound)
      : { budgetName: '', subject: '', limit: ZERO_USD, available: ZERO_USD, asked: bound, resetsAtMs: null }
    return { kind: 'busy', shortage, retryAfterMs: WAIT_MS }
  }

  /** Whether the ledger answers again. */
  async function isHeard(): Promise<boolean> {
    const [probe] = holder.accounts.values()
    if (!probe) return false
    holder.tell(probe)
    sync.kick()
    await sync.idle()
    return sync.isReachable
  }

  /** At a boundary all sidecars would ask at once, and their requests wait. */
  function fetchAhead(): void {
    if (!options.fetchesAhead) return
    const nowMs = clock.monotonicMs()
    for (const [account, wish] of holder.upcoming(aheadMs, AHEAD_USED_MS, AHEAD_MAX))
      if (nowMs >= account.refillAgainAtMs) ahead.set(account, wish)
    if (ahead.size > 0) sync.kick()
  }

  async function returnNow(all: boolean): Promise<void> {
    holder.turnBooks()
    // What a ledger does not hear of would be nobody's: it stays with its lease until a message is answered again.
    if (!sync.isReachable && !(await isHeard())) return
    if (!all) fetchAhead()
    const nowMs = clock.monotonicMs()
    let returns = 0
    for (const account of holder.accounts.values()) {
      const isOver = holder.isOver(account)
      if (all || isOver || nowMs - account.usedAtMs >= IDLE_MS) holder.giveBack(account)
      if (isTold(account) && !(isOver && account.uncharged === 0n)) continue
      holder.tell(account)
      returns++
      if (returns >= RETURNS_MAX && !all) break
    }
    if (holder.untold > 0) sync.kick()
    await sync.idle()
  }

  /** An answer that is under way may bring more, and a busy ledger may answer a later question alone. */
  async function returnAll(): Promise<void> {
    const startedMs = clock.monotonicMs()
    refills.clear()
    ahead.clear()
    for (let tries = 1; tries <= RETURN_TRIES; tries++) {
      await returnNow(true)
      const isAllTold = sync.isReachable && [...holder.accounts.values()].every(isTold)
      if (tries > 1 && (isAllTold || clock.monotonicMs() - startedMs > RETURN_MS_MAX)) return
    }
  }

  return {
    reserve,
    pressure: (lines) => {
      const pressed = pressureOf(holder.match(lines).slots)
      for (const { key } of pressed) askSpent(key)
      return pressed
    },
    release: (reservation) => {
      if (reservation instanceof LeaseReservation && holder.release(reservation)) wake()
    },
    wake,
    recall: (counters) => {
      for (const counter of counters) {
        const account = holder.accounts.get(counterKey(counter))
        if (account) holder.giveBack(account)
      }
      if (holder.untold > 0) sync.kick()
    },
    returnIdle: (all) => (all ? returnAll() : returnNow(false)),
    stats: () => {
      const { wouldDeny, ...messages } = sync.stats()
      const reserved = [...holder.accounts.values()].reduce((sum, { uncharged }) => sum + Number(uncharged), 0)
      return {
        ...counts,
        ...messages,
        wouldDeny: counts.wouldDeny + wouldDeny,
        waiting: waiters.length,
        reservedUsd: reserved / 1e9,
      }
    },
  }
}

/** What a request can have of the account now: its balance, and what the grantor still has, which makes good an overrun. */
function reachable(account: Account): NanoUsd {
  const { available, granted, returned, charged } = account
  const overrun = maxUsd(ZERO_USD, nanoUsd(returned + charged - granted))
  return nanoUsd(balanceOf(account) + available + (available > 0n ? overrun : 0n))
}

const refusesAway = ({ mode, onDisconnect }: CompiledBudget): boolean => mode === 'enforce' && onDisconnect === 'deny'

const ABANDONED: ReserveOutcome = { kind: 'abandoned' }
const REFILL: Ask = { need: null, least: ZERO_USD, wish: ZERO_USD, unmet: 0 }

const shortageOf = ({ book, subject, account }: Slot, asked: NanoUsd): Shortage => ({
  budgetName: book.budget.name,
  subject,
  limit: account.limit,
  available: maxUsd(ZERO_USD, reachable(account)),
  asked,
  resetsAtMs: Number.isFinite(account.period.endsAtMs) ? account.period.endsAtMs : null,
})
