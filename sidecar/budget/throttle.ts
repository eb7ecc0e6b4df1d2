/** Lets some requests a minute pass for each key: they are given out evenly, and a second's worth may come at once. */
export interface Throttle {
  /** @returns 0 if the request may pass, else after how many ms another one may */
  take(key: string, perMinute: number, nowMs: number): number
}

const MINUTE_MS = 60_000
/** Keys that are remembered; when full, the one that was seen first is forgotten. */
const KEYS_MAX = 10_000

/** Makes a throttle. Times are monotonic ms. */
export function createThrottle(): Throttle {
  /** When the next request may pass. */
  const nextAtMs = new Map<string, number>()
  return {
    take: (key, perMinute, nowMs) => {
      const next = nextAtMs.get(key) ?? Number.NEGATIVE_INFINITY
      if (next > nowMs) return Math.ceil(next - nowMs)
      const [oldest] = nextAtMs.size >= KEYS_MAX && !nextAtMs.has(key) ? nextAtMs.keys() : []
      if (oldest !== undefined) nextAtMs.delete(oldest)
      const gapMs = MINUTE_MS / perMinute
      nextAtMs.set(key, Math.max(next, nowMs - Math.max(0, 1_000 - gapMs)) + gapMs)
      return 0
    },
  }
}
