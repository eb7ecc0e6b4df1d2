import { errorFields, type Logger } from '../log.ts'
import { connectToHear, type OwnerSql, type Tx } from './database.ts'

const TOPICS = ['policy', 'leases', 'commands', 'intel'] as const

/** What of an organisation changed. */
export type WakeTopic = (typeof TOPICS)[number]

/** Told of a change; `orgId` is `null` where it may be any organisation's. */
export type WakeListener = (topic: WakeTopic, orgId: string | null) => void

/**
 * Says to every replica that something of an organisation changed, and never what: whoever hears it reads it from the
 * database. Nothing hangs on hearing: while no connection listens, subscribers hear "perhaps" about every second.
 */
export interface Wakes {
  /** Inside the transaction that changes it: said at its commit, and not at all without one. */
  announce(tx: Tx, topic: WakeTopic, orgId: string): Promise<void>
  /** Told of every announcement of any replica, and of "perhaps" (orgId `null`). @returns ends it */
  subscribe(listener: WakeListener): () => void
  close(): Promise<void>
}

/** What it needs. */
export interface WakesOptions {
  /** Of the database. */
  readonly url: string
  readonly log: Logger
  /** How often the connection has to prove that it hears, and how often "perhaps" is said while it does not. */
  readonly beatMs?: number
}

const CHANNEL = 'acc_wakes'
const BEAT_MS = 1_000
/** A connection that has answered nothing for so many beats is given up. */
const SILENT_BEATS_MAX = 5
const CLOSE_TIMEOUT_S = 1
const PAYLOAD = /^([a-z]+) ([0-9a-f-]{36})$/

/** A wake as it travels. */
export const wakeText = (topic: WakeTopic, orgId: string): string => `${topic} ${orgId}`

/** Reads a wake; `null` for what is none of ours, which a newer replica may say. */
export function parseWake(text: string): { readonly topic: WakeTopic; readonly orgId: string } | null {
  const [, name, orgId = ''] = PAYLOAD.exec(text) ?? []
  const topic = TOPICS.find((known) => known === name)
  return topic === undefined ? null : { topic, orgId }
}

/** A connection that listens, or is about to. */
interface Ear {
  readonly sql: OwnerSql
  /** Whether it listens. */
  hears: boolean
  /** Beats since it last answered. */
  silentBeats: number
}

/** Starts to listen, on a connection of its own that is made anew whenever it ends. */
export function createWakes({ url, log, beatMs = BEAT_MS }: WakesOptions): Wakes {
  const listeners = new Set<WakeListener>()
  let closed = false
  let outage = false

  function tell(topic: WakeTopic, orgId: string | null): void {
    for (const listener of listeners) {
      try {
        listener(topic, orgId)
      } catch (error) {
        log.error('what hears of changes failed', errorFields(error))
      }
    }
  }
  const perhaps = (): void => {
    for (const topic of TOPICS) tell(topic, null)
  }

  /** Connections are never used again after they ended: the driver's state of one that did is not whole. */
  function open(): Ear {
    const sql = connectToHear(url, {
      onclose: () => renew(made),
      onnotify: (_, payload) => {
        const wake = parseWake(payload)
        if (wake !== null) tell(wake.topic, wake.orgId)
      },
    })
    const made: Ear = { sql, hears: false, silentBeats: 0 }
    sql.unsafe(`LISTEN ${CHANNEL}`).then(
      () => {
        if (closed || ear !== made) return
        made.hears = true
        made.silentBeats = 0
        if (outage) log.info('changes are heard of again')
        outage = false
        // What was committed before this is told to nobody else.
        perhaps()
      },
      () => renew(made),
    )
    return made
  }

  /** Not at once: a database that refuses connections would be asked without a pause. */
  function renew(ended: Ear): void {
    if (closed || ear !== ended) return
    if (!outage) log.warn('changes are not heard of, and are looked for instead', { everyMs: beatMs })
    outage = true
    ear = null
    ended.sql.end({ timeout: CLOSE_TIMEOUT_S }).catch(() => {})
  }

  function beat(): void {
    const current = ear
    if (current === null) ear = open()
    if (current === null || !current.hears || current.silentBeats > 0) perhaps()
    if (current === null) return
    if (current.silentBeats >= SILENT_BEATS_MAX) renew(current)
    else if (current.silentBeats === 0 && current.hears) ask(current)
    else current.silentBeats++
  }

  /** A connection that is cut without a word looks like one on which nothing happens. */
  function ask(current: Ear): void {
    current.silentBeats = 1
    current.sql.unsafe('SELECT 1').then(
      () => {
        current.silentBeats = 0
      },
      () => renew(current),
    )
  }

  let ear: Ear | null = null
  ear = open()
  const timer = setInterval(beat, beatMs)
  return {
    announce: async (tx, topic, orgId) => {
      await tx`SELECT pg_notify(${CHANNEL}, ${wakeText(topic, orgId)})`
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: async () => {
      closed = true
      clearInterval(timer)
      await ear?.sql.end({ timeout: CLOSE_TIMEOUT_S })
    },
  }
}
