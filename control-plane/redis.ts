import { Redis } from 'ioredis'
import { errorFields, type Logger } from './log.ts'

/**
 * Redis as an accelerator across replicas: whatever it does not answer at once is done without it. Nothing is kept in it
 * that is missed when it is gone, and no money is ever counted there: its scripts hold numbers as doubles.
 */
export interface RedisLink {
  /**
   * Asks something; `null` if there is no answer within a few milliseconds. After that nobody is kept waiting again for a
   * second: those who ask meanwhile get `null` at once.
   */
  ask<T>(command: (redis: Redis) => Promise<T>): Promise<T | null>
  /** Says something to all replicas, this one included. Never waits; what is lost is lost. */
  publish(message: string): void
  /** Told of everything that is published. @returns ends it */
  subscribe(listener: (message: string) => void): () => void
  stats(): { readonly connected: boolean; readonly failures: number }
  close(): void
}

/** What the link needs. */
export interface RedisOptions {
  readonly url: string
  readonly log: Logger
}

const CHANNEL = 'acc:wakes'
/** Longest that an answer is waited for. */
const ANSWER_MS = 10
/** How long nobody waits after that. */
const REST_MS = 1_000
const RECONNECT_MS_MAX = 1_000
/** A connection on which nothing is answered for so long is given up. */
const SOCKET_TIMEOUT_MS = 5_000

const LATE = Symbol('late')

const retryStrategy = (times: number): number => Math.min(RECONNECT_MS_MAX, 25 * 2 ** Math.min(times, 10))

/** Begins to connect, and does so for as long as it takes; nobody waits for it. */
export function createRedisLink({ url, log }: RedisOptions): RedisLink {
  const listeners = new Set<(message: string) => void>()
  let failures = 0
  let resting = false
  let outage = false

  const commands = new Redis(url, {
    connectTimeout: RECONNECT_MS_MAX,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // Nothing is put off until it is back: whoever asked has gone on without it.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // Asked together in one turn of the event loop, sent together.
    enableAutoPipelining: true,
    retryStrategy,
  })
  const ear = new Redis(url, { connectTimeout: RECONNECT_MS_MAX, maxRetriesPerRequest: null, retryStrategy })
  commands.on('error', (error) => {
    if (!outage) log.warn('Redis does not answer; everything is done without it', errorFields(error))
    outage = true
  })
  commands.on('ready', () => {
    if (outage) log.info('Redis answers again')
    outage = false
  })
  // Told by the other connection.
  ear.on('error', () => {})
  ear.on('message', (_, message) => {
    for (const listener of listeners) listener(message)
  })
  // Made again by the driver whenever it connects.
  ear.subscribe(CHANNEL).catch(() => {})

  /** Counted from the asking; what has come in the same turn of the event loop has come in time. */
  function late(): { readonly passed: Promise<typeof LATE>; callOff(): void } {
    const { promise, resolve } = Promise.withResolvers<typeof LATE>()
    const timer = setTimeout(() => setImmediate(() => resolve(LATE)), ANSWER_MS)
    return { passed: promise, callOff: () => clearTimeout(timer) }
  }

  function rest(): void {
    failures++
    resting = true
    setTimeout(() => {
      resting = false
    }, REST_MS).unref()
  }

  const ask: RedisLink['ask'] = async (command) => {
    if (resting || commands.status !== 'ready') return null
    const { passed, callOff } = late()
    const answer = command(commands).catch((error) => {
      failures++
      log.debug('Redis refused a command', errorFields(error))
      return null
    })
    const result = await Promise.race([answer, passed])
    callOff()
    if (result !== LATE) return result
    if (!resting) rest()
    return null
  }

  return {
    ask,
    publish: (message) => void ask((redis) => redis.publish(CHANNEL, message)),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stats: () => ({ connected: commands.status === 'ready', failures }),
    close: () => {
      commands.disconnect()
      ear.disconnect()
    },
  }
}
