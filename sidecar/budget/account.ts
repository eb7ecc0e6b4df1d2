import { type Counter, counterKey, type NanoUsd, nanoUsd, type Period, ZERO_USD } from '@agentcostcontrol/contract'
import type { Reservation } from './types.ts'

/**
 * One lease of this holder. Its amounts change in holder.ts alone; `durable…` is what is on disk, `told…` what the
 * grantor knows. Times are monotonic ms unless they say otherwise.
 */
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
  toldReturned: NanoUsd = ZERO_USD
  toldCharged: NanoUsd = ZERO_USD
  /**
   * What the counter has left at the grantor, as far as is known here; negative where more is settled and set aside than
   * the limit: what comes free is then returned at once.
   */
  available: NanoUsd = ZERO_USD
  /** What was spent of the counter at the grantor's last answer. */
  spent: NanoUsd = ZERO_USD
  /** When that was last asked for by itself, on the monotonic clock. */
  spentAskedAtMs = Number.NEGATIVE_INFINITY
  /** Spent so far, the budget warns or does something. */
  pressedAt: NanoUsd = ZERO_USD
  /** Until when reservations may be made without asking, on both clocks (H1); -Infinity before the first answer. */
  believedUntilMs = Number.NEGATIVE_INFINITY
  believedUntilWallMs = Number.NEGATIVE_INFINITY
  /** The same on the wall clock, as the last process wrote it down; 0 for never. */
  storedUntilWallMs = 0
  /** Until when `exhausted` is remembered. */
  exhaustedUntilMs = Number.NEGATIVE_INFINITY
  /** Before then it is of no use to ask for more: the grantor said `pending`, or gave next to nothing. */
  askAgainAtMs = Number.NEGATIVE_INFINITY
  refillAgainAtMs = Number.NEGATIVE_INFINITY
  /** Size of the next grant that is asked for ahead of need, and the balance below which it is. */
  slice: NanoUsd = ZERO_USD
  lowWater: NanoUsd = ZERO_USD
  /** Time of the last reservation; of a lease that was fetched ahead, when its period begins. */
  usedAtMs = Number.NEGATIVE_INFINITY
  /** The largest reservation. */
  peak: NanoUsd = ZERO_USD
  /** True while its period has not begun here: nothing is reserved from it, and no later process believes it. */
  isAhead = false
  /** True while changes are not on disk. */
  dirty = false
  /** True once the grantor has closed the lease of an ended period: its row on disk goes too. */
  closed = false

  constructor(counter: Counter, generation: number, budgetName: string, period: Period, limit: NanoUsd) {
    this.counter = counter
    this.key = counterKey(counter)
    this.generation = generation
    this.budgetName = budgetName
    this.period = period
    this.limit = limit
  }
}

/** Balance B = G − R − C − Q. */
export const balanceOf = (account: Account): NanoUsd =>
  nanoUsd(account.granted - account.returned - account.charged - account.uncharged)

/** Whether the grantor knows of all that the account returned and was charged. */
export const isTold = (account: Account): boolean =>
  account.toldReturned === account.returned && account.toldCharged === account.charged

/** Money taken out of accounts for one attempt. It ends once, whoever tries to end it twice. */
export class LeaseReservation implements Reservation {
  readonly bound: NanoUsd
  readonly holds: readonly Account[]
  #open = true

  constructor(bound: NanoUsd, holds: readonly Account[]) {
    this.bound = bound
    this.holds = holds
  }

  /** True for the first caller alone. */
  end(): boolean {
    const wasOpen = this.#open
    this.#open = false
    return wasOpen
  }
}
