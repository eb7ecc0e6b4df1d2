import { Piscina } from 'piscina'
import { workerUrl } from '../worker-url.ts'
import { type ScanPool, ScanPoolFullError, ScanTimeoutError } from './scanner.ts'
import type { ScanResult } from './worker.ts'

/** A {@link ScanPool} that can be closed and measured. */
export interface ClosableScanPool extends ScanPool {
  stats(): { readonly queued: number; readonly threads: number; readonly full: number; readonly failed: number }
  close(): Promise<void>
}

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
    maxQueue: options.queueMax,
    idleTimeout: 60_000,
    concurrentTasksPerWorker: 1,
    recordTiming: false,
    // Left to itself, the young generation of a busy isolate grows to 128 MB; scanning leaves next to no garbage.
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 3 },
  })
  // Unheard, it would end the process.
  pool.on('error', options.onWorkerError)
  let full = 0
  let failed = 0
  return {
    run: async (task, timeoutMs) => {
      if (pool.queueSize >= options.queueMax) {
        full++
        throw new ScanPoolFullError('the scan queue is full')
      }
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), timeoutMs)
      try {
        const result: ScanResult = await pool.run(task, { signal: abort.signal })
        return result
      } catch (cause) {
        failed++
        throw new ScanTimeoutError('a scan did not finish', { cause })
      } finally {
        clearTimeout(timer)
      }
    },
    stats: () => ({ queued: pool.queueSize, threads: pool.threads.length, full, failed }),
    close: () => pool.destroy(),
  }
}
