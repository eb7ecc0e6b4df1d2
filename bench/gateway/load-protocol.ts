/** What the benchmark and its load generator, a process of its own, tell each other. */

import type { Format } from './formats.ts'

/** One round of load. */
export interface LoadOrder {
  readonly port: number
  readonly format: Format
  readonly path: string
  /** Sent with each request, besides host, type and length. */
  readonly headers: Readonly<Record<string, string>>
  readonly bodyBytes: number
  readonly seen: boolean
  readonly stream: boolean
  /** A stream with fewer events than this is an error. */
  readonly streamEventsMin: number
  readonly connections: number
  /** `null`: as fast as the answers come. */
  readonly requestsPerSecond: number | null
  readonly warmUpMs: number
  readonly durationMs: number
  /** A slow proxy gets more time, up to `durationMsMax`, until it has answered this many. */
  readonly requestsMin: number
  readonly durationMsMax: number
  /** Processes whose CPU time is charged to the requests; empty for none. */
  readonly pids: readonly number[]
}

/** What one round gave. */
export interface LoadResult {
  readonly requests: number
  readonly rps: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly ttftP50Ms: number | null
  readonly ttftP99Ms: number | null
  readonly cpuUsPerRequest: number
  readonly rssMb: number
}

/** The generator's answer to an order. */
export type LoadAnswer =
  | { readonly kind: 'result'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly message: string }

/** Tells an order from any other message. */
export function isLoadOrder(value: unknown): value is LoadOrder {
  return typeof value === 'object' && value !== null && 'requestsPerSecond' in value
}

/** Tells an answer from any other message. */
export function isLoadAnswer(value: unknown): value is LoadAnswer {
  return typeof value === 'object' && value !== null && 'kind' in value
}
