import type { Principal, TokenUsage, UsageEvent } from '@agentcostcontrol/contract'
import type { Clock } from '../clock.ts'

/** What the providers' prompt caches hold of conversations, as far as their answers told. */
export interface CacheMemory {
  note(event: UsageEvent): void
  /** Input tokens that the next request of the conversation is likely to read from the model's cache; 0 if none. */
  cached(principal: Principal, model: string): number
}

/** Providers keep a prompt for about so long. */
const KEPT_MS = 5 * 60_000
/** Conversations that are remembered; when full, the one that was noted first is forgotten. */
const CONVERSATIONS_MAX = 10_000

/** Makes a memory. */
export function createCacheMemory(clock: Pick<Clock, 'monotonicMs'>): CacheMemory {
  const known = new Map<string, { readonly tokens: number; readonly untilMs: number }>()
  return {
    note: ({ principal, attempts }) => {
      const attempt = attempts.at(-1)
      if (!attempt?.usage) return
      const key = keyOf(principal, attempt.requestedModel)
      const tokens = cachedOf(attempt.usage)
      known.delete(key)
      if (tokens === 0) return
      const [oldest] = known.size >= CONVERSATIONS_MAX ? known.keys() : []
      if (oldest !== undefined) known.delete(oldest)
      known.set(key, { tokens, untilMs: clock.monotonicMs() + KEPT_MS })
    },
    cached: (principal, model) => {
      const found = known.get(keyOf(principal, model))
      return found && clock.monotonicMs() < found.untilMs ? found.tokens : 0
    },
  }
}

/** What was read from the cache is in it, and what was written to it. */
const cachedOf = ({ cacheRead, cacheWrite5m, cacheWrite1h }: TokenUsage): number =>
  cacheRead + cacheWrite5m + cacheWrite1h

const keyOf = ({ agent, workflow, session }: Principal, model: string): string =>
  [agent, workflow, session, model].join('\u001f')
