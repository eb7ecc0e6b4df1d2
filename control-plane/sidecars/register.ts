import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { errorFields, type Logger } from '../log.ts'
import { type Heard, sidecarRepository } from './repository.ts'

/** What was heard of sidecars, on its way to the database. */
export interface Register {
  /** Never waits: what is new is written in a moment, and that one was heard of at all every few seconds. */
  hear(orgId: string, heard: Heard): void
  /** Writes down what is left. */
  close(): Promise<void>
}

/** What the register needs. */
export interface RegisterOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Logger
}

/** So long others are waited for: after a change of policy a thousand sidecars say so within a second. */
const GATHER_MS = 100
/** One that says nothing new is written down so seldom. */
const HEARD_AGAIN_MS = 5_000
const FORGOTTEN_MS = 7 * 24 * 60 * 60 * 1_000
const FORGET_EVERY_MS = 60 * 60 * 1_000
/** Instances that are remembered; beyond it the one heard of longest ago is written down again the next time. */
const REMEMBERED_MAX = 20_000

/** What was written down last of an instance, or is about to be. */
interface Known {
  readonly says: string
  readonly atMs: number
}

/** Makes the register. Nothing is lost with it but a moment: the next poll of a sidecar says everything again. */
export function createRegister({ database, clock, log }: RegisterOptions): Register {
  const known = new Map<string, Known>()
  /** By organisation, then by instance. */
  let pending = new Map<string, Map<string, Heard>>()
  const forgotten = new Map<string, number>()
  let timer: NodeJS.Timeout | null = null
  let writing: Promise<void> = Promise.resolve()

  function remember(key: string, says: string, atMs: number): void {
    known.delete(key)
    const [oldest] = known.keys()
    if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest)
    known.set(key, { says, atMs })
  }

  async function write(): Promise<void> {
    const batch = pending
    pending = new Map()
    for (const [orgId, heard] of batch) {
      try {
        await database.inOrg(orgId, async (tx) => {
          await sidecarRepository.hear(tx, [...heard.values()])
          if (!isTimeToForget(orgId)) return
          await sidecarRepository.forget(tx, FORGOTTEN_MS)
        })
      } catch (error) {
        log.warn('what sidecars say of themselves could not be written down', errorFields(error))
        // What they say the next time is new again.
        for (const instanceId of heard.keys()) known.delete(`${orgId} ${instanceId}`)
      }
    }
  }

  function isTimeToForget(orgId: string): boolean {
    const nowMs = clock.nowMs()
    if (nowMs - (forgotten.get(orgId) ?? 0) < FORGET_EVERY_MS) return false
    forgotten.set(orgId, nowMs)
    return true
  }

  const flush = (): Promise<void> => {
    timer = null
    writing = writing.then(write)
    return writing
  }

  return {
    hear: (orgId, heard) => {
      const key = `${orgId} ${heard.instanceId}`
      const says = JSON.stringify([heard.generation, heard.refused])
      const before = known.get(key)
      const nowMs = clock.nowMs()
      if (before?.says === says && nowMs - before.atMs < HEARD_AGAIN_MS) return
      remember(key, says, nowMs)
      const ofOrg = pending.get(orgId) ?? new Map<string, Heard>()
      pending.set(orgId, ofOrg.set(heard.instanceId, heard))
      timer ??= setTimeout(() => void flush(), GATHER_MS)
    },
    close: async () => {
      if (timer !== null) clearTimeout(timer)
      await flush()
    },
  }
}
