/**
 * The holder's ledger: leases and reservations in memory. Pure arithmetic over accounts; nothing here waits or touches a
 * disk. For each lease C + Q ≤ G − R holds, but for recorded overrun (I2).
 */
import {
  type Counter,
  counterKey,
  type LeaseSyncResult,
  maxUsd,
  minUsd,
  NANO_USD_MAX,
  type NanoUsd,
  nanoUsd,
  type Period,
  parseUsd,
} from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import { Account, balanceOf, isTold, LeaseReservation } from './account.ts'
import { Books, type Match, type Slot } from './books.ts'
import type { GrantedLease, KnownPeriod } from './lease-source.ts'
import { pressedAt } from './pressure.ts'

/** Leases grow from a fiftieth to a twentieth of the limit: what a lost disk leaves open stays small. */
const FIRST_SLICE_PARTS = 50n
const LAST_SLICE_PARTS = 20n
const SLICE_MAX = parseUsd('50.00')

/** How a reservation went: `short` lists the slots that lack money; `unmet` those that let themselves be overdrawn. */
export type Attempt =
  | { readonly kind: 'reserved'; readonly reservation: LeaseReservation; readonly unmet: readonly Slot[] }
  | { readonly kind: 'short'; readonly slots: readonly Slot[] }

const NONE: readonly Slot[] = []

/** What the holder needs. */
export interface HolderOptions {
  readonly clock: Clock
  /** The time that periods begin and end by. */
  readonly time: Pick<Clock, 'nowMs'>
  readonly generation: number
  /** The budgets of the policy in force; another array when that changes. */
  budgets(): readonly CompiledBudget[]
  /** Leases of this generation, read from the disk. */
  readonly accounts: readonly Account[]
  /** The newest period of each budget that the grantor knows. */
  readonly periods: readonly KnownPeriod[]
}

/** The holder. */
export class LeaseHolder {
  readonly #clock: Clock
  readonly #time: Pick<Clock, 'nowMs'>
  readonly #generation: number
  readonly #books: Books
  /** Accounts that live: of the current period, or with money that is not settled. */
  readonly accounts = new Map<string, Account>()
  #dirty: Account[] = []
  /** Accounts that gave money back of which the grantor does not know. */
  readonly #untold = new Set<Account>()

