/**
 * A worker thread that wakes its parent at a steady rate. Node's timers step by milliseconds, which would send two or
 * more requests at once; a wait on shared memory does not, and leaves the core to others between the beats.
 */
import { parentPort, workerData } from 'node:worker_threads'

/** Shared with the parent. */
export interface MetronomeData {
  readonly intervalMs: number
  /** Its first element is set to 1 and notified to end the thread. */
  readonly stop: Int32Array
}

function isMetronomeData(value: unknown): value is MetronomeData {
  return typeof value === 'object' && value !== null && 'intervalMs' in value && 'stop' in value
}

/** Milliseconds of the monotonic clock that all threads share; `performance.now()` counts from each thread's own start. */
export function sharedNowMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

if (parentPort !== null && isMetronomeData(workerData)) {
  const { intervalMs, stop } = workerData
  for (let due = sharedNowMs() + intervalMs; Atomics.load(stop, 0) === 0; due += intervalMs) {
    Atomics.wait(stop, 0, 0, Math.max(0, due - sharedNowMs()))
    // One message a request, with the time at which it was due.
    parentPort.postMessage(due)
  }
}
