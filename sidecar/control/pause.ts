import type { Timers } from '../clock.ts'

/** The pauses of something that does one thing after the other; one at a time. */
export interface Pauses {
  /** Resolves after so long, or when somebody hurries; without a time only then. */
  wait(ms?: number): Promise<void>
  /** Ends the pause that is under way. */
  hurry(): void
}

/** Makes them. */
export function createPauses(timers: Timers): Pauses {
  let hurry = (): void => {}
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        const callOff = ms === undefined ? () => {} : timers.after(ms, resolve)
        hurry = () => {
          callOff()
          resolve()
        }
      }),
    hurry: () => hurry(),
  }
}

/** Between which times a failure is followed by another try. */
export interface Backoff {
  readonly firstMs: number
  readonly mostMs: number
}

/**
 * How long to wait after so many failures in a row, with equal jitter: half of it is certain, so that a control plane that
 * comes back is not met by all at once. @param random 0 to 1
 */
export const backoffMs = ({ firstMs, mostMs }: Backoff, failures: number, random: number): number =>
  Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 10)) * (0.5 + random / 2)
