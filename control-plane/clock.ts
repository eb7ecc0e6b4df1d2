/** Time, handed in wherever it is needed, so that tests hold it. */
export interface Clock {
  /** Wall time in milliseconds since the epoch. */
  nowMs(): number
}

/** The machine's clock. */
export const systemClock: Clock = { nowMs: () => Date.now() }
