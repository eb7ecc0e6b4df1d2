import { SessionState } from './state.ts'

/** How many sessions are kept, and how many values over all of them. */
export interface SessionBounds {
  readonly sessionsMax: number
  readonly valuesMax: number
}

/** For the metrics. */
export interface SessionStats {
  readonly sessions: number
  readonly values: number
  /** Sessions that went for want of room. */
  readonly evicted: number
}

interface Entry {
  readonly state: SessionState
  /** Its values when it was last used, as counted in the sum. */
  values: number
}

/** Sessions by their key; the one that was not used longest goes first. */
export class SessionStore {
  readonly #bounds: SessionBounds
  readonly #sessions = new Map<string, Entry>()
  /** Where an answer is taken up by its id. */
  readonly #responses = new Map<string, string>()
  #values = 0
  #evicted = 0

  constructor(bounds: SessionBounds) {
    this.#bounds = bounds
  }

  /** Whether there is such a session. */
  has(key: string): boolean {
    return this.#sessions.has(key)
  }

  /** The session, which counts as used now; a new one if there is none. */
  open(key: string): SessionState {
    const known = this.#sessions.get(key)
    if (known) this.#remove(key, known)
    const entry = known ?? { state: new SessionState(), values: 0 }
    entry.values = entry.state.valueCount
    this.#sessions.set(key, entry)
    this.#values += entry.values
    return entry.state
  }

  /** The session is over. */
  close(key: string): void {
    const known = this.#sessions.get(key)
    if (known) this.#remove(key, known)
  }

  /** Counts what a session has become, and makes room. */
  settle(key: string): void {
    const entry = this.#sessions.get(key)
    if (entry) {
      this.#values += entry.state.valueCount - entry.values
      entry.values = entry.state.valueCount
    }
    if (!this.#isFull) return
    for (const [oldest, its] of this.#sessions) {
      if (this.#sessions.size <= 1 || !this.#isFull) break
      this.#remove(oldest, its)
      this.#evicted++
    }
  }

  /** An answer with this id ends a turn of the session: a request that names it goes on with it. */
  noteResponse(responseId: string, key: string): void {
    const [oldest] = this.#responses.keys()
    if (oldest !== undefined && this.#responses.size >= this.#bounds.sessionsMax) this.#responses.delete(oldest)
    this.#responses.set(responseId, key)
  }

  /** The session that an answer belonged to. */
  ofResponse(responseId: string): string | undefined {
    return this.#responses.get(responseId)
  }

  stats(): SessionStats {
    return { sessions: this.#sessions.size, values: this.#values, evicted: this.#evicted }
  }

  get #isFull(): boolean {
    return this.#sessions.size > this.#bounds.sessionsMax || this.#values > this.#bounds.valuesMax
  }

  #remove(key: string, { values }: Entry): void {
    this.#sessions.delete(key)
    this.#values -= values
  }
}
