/** How fast something may go, and for how long it is held to that. */
export interface Pace {
  readonly requestsPerMinute: number
  readonly forMs: number
}

const MINUTE_MS = 60_000
/** So much of a pace may come at once. */
const AT_ONCE_MS = 1_000

interface Entry {
  readonly gapMs: number
  readonly untilMs: number
  /** When the next request may pass. */
  nextMs: number
}

/**
 * Lets some requests a minute pass for each key that is slowed down: they are given out evenly, and a second's worth may
 * come at once. Times are monotonic ms.
 */
export class Throttle {
  readonly #entries = new Map<string, Entry>()
  readonly #keysMax: number

  /** @param keysMax keys that are remembered; when full, the one that was slowed down longest ago goes free */
  constructor(keysMax: number) {
    this.#keysMax = keysMax
  }

  /** Slows a key down from now on, or goes on with it. The next request of one that was not passes. */
  slow(key: string, { requestsPerMinute, forMs }: Pace, nowMs: number): void {
    const known = this.#entries.get(key)
    this.#entries.delete(key)
    const [oldest] = this.#entries.size >= this.#keysMax ? this.#entries.keys() : []
    if (oldest !== undefined) this.#entries.delete(oldest)
    const gapMs = MINUTE_MS / requestsPerMinute
    this.#entries.set(key, { gapMs, untilMs: nowMs + forMs, nextMs: known?.nextMs ?? Number.NEGATIVE_INFINITY })
  }

  /** @returns 0 if a request may pass, else after how many ms another one may */
  take(key: string, nowMs: number): number {
    const entry = this.#entries.get(key)
    if (entry === undefined) return 0
    if (nowMs >= entry.untilMs) {
      this.#entries.delete(key)
      return 0
    }
    if (nowMs < entry.nextMs) return Math.ceil(entry.nextMs - nowMs)
    entry.nextMs = Math.max(entry.nextMs, nowMs - Math.max(0, AT_ONCE_MS - entry.gapMs)) + entry.gapMs
    return 0
  }

  /** Keys that are slowed down, or were until a while ago. */
  get size(): number {
    return this.#entries.size
  }
}
