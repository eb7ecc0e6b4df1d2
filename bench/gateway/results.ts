/** From the rounds of each case and proxy to one row each. */
import type { Case } from './cases.ts'
import type { Format } from './formats.ts'
import type { LoadResult } from './load-protocol.ts'
import type { ProxyName } from './proxies.ts'
import { median, spread } from './statistics.ts'

/** One row of `--json`. Times in milliseconds, memory in MB (1e6 bytes). `connections: 0` is the process at rest. */
interface ResultRow {
  readonly proxy: ProxyName
  readonly format: Format
  readonly bodyBytes: number
  readonly seen: boolean
  readonly connections: number
  readonly fixedRps?: number
  readonly streams?: number
  readonly rps: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUsPerRequest: number
  readonly rssMb: number
  readonly ttftP50Ms?: number
  readonly ttftP99Ms?: number
}

/** A row with what the table says beside it. */
export interface Measured {
  readonly case: Case
  readonly row: ResultRow
  readonly rounds: number
  /** Distance between the extreme rounds as a share of the median: of CPU a request, of requests a second for `direct`. */
  readonly spread: number
  /** True if the proxy fell behind the fixed schedule: its latencies then grow for as long as one measures. */
  readonly overloaded: boolean
}

const FELL_BEHIND = 0.95

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** The median of the rounds, figure by figure. */
export function summarise(of: Case, proxy: ProxyName, rounds: readonly LoadResult[]): Measured {
  const middle = (read: (round: LoadResult) => number): number => median(rounds.map(read))
  const ttfts = rounds.flatMap(({ ttftP50Ms, ttftP99Ms }) =>
    ttftP50Ms === null || ttftP99Ms === null ? [] : [{ ttftP50Ms, ttftP99Ms }],
  )
  const fixedRps = of.shape.kind === 'fixed' ? of.shape.requestsPerSecond : null
  const rps = middle((round) => round.rps)
  const row: ResultRow = {
    proxy,
    format: of.format,
    bodyBytes: of.bodyBytes,
    seen: of.seen,
    connections: of.connections,
    ...(fixedRps === null ? {} : { fixedRps }),
    ...(of.shape.kind === 'streams' ? { streams: of.connections } : {}),
    rps: rounded(rps, 1),
    p50Ms: rounded(
      middle((round) => round.p50Ms),
      3,
    ),
    p99Ms: rounded(
      middle((round) => round.p99Ms),
      3,
    ),
    cpuUsPerRequest: rounded(
      middle((round) => round.cpuUsPerRequest),
      1,
    ),
    rssMb: rounded(
      middle((round) => round.rssMb),
      1,
    ),
    ...(ttfts.length === 0
      ? {}
      : {
          ttftP50Ms: rounded(median(ttfts.map((ttft) => ttft.ttftP50Ms)), 2),
          ttftP99Ms: rounded(median(ttfts.map((ttft) => ttft.ttftP99Ms)), 2),
        }),
  }
  return {
    case: of,
    row,
    rounds: rounds.length,
    spread: spread(rounds.map((round) => (proxy === 'direct' ? round.rps : round.cpuUsPerRequest))),
    overloaded: fixedRps !== null && rps < fixedRps * FELL_BEHIND,
  }
}

/** Finds a measurement by the case's id and the proxy. */
export function find(measured: readonly Measured[], caseId: string, proxy: ProxyName): Measured | undefined {
  return measured.find((one) => one.case.id === caseId && one.row.proxy === proxy)
}
