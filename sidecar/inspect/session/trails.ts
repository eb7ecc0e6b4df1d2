import type { Finding } from '@agentcostcontrol/contract'
import type { SeenUnit } from './session-request.ts'
import type { SessionState } from './state.ts'

/** What was found in a unit of a request, and in which of its texts. */
export interface UnitPlace {
  /** Where the unit stands among those of the request. */
  readonly unit: number
  /** Where the text stands in it. */
  readonly at: number
  readonly finding: Finding
}

/** The last request of a session: the scan gives the same unit again as long as its texts are the same, at the same places. */
export interface Trail {
  readonly units: readonly SeenUnit[]
  readonly found: readonly UnitPlace[]
}

/** Of so many sessions it is kept: more than the scan keeps conversations of would be for nothing. */
const TRAILS_MAX = 64

/** The last requests of the sessions that were used last. */
export class Trails {
  readonly #trails = new Map<SessionState, Trail>()

  /** The last request of a session. */
  of(session: SessionState): Trail | undefined {
    return this.#trails.get(session)
  }

  /** Remembers a request. */
  set(session: SessionState, trail: Trail): void {
    this.#trails.delete(session)
    const [oldest] = this.#trails.keys()
    if (oldest !== undefined && this.#trails.size >= TRAILS_MAX) this.#trails.delete(oldest)
    this.#trails.set(session, trail)
  }
}
