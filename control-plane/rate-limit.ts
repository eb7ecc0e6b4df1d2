import type { Clock } from './clock.ts'

/** Bounds how often each caller may ask: a bucket of tokens each, that fills steadily. */
export interface RateLimit {
  /** Takes a token of a caller's. @returns 0, or the milliseconds until there is one */
  take(caller: string): number
}

/** How a limit is made. */
export interface RateLimitOptions {
  readonly clock: Clock
  readonly perSecond: number
  readonly burst: number
}

/** Callers that are remembered; beyond it the one that was seen longest ago begins anew. */
const CALLERS_MAX = 10_000

/** Makes a limit. It holds for this process: two replicas let twice as much through. */
export function createRateLimit({ clock, perSecond, burst }: RateLimitOptions): RateLimit {
  const buckets = new Map<string, { readonly tokens: number; readonly atMs: number }>()
  return {
    take: (caller) => {
      const nowMs = clock.nowMs()
      const { tokens, atMs } = buckets.get(caller) ?? { tokens: burst, atMs: nowMs }
      const filled = Math.min(burst, tokens + (Math.max(0, nowMs - atMs) * perSecond) / 1_000)
      buckets.delete(caller)
      const [oldest] = buckets.keys()
      if (buckets.size >= CALLERS_MAX && oldest !== undefined) buckets.delete(oldest)
      buckets.set(caller, { tokens: filled >= 1 ? filled - 1 : filled, atMs: nowMs })
      return filled >= 1 ? 0 : Math.ceil(((1 - filled) * 1_000) / perSecond)
    },
  }
}
