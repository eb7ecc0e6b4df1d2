import { randomUUID } from 'node:crypto'

/** Time, handed in wherever it is needed, so that tests hold it. */
export interface Clock {
  /** Wall time in milliseconds since the epoch. */
  nowMs(): number
  /** Monotonic milliseconds with a fraction, for durations. */
  monotonicMs(): number
}

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

/** Makes the ids of events. */
export type NewId = () => string

/** Random UUIDs. */
export const randomId: NewId = () => randomUUID()
