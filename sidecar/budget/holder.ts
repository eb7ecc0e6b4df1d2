/**
 * The holder's ledger: leases and reservations in memory. Pure arithmetic over accounts; nothing here waits or touches a
 * disk. For each lease C + Q ≤ G − R holds, but for recorded overrun (I2).
 */
import {
  type Counter,
  counterKey,
  type LeaseSyncResult,
  type NanoUsd,
  nanoUsd,
  SUBJECT_OTHER,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import { type Period, periodAt } from './periods.ts'

/** Leases grow from a fiftieth to a twentieth of the limit: what a lost disk leaves open stays small. */
const FIRST_SLICE_PARTS = 50n

/** One lease of this holder. Its amounts change in this file alone; `durable…` is what is on disk. */
export class Account {
  readonly counter: Counter
  readonly key: string
  readonly generation: number
  readonly budgetName: string
  readonly period: Period
  limit: NanoUsd
  granted: NanoUsd = ZERO_USD
  returned: NanoUsd = ZERO_USD
  charged: NanoUsd = ZERO_USD
  uncharged: NanoUsd = ZERO_USD
  durableReturned: NanoUsd = ZERO_USD
  durableCharged: NanoUsd = ZERO_USD
  /** What the grantor has been told was charged, by this process. */
  toldCharged: NanoUsd = ZERO_USD
  /** Monotonic ms until which reservations may be made without asking (H1); -Infinity before the first answer. */
  believedUntilMs = Number.NEGATIVE_INFINITY
  /** Monotonic ms until which `exhausted` is remembered. */
  exhaustedUntilMs = Number.NEGATIVE_INFINITY
  /** Monotonic ms before which it is of no use to ask again: the grantor said `pending`. */
  askAgainAtMs = Number.NEGATIVE_INFINITY
  /** Size of the next grant that is asked for ahead of need. */
  slice: NanoUsd
  /** Monotonic ms of the last reservation. */
  usedAtMs = Number.NEGATIVE_INFINITY
  /** True while changes are not on disk. */
  dirty = false

  constructor(counter: Counter, generation: number, budgetName: string, period: Period, limit: NanoUsd) {
    this.counter = counter
    this.key = counterKey(counter)
    this.generation = generation
    this.budgetName = budgetName
    this.period = period
    this.limit = limit
    this.slice = nanoUsd(limit / FIRST_SLICE_PARTS)
  }
}

/** Balance B = G − R − C − Q. */
export const balanceOf = (account: Account): NanoUsd =>
  nanoUsd(account.granted - account.returned - account.charged - account.uncharged)

/** A budget and subject, whatever the period. */
export interface Slot {
  readonly subject: string
  budget: CompiledBudget
  account: Account
}

/** How a reservation went: `short` lists the slots that lack money. */
export type Attempt =
  | { readonly kind: 'reserved'; readonly accounts: readonly Account[] }
  | { readonly kind: 'short'; readonly slots: readonly Slot[] }

/** The holder. */
export class LeaseHolder {
  readonly #clock: Clock
  readonly #generation: number
  readonly #slots = new Map<string, Map<string, Slot>>()
  readonly #byLines = new WeakMap<readonly MatchedBudget[], readonly Slot[]>()
  /** Accounts that live: of the current period, or with money that is not settled. */
  readonly accounts = new Map<string, Account>()
  /** Newest period known of a budget and subject, from the disk: a period never goes back. */
  readonly #restored: ReadonlyMap<string, Account>
  #dirty: Account[] = []
  wouldDeny = 0

  /** @param restored accounts read from the disk, newest period of each budget and subject, by `uid subject` */
  constructor(clock: Clock, generation: number, restored: readonly Account[]) {
    this.#clock = clock
    this.#generation = generation
    const newest = new Map<string, Account>()
    for (const account of restored) {
      this.accounts.set(account.key, account)
      const name = slotName(account.counter.budgetUid, account.counter.subject)
      const known = newest.get(name)
      if (!known || known.counter.periodId < account.counter.periodId) newest.set(name, account)
    }
    this.#restored = newest
  }

  /** The slots of the lines, rolled over to the current period. */
  slots(lines: readonly MatchedBudget[]): readonly Slot[] {
    let slots = this.#byLines.get(lines)
    if (!slots) {
      slots = [...new Set(lines.map((line) => this.#slot(line)))]
      this.#byLines.set(lines, slots)
    }
    const nowMs = this.#clock.nowMs()
    for (const slot of slots) if (nowMs >= slot.account.period.endsAtMs) this.#rollOver(slot, nowMs)
    return slots
  }

  /** Takes `bound` from every slot in one step, or from none (H2). */
  reserve(slots: readonly Slot[], bound: NanoUsd): Attempt {
    const nowMs = this.#clock.monotonicMs()
    let short: Slot[] | null = null
    for (const slot of slots) {
      const { account } = slot
      if (balanceOf(account) >= bound && nowMs < account.believedUntilMs) continue
      if (slot.budget.mode === 'audit') {
        this.wouldDeny++
        continue
      }
      short ??= []
      short.push(slot)
    }
    if (short) return { kind: 'short', slots: short }
    const accounts: Account[] = []
    for (const { account } of slots) {
      account.uncharged = nanoUsd(account.uncharged + bound)
      account.usedAtMs = nowMs
      accounts.push(account)
    }
    return { kind: 'reserved', accounts }
  }

  /** Gives a reservation back whose attempt was never sent. */
  release(accounts: readonly Account[], bound: NanoUsd): void {
    for (const account of accounts) account.uncharged = nanoUsd(account.uncharged - bound)
  }

  /** Turns a reservation into a charge, on the leases that it was taken from, whatever changed since (I5). */
  charge(accounts: readonly Account[], bound: NanoUsd, charged: NanoUsd): void {
    for (const account of accounts) {
      account.uncharged = nanoUsd(account.uncharged - bound)
      account.charged = nanoUsd(account.charged + charged)
      this.#touch(account)
    }
  }

  /** Takes the grantor's answer in. @param sentAtMs when the question was sent, monotonic */
  granted(result: LeaseSyncResult, sentAtMs: number): void {
    const account = this.accounts.get(counterKey(result.counter))
    if (!account) return
    if (result.granted > account.granted) {
      account.granted = result.granted
      this.#touch(account)
    }
    account.believedUntilMs = sentAtMs + result.ttlMs
  }

  /** Returns what is free of an account; the grantor is told once it is on disk (H6). */
  giveBack(account: Account): void {
    const balance = balanceOf(account)
    if (balance <= 0n) return
    account.returned = nanoUsd(account.returned + balance)
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

  #touch(account: Account): void {
    if (account.dirty) return
    account.dirty = true
    this.#dirty.push(account)
  }

  #slot(line: MatchedBudget): Slot {
    const { budget } = line
    let bySubject = this.#slots.get(budget.uid)
    if (!bySubject) {
      bySubject = new Map()
      this.#slots.set(budget.uid, bySubject)
    }
    const subject = bySubject.has(line.subject) || bySubject.size < budget.maxSubjects ? line.subject : SUBJECT_OTHER
    const known = bySubject.get(subject)
    if (known) {
      this.#adopt(known, budget)
      return known
    }
    const period = periodAt(budget.period, this.#clock.nowMs())
    const restored = this.#restored.get(slotName(budget.uid, subject))
    const account = restored && restored.counter.periodId >= period.id ? restored : this.#open(budget, subject, period)
    account.limit = budget.limit
    const slot: Slot = { subject, budget, account }
    bySubject.set(subject, slot)
    return slot
  }

  /** A new revision of a budget: a lowered limit takes the free money back, so that it is granted anew or not. */
  #adopt(slot: Slot, budget: CompiledBudget): void {
    if (slot.budget === budget) return
    const { account } = slot
    const samePeriod = slot.budget.period === budget.period
    if (budget.limit < account.limit) this.giveBack(account)
    account.limit = budget.limit
    account.exhaustedUntilMs = Number.NEGATIVE_INFINITY
    slot.budget = budget
    if (!samePeriod) slot.account = this.#open(budget, slot.subject, periodAt(budget.period, this.#clock.nowMs()))
  }

  #rollOver(slot: Slot, nowMs: number): void {
    const period = periodAt(slot.budget.period, nowMs)
    if (period.id <= slot.account.counter.periodId) return
    this.giveBack(slot.account)
    slot.account = this.#open(slot.budget, slot.subject, period)
    this.#forget()
  }

  /** Accounts of ended periods go once nothing runs on them and all is on disk. */
  #forget(): void {
    const current = new Set(
      [...this.#slots.values()].flatMap((bySubject) => [...bySubject.values()].map(({ account }) => account)),
    )
    for (const [key, account] of this.accounts) {
      if (!current.has(account) && account.uncharged === 0n && !account.dirty) this.accounts.delete(key)
    }
  }

  #open(budget: CompiledBudget, subject: string, period: Period): Account {
    const counter: Counter = { budgetUid: budget.uid, subject, periodId: period.id }
    const known = this.accounts.get(counterKey(counter))
    if (known) return known
    const account = new Account(counter, this.#generation, budget.name, period, budget.limit)
    this.accounts.set(account.key, account)
    this.#touch(account)
    return account
  }
}

const slotName = (uid: string, subject: string): string => `${uid}\u001f${subject}`
