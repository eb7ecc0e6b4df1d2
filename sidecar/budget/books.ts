import { isLater, type Period, type PeriodRule, periodAt, periodOf, SUBJECT_OTHER } from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'
import type { Account } from './account.ts'
import type { KnownPeriod } from './lease-source.ts'

/** One budget: as the policy in force has it, in the period in force, with the subjects that have a counter in it. */
export interface Book {
  budget: CompiledBudget
  period: Period
  slots: Map<string, Slot>
}

/** A budget and subject in one period. */
export interface Slot {
  readonly subject: string
  readonly book: Book
  readonly account: Account
}

/** A book whose period ends soon, and the period that follows. */
export interface Ending {
  readonly book: Book
  readonly next: Period
}

/** What the books need of the holder. */
export interface BooksOptions {
  /** The budgets of the policy in force; another array when that changes. */
  budgets(): readonly CompiledBudget[]
  /** Periods that were in use before: none older than these is ever opened. */
  readonly periods: readonly KnownPeriod[]
  /** The accounts that a budget has in a period already. */
  accountsOf(uid: string, periodId: string): readonly Account[]
  open(book: Book, subject: string): Account
  /** An account is matched under this budget, perhaps with another limit than before. */
  use(account: Account, budget: CompiledBudget): void
  /** The budget's kind of period was edited: its accounts are no longer those of their subjects. */
  leave(uid: string): void
}

/** What the budgets of a request mean now. */
export interface Match {
  /** Each counter once. */
  readonly slots: readonly Slot[]
  /** Their accounts, in the same order. */
  readonly accounts: readonly Account[]
  /** When the first of their periods ends, ms since the epoch. */
  readonly endsAtMs: number
  readonly epoch: number
}

/**
 * Which counter a matched budget means now. The policy in force decides, not the one that a request was matched under,
 * so that a slow request cannot bring an old limit back. Periods of one kind never go back, whatever the clock does.
 */
export class Books {
  readonly #options: BooksOptions
  readonly #books = new Map<string, Book>()
  readonly #newest = new Map<string, Period>()
  #policy: readonly CompiledBudget[] = []
  #budgets = new Map<string, CompiledBudget>()
  /** Matches are remembered until a book turns or the policy changes. */
  readonly #matches = new WeakMap<readonly MatchedBudget[], Match>()
  readonly #next = new WeakMap<Period, Period>()
  #epoch = 0

  constructor(options: BooksOptions) {
    this.#options = options
    for (const { budgetUid, periodId } of options.periods) this.#meet(budgetUid, periodOf(periodId))
  }

