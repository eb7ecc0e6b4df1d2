import type { Clock } from '../clock.ts'

/**
 * The time of whoever grants leases, as far as its answers tell: periods begin and end by it, so that a clock of this
 * machine that is wrong changes nothing. Before the first answer it is this machine's.
 */
export class LedgerTime {
  readonly #clock: Clock
  #offsetMs: number | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes an answer in. It is counted from the question, so that no period is taken to last longer than it does (H1). */
  hear(ledgerMs: number, askedAtMonotonicMs: number): void {
    this.#offsetMs = ledgerMs - askedAtMonotonicMs
  }

  /** Ms since the epoch. */
  nowMs(): number {
    return this.#offsetMs === null ? this.#clock.nowMs() : Math.floor(this.#clock.monotonicMs() + this.#offsetMs)
  }
}
