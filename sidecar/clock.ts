import { randomUUID } from 'node:crypto'
import { eventIdAt } from '@agentcostcontrol/contract'

/** Time, handed in wherever it is needed, so that tests hold it. */
export interface Clock {
  /** Wall time in milliseconds since the epoch. */
  nowMs(): number
  /** Monotonic milliseconds with a fraction, for durations. */
  monotonicMs(): number
}

/** Whole microseconds since a moment of the monotonic clock. */
export const usSince = (clock: Pick<Clock, 'monotonicMs'>, startedMs: number): number =>
  Math.max(0, Math.round((clock.monotonicMs() - startedMs) * 1_000))

/** Work for later, handed in like the clock. */
export interface Timers {
  /** Runs `work` once. @returns what calls it off */
  after(delayMs: number, work: () => void): () => void
}

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

/** The event loop's timers. */
export const systemTimers: Timers = {
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Makes the ids of events. @param atMs their `intentAt` */
export type NewId = (atMs: number) => string

/** Ids that begin with the time. */
export const timedId: NewId = (atMs) => eventIdAt(atMs, randomUUID())

/** Random UUIDs. */
export const randomId = (): string => randomUUID()