  /** What the lines mean now. */
  match(lines: readonly MatchedBudget[], nowMs: number): Match {
    this.#followPolicy()
    const known = this.#matches.get(lines)
    if (known && known.epoch === this.#epoch && nowMs < known.endsAtMs) return known
    const slots = new Set<Slot>()
    for (const { budget, subject } of lines) slots.add(this.#slot(this.#book(budget, nowMs), subject))
    let endsAtMs = Number.POSITIVE_INFINITY
    for (const { account, book } of slots) {
      this.#options.use(account, book.budget)
      endsAtMs = Math.min(endsAtMs, book.period.endsAtMs)
    }
    const accounts = Array.from(slots, ({ account }) => account)
    const match: Match = { slots: [...slots], accounts, endsAtMs, epoch: this.#epoch }
    this.#matches.set(lines, match)
    return match
  }

  /** Turns every book whose period has ended. */
  turn(nowMs: number): void {
    this.#followPolicy()
    for (const [uid, book] of this.#books) {
      if (!isDue(book, nowMs)) continue
      if (this.#budgets.has(uid)) this.#turn(book, nowMs)
      else if (nowMs >= book.period.endsAtMs) {
        this.#books.delete(uid)
        this.#epoch++
      }
    }
  }

  /** The books of budgets in force whose period ends within some time, unless it is cut otherwise from then on. */
  ending(nowMs: number, withinMs: number): readonly Ending[] {
    this.#followPolicy()
    const ending: Ending[] = []
    for (const [uid, book] of this.#books) {
      const { budget, period } = book
      if (period.endsAtMs - nowMs > withinMs || isDue(book, nowMs) || !this.#budgets.has(uid)) continue
      if (budget.period.spec === period.spec) ending.push({ book, next: this.#following(budget.period, period) })
    }
    return ending
  }

  /** Whether nothing will be reserved from the account any more, also if the clock is set back from now on. */
  isOver({ counter, period }: Account, nowMs: number): boolean {
    const newest = this.#newest.get(nameOf(counter.budgetUid, period))
    if (newest && isLater(newest, period)) return true
    if (nowMs < period.endsAtMs || this.#books.get(counter.budgetUid)?.period.id === period.id) return false
    this.#meet(counter.budgetUid, periodAt(period, nowMs))
    return true
  }

  #followPolicy(): void {
    const policy = this.#options.budgets()
    if (policy === this.#policy) return
    this.#policy = policy
    this.#budgets = new Map(policy.map((budget) => [budget.uid, budget]))
    for (const [uid, book] of this.#books) book.budget = this.#budgets.get(uid) ?? book.budget
    this.#epoch++
  }

  #book(matched: CompiledBudget, nowMs: number): Book {
    const { uid } = matched
    const known = this.#books.get(uid)
    if (known) {
      const edited = known.budget.period.spec !== known.period.spec
      if (edited) this.#options.leave(uid)
      if (edited || isDue(known, nowMs)) this.#turn(known, nowMs)
      return known
    }
    const budget = this.#budgets.get(uid) ?? matched
    const book: Book = { budget, period: periodAt(budget.period, nowMs), slots: new Map() }
    this.#books.set(uid, book)
    this.#turn(book, nowMs)
    return book
  }

  /** Goes on to the period in force. Subjects have their seats for one period: in the next one they are given anew. */
  #turn(book: Book, nowMs: number): void {
    const { uid, period: rule } = book.budget
    book.slots = new Map()
    const isNew = this.#meet(uid, periodAt(rule, nowMs))
    book.period = this.#newest.get(nameOf(uid, rule)) ?? periodAt(rule, nowMs)
    if (!isNew)
      for (const account of this.#options.accountsOf(uid, book.period.id))
        book.slots.set(account.counter.subject, { subject: account.counter.subject, book, account })
    this.#epoch++
  }

  #slot(book: Book, asked: string): Slot {
    const seated = book.slots.size - (book.slots.has(SUBJECT_OTHER) ? 1 : 0)
    const subject = book.slots.has(asked) || seated < book.budget.maxSubjects ? asked : SUBJECT_OTHER
    const known = book.slots.get(subject)
    if (known) return known
    const slot: Slot = { subject, book, account: this.#options.open(book, subject) }
    book.slots.set(subject, slot)
    return slot
  }

  /** The period behind another one. A zone's midnights are looked for: not each time that somebody asks. */
  #following(rule: PeriodRule, period: Period): Period {
    const known = this.#next.get(period)
    if (known && known.resets === rule.resets) return known
    const next = periodAt(rule, period.endsAtMs)
    this.#next.set(period, next)
    return next
  }

  /** Notes a period of a budget. @returns true if it is newer than all that are cut as it is */
  #meet(uid: string, period: Period): boolean {
    const name = nameOf(uid, period)
    const newest = this.#newest.get(name)
    if (newest && !isLater(period, newest)) return false
    this.#newest.set(name, period)
    return true
  }
}

/** Whether the book's period has ended, or was begun anew by hand. */
const isDue = ({ budget, period }: Book, nowMs: number): boolean =>
  nowMs >= period.endsAtMs || (budget.period.spec === period.spec && budget.period.resets > period.resets)

const nameOf = (uid: string, { spec }: PeriodRule): string => `${uid}\u001f${spec}`
