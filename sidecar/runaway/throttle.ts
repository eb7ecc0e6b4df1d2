/** How an agent is slowed down. */
export interface ThrottleSettings {
  readonly requestsPerMinute: number
  readonly forMs: number
}

const AGENTS_MAX = 1_000
const MINUTE_MS = 60_000

/** A bucket of one token. */
interface Bucket {
  readonly everyMs: number
  readonly untilMs: number
  nextMs: number
}

/** Agents that are slowed down for a while: one request at a time, evenly spaced. By the monotonic clock. */
export class Throttle {
  readonly #agents = new Map<string, Bucket>()

  /** Slows an agent down from now on; its next request passes. */
  begin(agent: string, { requestsPerMinute, forMs }: ThrottleSettings, nowMs: number): void {
    const known = this.#agents.get(agent)
    this.#agents.delete(agent)
    const [oldest] = this.#agents.keys()
    if (this.#agents.size >= AGENTS_MAX && oldest !== undefined) this.#agents.delete(oldest)
    const nextMs = known?.nextMs ?? nowMs
    this.#agents.set(agent, { everyMs: MINUTE_MS / requestsPerMinute, untilMs: nowMs + forMs, nextMs })
  }

  /** Lets a request pass, or says how many ms it has to wait. */
  take(agent: string, nowMs: number): number {
    const bucket = this.#agents.get(agent)
    if (bucket === undefined) return 0
    if (nowMs >= bucket.untilMs) {
      this.#agents.delete(agent)
      return 0
    }
    if (nowMs < bucket.nextMs) return bucket.nextMs - nowMs
    bucket.nextMs = nowMs + bucket.everyMs
    return 0
  }

  /** Agents that are slowed down, or were until a while ago. */
  get size(): number {
    return this.#agents.size
  }
}
