import { EMPTY_ENVIRONMENT } from '@agentcostcontrol/detectors'
import { Piscina } from 'piscina'
import { workerUrl } from '../worker-url.ts'
import { ScanFailedError, type ScanFailure } from './scan-failure.ts'
import type { ScanPool } from './scanner.ts'
import type { ScanReply, ScanTask } from './worker.ts'

/** A {@link ScanPool} that can be closed and measured. */
export interface ClosableScanPool extends ScanPool {
  stats(): {
    readonly queued: number
    readonly threads: number
    readonly failures: Readonly<Record<ScanFailure, number>>
  }
  close(): Promise<void>
}

const NOTHING: ScanTask = { detectorIds: [], canaries: [], environment: EMPTY_ENVIRONMENT, segments: [] }

/**
 * Workers for large new texts: they come when tasks queue and go when idle.
 * @param options.threadsMax most workers at once
 * @param options.queueMax most tasks that wait; one more is refused
 */
export function createScanPool(options: {
  readonly threadsMax: number
  readonly queueMax: number
  /** Told of a worker that cannot start, or ends while it has nothing to do; the next scan tries a new one. */
  onWorkerError(error: unknown): void
  /** The worker's code, for tests of what happens when it fails. */
  readonly worker?: URL
}): ClosableScanPool {
  const pool = new Piscina({
    filename: (options.worker ?? workerUrl('inspect/worker')).href,
    minThreads: 0,
    maxThreads: options.threadsMax,
    // One more for each worker that may die: see `wake`.
    maxQueue: options.queueMax + options.threadsMax,
    idleTimeout: 60_000,
    concurrentTasksPerWorker: 1,
    recordTiming: false,
    // Left to itself, the young generation of a busy isolate grows to 128 MB; scanning leaves next to no garbage.
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 3 },
  })
  // Unheard, it would end the process.
  pool.on('error', options.onWorkerError)
  const failures: Record<ScanFailure, number> = { overloaded: 0, 'timed-out': 0, 'worker-crashed': 0 }
  const fail = (reason: ScanFailure, options?: ErrorOptions): ScanFailedError => {
    failures[reason]++
    return new ScanFailedError(reason, options)
  }
  /** A worker that dies takes its place in the pool with it: without a new task nobody starts one for those that wait. */
  const wake = (): void => {
    if (pool.queueSize > 0) pool.run(NOTHING).catch(() => {})
  }
  return {
    run: async (task, timeoutMs) => {
      if (pool.queueSize >= options.queueMax) throw fail('overloaded')
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), timeoutMs)
      try {
        const result: ScanReply = await pool.run(task, { signal: abort.signal })
        return result
      } catch (cause) {
        wake()
        throw fail(abort.signal.aborted ? 'timed-out' : 'worker-crashed', { cause })
      } finally {
        clearTimeout(timer)
      }
    },
    stats: () => ({ queued: pool.queueSize, threads: pool.threads.length, failures }),
    close: () => pool.destroy(),
  }
}
