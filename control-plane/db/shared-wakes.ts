import type { RedisLink } from '../redis.ts'
import { afterCommit } from './database.ts'
import { parseWake, type Wakes, wakeText } from './wakes.ts'

/**
 * Wakes that Redis carries as well, beside the database's own. Each is then heard of twice, which says no more than once;
 * without Redis it is heard of once.
 */
export function shareWakes(wakes: Wakes, redis: Pick<RedisLink, 'publish' | 'subscribe'>): Wakes {
  return {
    announce: async (tx, topic, orgId) => {
      await wakes.announce(tx, topic, orgId)
      // Never before: whoever hears of it looks for it at once.
      afterCommit(tx, () => redis.publish(wakeText(topic, orgId)))
    },
    subscribe: (listener) => {
      const end = wakes.subscribe(listener)
      const unsubscribe = redis.subscribe((text) => {
        const wake = parseWake(text)
        if (wake !== null) listener(wake.topic, wake.orgId)
      })
      return () => {
        unsubscribe()
        end()
      }
    },
    close: wakes.close,
  }
}
