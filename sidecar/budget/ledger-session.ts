import type { Holder, LeaseSyncItem, LeaseSyncResult } from '@agentcostcontrol/contract'
import type { Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import { type Hello, type LeaseSource, StaleHolderError, type Welcome } from './lease-source.ts'

/**
 * A holder's standing with its ledger. It may begin before the ledger was reached: what is on disk is spent then, and
 * hello is said as soon as it can be; and again when the ledger says that it is another one.
 */
export interface LedgerSession {
  /** Sends a message, after a hello where one is due. @throws if there is no answer */
  sync(items: readonly LeaseSyncItem[]): Promise<readonly LeaseSyncResult[]>
  close(): void
}

/** What a session needs. */
export interface LedgerSessionOptions {
  readonly source: LeaseSource
  readonly identity: Holder
  /** False if the ledger was not reached at the start. */
  readonly greeted: boolean
  /** Resolves when every change of the leases so far is on disk. */
  commit(): Promise<void>
  /** What is to be said now, of what is on disk. */
  hello(): Hello
  /** The ledger knows the holder as who it is. */
  onWelcome(welcome: Welcome): void
  /** It knows another one under this name: nothing may be reserved any more, what runs may end. */
  onFenced(): void
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  readonly log: Logger
}

const RETRY_MS = 500
const RETRY_MS_MAX = 5_000

/** Makes the session. */
export function createLedgerSession(options: LedgerSessionOptions): LedgerSession {
  const { source, identity, timers, random, log } = options
  let state: 'due' | 'greeted' | 'fenced' | 'closed' = options.greeted ? 'greeted' : 'due'
  let greeting: Promise<void> | null = null
  let failures = 0
  let callOff = (): void => {}

  async function greet(): Promise<void> {
    // A grant that was heard and is not on disk yet would be left out, and the ledger take itself for whole without it.
    await options.commit()
    const welcome = await source.hello(options.hello(), async () => {
      await options.commit()
      if (state !== 'due') throw new StaleHolderError(state)
      return options.hello().leases
    })
    if (state !== 'due') return
    if (welcome.generation !== identity.generation) {
      state = 'fenced'
      log.error('the ledger knows another holder under this name: nothing is reserved any more', {
        generation: identity.generation,
        known: welcome.generation,
      })
      options.onFenced()
      throw new StaleHolderError('fenced')
    }
    state = 'greeted'
    failures = 0
    options.onWelcome(welcome)
  }

  /** One hello at a time, whoever needs it. */
  function greetOnce(): Promise<void> {
    greeting ??= greet().finally(() => {
      greeting = null
    })
    return greeting
  }

  /** Says hello without being asked, until it is heard: events that were lost are sent again then. */
  function keepGreeting(): void {
    if (state !== 'due') return
    greetOnce().catch((error: unknown) => {
      if (state !== 'due') return
      failures++
      const tell = failures === 1 ? log.warn : log.debug
      tell('the ledger cannot be reached; leases that are on disk are spent', errorFields(error))
      const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2)
      callOff = timers.after(waitMs, keepGreeting)
    })
  }

  if (state === 'due') callOff = timers.after(RETRY_MS, keepGreeting)
  return {
    sync: async (items) => {
      if (state === 'due') await greetOnce()
      if (state !== 'greeted') throw new StaleHolderError(state)
      try {
        return await source.sync(identity, items)
      } catch (error) {
        if (error instanceof StaleHolderError && state === 'greeted') {
          state = 'due'
          keepGreeting()
        }
        throw error
      }
    },
    close: () => {
      state = 'closed'
      callOff()
    },
  }
}
