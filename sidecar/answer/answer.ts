/**
 * Stage 8 and the reading half of stage 9: what is done with the bytes that a provider sends back. One of three paths
 * is chosen by status and content type: raw (errors, pass-through), plain (one JSON body) or stream (server-sent events).
 */
import type { Code, EventFinding, Outcome } from '@agentcostcontrol/contract'
import type { AnswerFacts } from '../providers/provider.ts'
import type { Sink, Source } from './flow.ts'

/** The client's half of the exchange, as the answer paths see it. */
export interface Reply extends Sink {
  readonly headSent: boolean
  /**
   * Sends status and headers with the first bytes, or at the end of this turn of the event loop.
   * @param statusMessage the reason phrase, which may be empty; `null` for the usual one
   */
  head(status: number, statusMessage: string | null, headers: readonly string[]): void
  end(bytes?: Buffer): void
  /**
   * Counts bytes of the answer that are held until the exchange is over.
   * @returns false if too much is held of all exchanges: then no more is to be
   */
  hold(bytes: number): boolean
  /** Breaks the connection behind what was written: the client sees what it would have seen of a broken provider. */
  destroy(): void
}

/** Lets an answer path slow down or end the provider's side. */
export interface Upstream extends Source {
  /** Ends the call; the path is told nothing further. */
  abort(): void
}

/** How an answer ended, for metering, settlement and the event. */
export interface AnswerResult {
  readonly outcome: Outcome
  readonly code: Code | null
  readonly clientStatus: number | null
  readonly facts: AnswerFacts | null
  /** UTF-8 bytes of output seen; `null` where the answer was not read. */
  readonly outputBytes: number | null
  /** True if the provider may have been ahead of what was read when the answer was ended early. */
  readonly readingWasPaused: boolean
  /** False if the answer stopped without its own end: the provider may have made more than was seen. */
  readonly endSeen: boolean
  readonly findings: readonly EventFinding[]
}

/** How a provider's answer breaks off. */
export type UpstreamFault = 'acc_upstream_cut' | 'acc_upstream_timeout'

/** One path. */
export interface Answer {
  data(chunk: Buffer): void
  /** The provider's answer is complete. */
  end(): void
  /** The provider's answer broke off, or nothing more came of it in time. */
  fail(code: UpstreamFault): void
  /** The client left, and the provider's side was ended. */
  abandon(): void
}

/** Told once by each path when nothing more will happen. */
export type Finish = (result: AnswerResult) => void

/** A result with nothing read. @param findings that nothing was, where somebody wanted it to be */
export const unread = (
  outcome: Outcome,
  code: Code | null,
  clientStatus: number | null,
  findings: readonly EventFinding[] = [],
): AnswerResult => ({
  outcome,
  code,
  clientStatus,
  facts: null,
  outputBytes: null,
  readingWasPaused: false,
  endSeen: false,
  findings,
})
