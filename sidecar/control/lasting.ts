import type { Clock } from '../clock.ts'

/**
 * How long something lasts that was told as a duration: here by the monotonic clock, which nobody sets, and for the next
 * start by the other one.
 */
export interface Lasting {
  /** Infinite where it has no end. */
  readonly endsMonotonicMs: number
  readonly endsWallMs: number | null
  /** How long it was to last when it began: a clock that was turned back makes it no longer. */
  readonly forMs: number | null
}

/** Of it, what the next start needs. */
export type KeptLasting = Pick<Lasting, 'endsWallMs' | 'forMs'>

/** Begins now. @param forMs `null` for what does not end by itself */
export const lasting = (clock: Clock, forMs: number | null): Lasting => ({
  forMs,
  endsMonotonicMs: forMs === null ? Number.POSITIVE_INFINITY : clock.monotonicMs() + forMs,
  endsWallMs: forMs === null ? null : clock.nowMs() + forMs,
})

/** What the process before this one began; `null` where it is over. */
export function restored(clock: Clock, { endsWallMs, forMs }: KeptLasting): Lasting | null {
  const leftMs =
    endsWallMs === null || forMs === null ? Number.POSITIVE_INFINITY : Math.min(endsWallMs - clock.nowMs(), forMs)
  return leftMs > 0 ? { endsWallMs, forMs, endsMonotonicMs: clock.monotonicMs() + leftMs } : null
}

/** Milliseconds until it ends; 0 or less when it is over. */
export const leftOf = ({ endsMonotonicMs }: Lasting, clock: Clock): number => endsMonotonicMs - clock.monotonicMs()
