/** The benchmark's side of the load generator. */
import type { Case } from './cases.ts'
import { STREAM_CHUNK_DELAY_MS, STREAM_CHUNKS } from './cases.ts'
import type { Child } from './children.ts'
import { FORMAT_FACTS } from './formats.ts'
import { isLoadAnswer, type LoadOrder, type LoadResult } from './load-protocol.ts'
import type { RunningProxy } from './proxies.ts'

const WARM_UP_MS = 120
const REQUESTS_MIN = 150
const DURATION_MS_MAX = 2500
/** As long as the streams take to reach their full number. */
const STREAM_WARM_UP_MS = 1100

/** What a case means for one proxy. */
export function orderFor(of: Case, proxy: RunningProxy): LoadOrder {
  const stream = of.shape.kind === 'streams'
  const shape = { 'x-sim-chunks': String(STREAM_CHUNKS), 'x-sim-chunk-delay-ms': String(STREAM_CHUNK_DELAY_MS) }
  const durationMs = of.seconds * 1000
  const format = FORMAT_FACTS[of.format]
  return {
    port: proxy.port,
    format: of.format,
    path: (proxy.namesFormats ? format.prefix : '') + format.path(stream),
    headers: { ...format.headers, ...proxy.headers, ...(stream ? shape : {}) },
    bodyBytes: of.bodyBytes,
    seen: of.seen,
    stream,
    streamEventsMin: STREAM_CHUNKS,
    connections: of.connections,
    requestsPerSecond: of.shape.kind === 'fixed' ? of.shape.requestsPerSecond : null,
    warmUpMs: stream ? STREAM_WARM_UP_MS : WARM_UP_MS,
    durationMs,
    requestsMin: REQUESTS_MIN,
    durationMsMax: Math.max(durationMs, DURATION_MS_MAX),
    pids: proxy.pids,
  }
}

/** Runs one order in the generator's process. Throws what it failed with, or that it ended. */
export function runOrder(generator: Child, order: LoadOrder): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const { process: child } = generator
    const finish = (act: () => void): void => {
      child.off('message', onMessage)
      child.off('exit', onExit)
      act()
    }
    const onExit = (): void => finish(() => reject(new Error(`the load generator ended:\n${generator.stderrTail()}`)))
    const onMessage = (message: unknown): void => {
      if (!isLoadAnswer(message)) return
      finish(() => (message.kind === 'result' ? resolve(message.result) : reject(new Error(message.message))))
    }
    child.on('exit', onExit)
    child.on('message', onMessage)
    child.send(order)
  })
}
