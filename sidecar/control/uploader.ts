import type { EventBatchAnswer } from '@agentcostcontrol/contract'
import type { Timers } from '../clock.ts'
import type { SettledEvents } from '../events/settled-events.ts'
import { errorFields, type Logger } from '../log.ts'
import type { ControlPlaneClient } from './client.ts'
import { backoffMs, createPauses } from './pause.ts'

/** The outbox as the uploader sees it. */
export interface UploadSource {
  /** The number of the last event that the control plane has stored. */
  readonly uploaded: number
  /** The next events behind a number, in order; `null` if there are none. */
  settledAfter(seq: number, limit: number): Promise<SettledEvents | null>
  /** The control plane has stored everything behind `from` up to `seq`, `count` events. */
  acknowledge(from: number, seq: number, count: number): void
  /** Resolves when everything so far is on disk. */
  flush(): Promise<void>
}

/** Brings events up, off the request path: one batch at a time, in order, again until it is stored. */
export interface Uploader {
  /** There are new events. */
  wake(): void
  /** Brings up what is left and ends; gives up at the first failure, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
  stats(): UploadStats
}

/** For the metrics. */
export interface UploadStats {
  readonly events: Readonly<Record<'stored' | 'repeated' | 'refused', number>>
  readonly failures: number
}

/** What the uploader needs. */
export interface UploaderOptions {
  readonly source: UploadSource
  readonly client: Pick<ControlPlaneClient, 'sendEvents'>
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  readonly log: Logger
}

const BATCH_EVENTS = 500
/** New events wait so long for others, so that a busy sidecar sends few batches; they show up within a second. */
const GATHER_MS = 200
const BACKOFF = { firstMs: 500, mostMs: 15_000 } as const

/** Starts to bring up what the last process left, and then what comes. */
export function createUploader({ source, client, timers, random, log }: UploaderOptions): Uploader {
  const events = { stored: 0, repeated: 0, refused: 0 }
  let failures = 0
  let failuresInARow = 0
  let hasNews = true
  let draining = false
  const pauses = createPauses(timers)

  function count(
    from: number,
    batch: SettledEvents,
    { stored, repeated, refused, storedThrough }: EventBatchAnswer,
  ): void {
    if (storedThrough !== batch.last) throw new Error('the control plane acknowledged something else than was sent')
    events.stored += stored
    events.repeated += repeated
    events.refused += refused.length
    for (const { seq, reason } of refused.slice(0, 3))
      log.error('the control plane refused an event; it stays in the outbox', { seq, reason })
    source.acknowledge(from, batch.last, batch.count)
  }

  async function send(from: number, batch: SettledEvents): Promise<void> {
    count(from, batch, await client.sendEvents(batch.json))
    if (failuresInARow > 0) log.info('events reach the control plane again', { failures: failuresInARow })
    failuresInARow = 0
  }

  function failed(error: unknown): void {
    failures++
    failuresInARow++
    const tell = failuresInARow === 1 ? log.warn : log.debug
    tell('events do not reach the control plane; they are kept and sent again', errorFields(error))
  }

  async function step(): Promise<'sent' | 'empty' | 'failed'> {
    try {
      hasNews = false
      const from = source.uploaded
      const batch = await source.settledAfter(from, BATCH_EVENTS)
      if (batch === null) return 'empty'
      await send(from, batch)
      return 'sent'
    } catch (error) {
      failed(error)
      return 'failed'
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      const result = await step()
      if (draining && result !== 'sent') return
      if (result === 'failed') await pauses.wait(backoffMs(BACKOFF, failuresInARow, random()))
      else if (result === 'empty') {
        if (!hasNews) await pauses.wait()
        if (!draining) await pauses.wait(GATHER_MS)
      }
    }
  }

  const running = run()
  return {
    wake: () => {
      hasNews = true
      if (failuresInARow === 0) pauses.hurry()
    },
    drain: async (timeoutMs) => {
      // On a full disk what is there is brought up all the same.
      await source.flush().catch(() => {})
      draining = true
      pauses.hurry()
      let callOff = (): void => {}
      const late = new Promise<void>((resolve) => {
        callOff = timers.after(timeoutMs, resolve)
      })
      await Promise.race([running, late])
      callOff()
    },
    stats: () => ({ events, failures }),
  }
}
