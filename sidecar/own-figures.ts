import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { SidecarFigures } from '@agentcostcontrol/contract'
import type { Clock } from './clock.ts'
import manifest from './package.json' with { type: 'json' }

/** The figures that the process itself tells. */
export type OwnFigures = Omit<SidecarFigures, 'unsentEvents' | 'queuedScans' | 'leaseWaits' | 'requestsInFlight'>

/** How often the event loop is looked at: seldom enough to cost nothing. */
const RESOLUTION_MS = 20
const NANO_A_MS = 1e6

/** Begins to measure. @returns the figures since they were asked for last */
export function measureOwnFigures(clock: Clock): () => OwnFigures {
  const startedAt = new Date(clock.nowMs()).toISOString()
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  let cpu = process.cpuUsage()
  let sinceMs = clock.monotonicMs()
  return () => {
    const { user, system } = process.cpuUsage(cpu)
    const nowMs = clock.monotonicMs()
    const busyMs = (user + system) / 1_000
    const elapsedMs = nowMs - sinceMs
    const eventLoopDelayMs = Math.max(0, delay.percentile(99) / NANO_A_MS - RESOLUTION_MS)
    cpu = process.cpuUsage()
    sinceMs = nowMs
    delay.reset()
    return {
      version: manifest.version,
      nodeVersion: process.version,
      startedAt,
      cpuShare: elapsedMs > 0 ? Math.round((busyMs / elapsedMs) * 1_000) / 1_000 : 0,
      memoryBytes: process.memoryUsage.rss(),
      eventLoopDelayMs: Math.round(eventLoopDelayMs * 10) / 10,
    }
  }
}
