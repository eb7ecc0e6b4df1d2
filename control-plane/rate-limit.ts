import type { Clock } from './clock.ts'
import type { RedisLink } from './redis.ts'

/** Bounds how often each caller may ask: a bucket of tokens each, that fills steadily. */
export interface RateLimit {
  /** Takes a token of a caller's. @returns 0, or the milliseconds until there is one */
  take(caller: string): number | Promise<number>
}

/** How often a caller may ask. */
export interface Rate {
  readonly perSecond: number
  /** In one go. */
  readonly burst: number
}

/** How a limit is made. */
export interface RateLimitOptions extends Rate {
  readonly clock: Clock
}

/** Callers that are remembered; beyond it the one that was seen longest ago begins anew. */
const CALLERS_MAX = 10_000

/** Makes a limit. It holds for this process: two replicas let twice as much through. */
export function createRateLimit({ clock, perSecond, burst }: RateLimitOptions): { take(caller: string): number } {
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

/**
 * The same bucket, as the moment at which it will be full again (GCRA), in microseconds of Redis's own clock. The key goes
 * when the bucket is full.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = 1000000 / tonumber(ARGV[1])
local room = each * tonumber(ARGV[2])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + each
if full - now > room then return math.ceil((full - now - room) / 1000) end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0`

/**
 * Makes a limit that all replicas share. Each replica's own one is asked first and always: it costs nothing, keeps those
 * from Redis who are refused anyway, and is what holds while Redis does not answer.
 * @param name tells callers of one limit from those of another
 */
export function shareRateLimit(
  name: string,
  own: { take(caller: string): number },
  { perSecond, burst }: Rate,
  redis: Pick<RedisLink, 'ask'>,
): RateLimit {
  return {
    take: async (caller) => {
      const waitMs = own.take(caller)
      if (waitMs > 0) return waitMs
      const shared = await redis.ask((link) => link.eval(TAKE, 1, `acc:rate:${name}:${caller}`, perSecond, burst))
      return typeof shared === 'number' ? shared : 0
    },
  }
}
