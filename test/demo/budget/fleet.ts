import type { Scope } from '../../support/scope.ts'
import { type StreamCounts, type Streams, startStreams } from './streams.ts'

/** So many sidecars, and so many streams at a time on each. */
export const SIDECARS = 8
export const STREAMS = 100
/** What a request is told whose budget has no more. */
const EXHAUSTED = 'acc_budget_exceeded'

/** All clients of a run. */
export interface Fleet {
  /** Those of each sidecar. */
  readonly streams: readonly Streams[]
  counts(): StreamCounts
  /** From now on every stream is sent as fast as it can be. */
  hurry(): void
  /**
   * Looks at what came of the streams since the last look. Once every sidecar has refused one for want of money, and since
   * then none was answered or told to wait, it is true.
   */
  isRefused(): boolean
  stop(): Promise<void>
}

/** Makes the clients; each sends once it is aimed. They end with the scope at the latest. */
export function startFleet(
  scope: Scope,
  { name, seed, seconds }: { readonly name: string; readonly seed: number; readonly seconds: number },
): Fleet {
  const streams = Array.from({ length: SIDECARS }, (_, at) =>
    startStreams({ name: `${name}-${at}`, clients: STREAMS, seed: seed + at * STREAMS, seconds }),
  )
  const stop = async (): Promise<void> => void (await Promise.all(streams.map((each) => each.stop())))
  scope.teardown(stop)
  const refusing = new Set<Streams>()
  return {
    streams,
    counts: () => {
      const total = { served: 0, refused: 0, broken: 0 }
      for (const { counts } of streams) {
        total.served += counts.served
        total.refused += counts.refused
        total.broken += counts.broken
      }
      return total
    },
    hurry: () => {
      for (const each of streams) each.hurry()
    },
    isRefused: () => {
      for (const each of streams) {
        const codes = [...each.lately().keys()]
        if (each.open > 0 || codes.some((code) => code !== EXHAUSTED)) refusing.clear()
        else if (codes.length > 0) refusing.add(each)
      }
      return refusing.size === streams.length
    },
    stop,
  }
}