  constructor({ clock, time, generation, budgets, accounts, periods }: HolderOptions) {
    this.#clock = clock
    this.#time = time
    this.#generation = generation
    for (const account of accounts) this.accounts.set(account.key, account)
    this.#books = new Books({
      budgets,
      periods: [
        ...periods,
        ...accounts.filter((account) => hasBegun(account, time.nowMs())).map(({ counter }) => counter),
      ],
      accountsOf: (uid, periodId) =>
        [...this.accounts.values()].filter(({ counter }) => counter.budgetUid === uid && counter.periodId === periodId),
      open: ({ budget, period }, subject) => this.#open(budget, period, subject),
      use: (account, budget) => this.#use(account, budget),
      leave: (uid) => this.#leave(uid),
    })
  }

  /** What the lines mean now: each counter once, in the period in force. */
  match(lines: readonly MatchedBudget[]): Match {
    return this.#books.match(lines, this.#time.nowMs())
  }

  /** True while reservations may be made from the account without asking (H1). */
  isBelieved(account: Account): boolean {
    return believedAt(account, this.#clock.monotonicMs(), this.#clock.nowMs())
  }

  /**
   * Takes `bound` from every slot in one step, or from none (H2). A budget that is not hard lets itself be overdrawn, and
   * one that allows it while the grantor is away (H8).
   */
  reserve({ slots, accounts }: Match, bound: NanoUsd, isAway = false): Attempt {
    const usedAtMs = this.#clock.monotonicMs()
    const wallMs = this.#clock.nowMs()
    let short: Slot[] | null = null
    let unmet: Slot[] | null = null
    for (const slot of slots) {
      if (balanceOf(slot.account) >= bound && believedAt(slot.account, usedAtMs, wallMs)) continue
      if (!slot.book.budget.isHard || (isAway && slot.book.budget.onDisconnect === 'allow')) {
        unmet ??= []
        unmet.push(slot)
      } else {
        short ??= []
        short.push(slot)
      }
    }
    if (short) return { kind: 'short', slots: short }
    for (const account of accounts) {
      account.uncharged = nanoUsd(account.uncharged + bound)
      account.usedAtMs = usedAtMs
      if (bound > account.peak) account.peak = bound
    }
    return { kind: 'reserved', reservation: new LeaseReservation(bound, accounts), unmet: unmet ?? NONE }
  }

  /** Gives a reservation back whose attempt was never sent. @returns false if it had ended before: nothing changed then */
  release(reservation: LeaseReservation): boolean {
    if (!reservation.end()) return false
    for (const account of reservation.holds) {
      account.uncharged = nanoUsd(account.uncharged - reservation.bound)
      if (account.available < 0n) this.#payBack(account)
    }
    return true
  }

  /**
   * Turns a reservation into a charge, on the leases that it was taken from, whatever changed since (I5).
   * @returns false if it had ended before: nothing changed then
   */
  charge(reservation: LeaseReservation, charged: NanoUsd): boolean {
    if (!reservation.end()) return false
    for (const account of reservation.holds) {
      account.uncharged = nanoUsd(account.uncharged - reservation.bound)
      account.charged = minUsd(NANO_USD_MAX, nanoUsd(account.charged + charged))
      this.#touch(account)
      if (account.available < 0n) this.#payBack(account)
    }
    return true
  }

  /** Takes the grantor's answer in. `sentAt…`: when the question was sent. */
  granted(account: Account, result: LeaseSyncResult, sentAtMs: number, sentAtWallMs: number): void {
    if (result.granted > account.granted) {
      account.granted = result.granted
      this.#touch(account)
    }
    account.available = result.available
    account.spent = result.spent
    account.believedUntilMs = sentAtMs + result.ttlMs
    account.believedUntilWallMs = sentAtWallMs + result.ttlMs
    if (account.available < 0n) this.#payBack(account)
  }

  /** The ledger tells of the leases of this generation: answers may have been lost, and it a copy. */
  welcome(leases: readonly GrantedLease[]): void {
    for (const { key, granted, returned, settled } of leases) {
      const account = this.accounts.get(key)
      if (!account) continue
      if (granted > account.granted) {
        account.granted = granted
        this.#touch(account)
      }
      account.toldReturned = returned
      account.toldCharged = settled
      if (!isTold(account)) this.#untold.add(account)
    }
  }

  /** Returns what is free of an account; the grantor is told once it is on disk (H6). */
  giveBack(account: Account): void {
    this.#return(account, balanceOf(account))
  }

  /** Asks for twice as much next time, within bounds. */
  growSlice(account: Account): void {
    this.#setSlice(account, nanoUsd(account.slice * 2n))
  }

  /** Takes at most `max` of the accounts whose returns the grantor does not know yet. */
  takeUntold(max: number): readonly Account[] {
    const taken: Account[] = []
    for (const account of this.#untold) {
      if (taken.length >= max) break
      taken.push(account)
      this.#untold.delete(account)
    }
    return taken
  }

  /** Sees to it that the grantor hears of the account. */
  tell(account: Account): void {
    this.#untold.add(account)
  }

  /** Accounts whose returns the grantor does not know yet. */
  get untold(): number {
    return this.#untold.size
  }

  /** Goes on to the period in force in every budget, also in those that nobody asks for. */
  turnBooks(): void {
    this.#books.turn(this.#time.nowMs())
  }

  /**
   * The accounts of periods that begin within some time, for which a lease is to be fetched ahead (H1): of subjects that
   * were used lately, of budgets that make requests wait. Each with the balance that it is going to need: what runs now,
   * and the largest request.
   */
  upcoming(withinMs: number, usedWithinMs: number, max: number): readonly (readonly [Account, NanoUsd])[] {
    const [nowMs, monotonicMs] = [this.#time.nowMs(), this.#clock.monotonicMs()]
    const found: (readonly [Account, NanoUsd])[] = []
    for (const { book, next } of this.#books.ending(nowMs, withinMs)) {
      if (!book.budget.isHard) continue
      for (const { subject, account: used } of book.slots.values()) {
        if (found.length >= max) return found
        if (monotonicMs - used.usedAtMs > usedWithinMs) continue
        const account = this.#open(book.budget, next, subject)
        this.#useLimit(account, book.budget.limit)
        account.isAhead = true
        account.usedAtMs = monotonicMs + next.startsAtMs - nowMs
        if (balanceOf(account) > 0n && this.isBelieved(account)) continue
        found.push([account, maxUsd(account.slice, nanoUsd(used.uncharged + used.peak))])
      }
    }
    return found
  }

  /** True once nothing can be reserved from the account any more. */
  isOver(account: Account): boolean {
    return this.#books.isOver(account, this.#time.nowMs())
  }

  /** The grantor has closed the lease of an ended period: nothing of it is kept. */
  forget(account: Account): void {
    account.closed = true
    this.accounts.delete(account.key)
    this.#untold.delete(account)
    this.#touch(account)
  }

  /** Accounts that changed since the last call, to be written down. */
  takeDirty(): readonly Account[] {
    if (this.#dirty.length === 0) return this.#dirty
    const dirty = this.#dirty
    this.#dirty = []
    for (const account of dirty) account.dirty = false
    return dirty
  }

  /** Puts accounts back that could not be written down. */
  stillDirty(accounts: readonly Account[]): void {
    for (const account of accounts) this.#touch(account)
  }

  /** Returns of what is free as much as the counter is above its limit. */
  #payBack(account: Account): void {
    this.#return(account, minUsd(balanceOf(account), nanoUsd(-account.available)))
  }

  #return(account: Account, amount: NanoUsd): void {
    if (amount <= 0n) return
    account.returned = nanoUsd(account.returned + amount)
    account.available = nanoUsd(account.available + amount)
    this.#touch(account)
    this.#untold.add(account)
  }

  /** The kind of the budget's period was edited: the next counter opens at what the grantor knows of this one. */
  #leave(uid: string): void {
    for (const account of this.accounts.values()) {
      if (account.counter.budgetUid !== uid) continue
      this.giveBack(account)
      account.believedUntilMs = Number.NEGATIVE_INFINITY
      if (!isTold(account)) this.#untold.add(account)
    }
  }

  #touch(account: Account): void {
    if (account.dirty) return
    account.dirty = true
    this.#dirty.push(account)
  }

  /** The account of a counter. It is made once: another lease on the same counter would spend the first one's money again. */
  #open(budget: CompiledBudget, period: Period, subject: string): Account {
    const counter: Counter = { budgetUid: budget.uid, subject, periodId: period.id }
    const known = this.accounts.get(counterKey(counter))
    if (known) return known
    const account = new Account(counter, this.#generation, budget.name, period, budget.limit)
    this.accounts.set(account.key, account)
    this.#touch(account)
    return account
  }

  /** The account is one of the period in force. */
  #use(account: Account, budget: CompiledBudget): void {
    this.#useLimit(account, budget.limit)
    account.pressedAt = pressedAt(budget, budget.limit)
    if (!account.isAhead) return
    account.isAhead = false
    this.#touch(account)
  }

  /** A lowered limit takes the free money back, so that it is granted anew or not; a raised one is news at once. */
  #useLimit(account: Account, limit: NanoUsd): void {
    if (account.slice === 0n || account.limit !== limit) {
      this.#setSlice(account, nanoUsd(limit / FIRST_SLICE_PARTS), limit)
      account.exhaustedUntilMs = account.askAgainAtMs = account.refillAgainAtMs = Number.NEGATIVE_INFINITY
    }
    if (limit === account.limit) return
    account.available = nanoUsd(account.available + limit - account.limit)
    if (limit < account.limit) this.giveBack(account)
    account.limit = limit
    this.#touch(account)
  }

  #setSlice(account: Account, slice: NanoUsd, limit: NanoUsd = account.limit): void {
    account.slice = minUsd(slice, minUsd(nanoUsd(limit / LAST_SLICE_PARTS), SLICE_MAX))
    account.lowWater = nanoUsd(account.slice / 2n)
  }
}

/** Whether an account on disk is of a period that was in use: not one that was only fetched for later. */
const hasBegun = ({ charged, storedUntilWallMs, period }: Account, nowMs: number): boolean =>
  charged > 0n || storedUntilWallMs > 0 || period.startsAtMs <= nowMs

const believedAt = (account: Account, monotonicMs: number, wallMs: number): boolean =>
  monotonicMs < account.believedUntilMs && wallMs < account.believedUntilWallMs
