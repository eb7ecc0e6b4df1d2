/** When requests that are alike count as a loop. */
export interface LoopSettings {
  readonly count: number
  readonly withinMs: number
}

/** What there is to remember of requests that are alike. */
export interface LoopCount {
  /** When those were asked that count from now on, ms on any one clock. */
  readonly times: readonly number[]
  /** Whether they are a loop: then it is counted from the begin. */
  readonly isLoop: boolean
}

/** Counts one more request that is like those before it. @param times of those that counted so far */
export function countAlike(times: readonly number[], nowMs: number, { count, withinMs }: LoopSettings): LoopCount {
  const counted = [...times.filter((time) => nowMs - time < withinMs), nowMs]
  return counted.length < count ? { times: counted, isLoop: false } : { times: NONE, isLoop: true }
}

const NONE: readonly number[] = []
