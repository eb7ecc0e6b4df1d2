/** Decides which lane sends when: at once, by a schedule, or staggered. */
import { Worker } from 'node:worker_threads'
import type { Outcome } from './answers.ts'
import type { Lane, LaneListener } from './lane.ts'
import type { LoadOrder } from './load-protocol.ts'
import { type MetronomeData, sharedNowMs } from './metronome.ts'

/** What was answered since {@link Driver.record}. */
export interface Recording {
  /** All that were answered, whenever they began. */
  readonly requests: number
  /** Times of those that also began since. */
  readonly latenciesMs: readonly number[]
  readonly ttftsMs: readonly number[]
}

class Recorder implements Recording {
  requests = 0
  readonly latenciesMs: number[] = []
  readonly ttftsMs: number[] = []
  readonly #sinceMs = performance.now()

  add(startedAtMs: number, outcome: Outcome): void {
    this.requests += 1
    if (startedAtMs < this.#sinceMs) return
    this.latenciesMs.push(outcome.endedAtMs - startedAtMs)
    if (outcome.firstTokenAtMs !== null) this.ttftsMs.push(outcome.firstTokenAtMs - startedAtMs)
  }
}

/** Streams begin spread over this time, and each begins anew when it ends. */
const STAGGER_MS = 1000

/** Drives all lanes of one order. */
export class Driver implements LaneListener {
  /** Rejects at the first answer that is not whole; never resolves. */
  readonly failed: Promise<never>
  readonly #lanes: readonly Lane[]
  readonly #staggered: boolean
  readonly #metronome: { readonly worker: Worker; readonly stop: Int32Array; readonly ready: Promise<void> } | null
  #fail: (error: Error) => void = () => undefined
  #recorder = new Recorder()
  #sending = false
  #idle: Lane[] = []
  #staggerTimers: NodeJS.Timeout[] = []
  /** Times of requests that were due while every lane was busy; the schedule waits for nobody. */
  #overdueMs: number[] = []
  #onDrained: (() => void) | null = null

  constructor(order: LoadOrder, lanes: readonly Lane[]) {
    this.#lanes = lanes
    this.#staggered = order.stream
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => undefined)
    for (const lane of lanes) lane.listen(this)
    this.#idle = [...lanes]
    const { requestsPerSecond } = order
    this.#metronome = requestsPerSecond === null ? null : this.#startMetronome(1000 / requestsPerSecond)
  }

  /** Resolves when the schedule can be kept. */
  async ready(): Promise<void> {
    await this.#metronome?.ready
  }

  /** Begins to send. */
  start(): void {
    this.#sending = true
    if (this.#metronome !== null) return
    const now = performance.now()
    const lanes = this.#idle
    this.#idle = []
    for (const [index, lane] of lanes.entries()) {
      if (this.#staggered) this.#startLater(lane, (index * STAGGER_MS) / lanes.length)
      else lane.start(now)
    }
  }

  /** Begins a new recording. */
  record(): Recording {
    this.#recorder = new Recorder()
    return this.#recorder
  }

  /** Sends nothing more, and resolves when everything under way is answered. Rejects like {@link failed}. */
  drain(): Promise<void> {
    this.#sending = false
    this.#overdueMs = []
    if (this.#idle.length === this.#lanes.length) return Promise.resolve()
    const drained = new Promise<void>((resolve) => {
      this.#onDrained = resolve
    })
    return Promise.race([drained, this.failed])
  }

  onDone(lane: Lane, startedAtMs: number, outcome: Outcome): void {
    this.#recorder.add(startedAtMs, outcome)
    const dueMs = this.#metronome === null ? performance.now() : this.#overdueMs.shift()
    if (this.#sending && dueMs !== undefined) lane.start(dueMs)
    else this.#rest(lane)
  }

  onError(error: Error): void {
    this.#fail(error)
  }

  close(): void {
    for (const timer of this.#staggerTimers) clearTimeout(timer)
    if (this.#metronome === null) return
    Atomics.store(this.#metronome.stop, 0, 1)
    Atomics.notify(this.#metronome.stop, 0)
  }

  #startLater(lane: Lane, delayMs: number): void {
    const begin = (): void => {
      if (this.#sending) lane.start(performance.now())
      else this.#rest(lane)
    }
    this.#staggerTimers.push(setTimeout(begin, delayMs))
  }

  #rest(lane: Lane): void {
    this.#idle.push(lane)
    if (!this.#sending && this.#idle.length === this.#lanes.length) this.#onDrained?.()
  }

  #startMetronome(intervalMs: number): { worker: Worker; stop: Int32Array; ready: Promise<void> } {
    const stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    const workerData: MetronomeData = { intervalMs, stop }
    const worker = new Worker(new URL('./metronome.ts', import.meta.url), { workerData })
    worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
    const clocksApartMs = sharedNowMs() - performance.now()
    worker.on('message', (dueMs: number) => this.#sendDue(dueMs - clocksApartMs))
    return { worker, stop, ready: new Promise((resolve) => worker.once('message', () => resolve())) }
  }

  #sendDue(dueMs: number): void {
    if (!this.#sending) return
    const lane = this.#idle.pop()
    if (lane === undefined) this.#overdueMs.push(dueMs)
    else lane.start(dueMs)
  }
}
