import type { Clock, Timers } from '../../clock.ts'

/** A Monday, 2026-11-23, 12:00 UTC: the middle of a day, the begin of a week. */
export const MONDAY_NOON_MS = Date.UTC(2026, 10, 23, 12)

/** A clock that stands still until it is told to go, and the timers that hang on it. */
export class FakeTime implements Clock, Timers {
  #wallMs: number
  #monotonicMs = 0
  #timers: { readonly dueMs: number; readonly work: () => void }[] = []

  constructor(wallMs = MONDAY_NOON_MS) {
    this.#wallMs = wallMs
  }

  nowMs(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, work: () => void): () => void {
    const timer = { dueMs: this.#monotonicMs + delayMs, work }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  /** Lets time pass on both clocks. @returns how many timers ran; what they started is not waited for */
  pass(ms: number): number {
    this.#wallMs += ms
    this.#monotonicMs += ms
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.#monotonicMs)
    this.#timers = this.#timers.filter((timer) => !due.includes(timer))
    for (const { work } of due) work()
    return due.length
  }

  /** Somebody sets the clock; the monotonic one does not see it. */
  setWall(ms: number): void {
    this.#wallMs = ms
  }

  /** The process died: nothing that it had planned happens. */
  forgetTimers(): void {
    this.#timers = []
  }
}
