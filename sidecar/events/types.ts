/**
 * The outbox: durable intent before dispatch, one event per exchange, bounded, at-least-once.
 */
import type { NanoUsd, UsageEvent } from '@agentcostcontrol/contract'
import type { Reservation } from '../budget/types.ts'

/** What is written down before an attempt is sent. `event` is what will be told if the process dies before settling. */
export interface Intent {
  readonly reservation: Reservation
  /** The event as it stands if nothing more is heard: outcome `unresolved`, charged at the bound. */
  readonly event: UsageEvent
  /** Its number while it is open; the outbox's own. */
  seq?: number | undefined
}

/** The one end of an intent. */
export interface Settlement {
  readonly intent: Intent
  /** What is charged to every hold of the reservation: exact even above the bound, zero if nothing was billed. */
  readonly charged: NanoUsd
  readonly event: UsageEvent
}

/** The store of intents and events as the pipeline sees it. */
export interface Outbox {
  /** False while nothing can be written down. */
  readonly writable: boolean
  /**
   * Resolves once the intent is on disk; all intents of one turn of the event loop share one transaction (H3).
   * @throws OutboxUnavailableError if it could not be written (disk full, outbox above its bound, closing); nothing may be sent then.
   */
  commitIntent(intent: Intent): Promise<void>
  /** Ends an intent; committed with the next group, never refused, never throws. Frees the reservation's remainder at once. */
  settle(settlement: Settlement): void
  /** Stores the event of an exchange that never had an intent (denied, unpriced endpoint, unbounded by policy). Never throws. */
  record(event: UsageEvent): void
}

/** Nothing could be written down, so nothing may be sent. */
export class OutboxUnavailableError extends Error {
  override readonly name = 'OutboxUnavailableError'
  readonly reason: 'full' | 'disk' | 'closed'
  constructor(reason: 'full' | 'disk' | 'closed', options?: ErrorOptions) {
    super(`the outbox cannot take an intent: ${reason}`, options)
    this.reason = reason
  }
}
