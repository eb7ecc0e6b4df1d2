/** Drives one round of load and measures it at the client. */
import { setTimeout as delay } from 'node:timers/promises'
import { buildBody } from './bodies.ts'
import { Connection } from './connection.ts'
import { Driver, type Recording } from './driver.ts'
import { Lane } from './lane.ts'
import type { LoadOrder, LoadResult } from './load-protocol.ts'
import { readCpuNs, readRssMb } from './process-usage.ts'
import { percentile } from './statistics.ts'

/**
 * Opens the connections, warms up, measures, closes. Throws at the first answer that is not whole.
 *
 * Plain requests: a round begins and ends with nothing under way, so that every microsecond of CPU belongs to a request
 * that is counted. Streams overlap for as long as they last, so the round is cut out of a steady state instead.
 */
export async function runLoad(order: LoadOrder): Promise<LoadResult> {
  const template = buildBody(order.bodyBytes, order.stream, order.format)
  const lanes: Lane[] = []
  try {
    for (let index = 0; index < order.connections; index += 1) {
      lanes.push(new Lane(await Connection.open(order.port), order, template))
    }
    const driver = new Driver(order, lanes)
    try {
      return order.stream ? await measureStreams(order, driver) : await measurePlain(order, driver)
    } finally {
      driver.close()
    }
  } finally {
    for (const lane of lanes) lane.close()
  }
}

async function measurePlain(order: LoadOrder, driver: Driver): Promise<LoadResult> {
  await driver.ready()
  driver.start()
  await Promise.race([delay(order.warmUpMs), driver.failed])
  await driver.drain()
  const recording = driver.record()
  const cpuBefore = readCpuNs(order.pids)
  const startedAtMs = performance.now()
  driver.start()
  await Promise.race([delay(order.durationMs), driver.failed])
  while (recording.requests < order.requestsMin && performance.now() - startedAtMs < order.durationMsMax) {
    await Promise.race([delay(20), driver.failed])
  }
  await driver.drain()
  const elapsedMs = performance.now() - startedAtMs
  return summarise(recording, elapsedMs, readCpuNs(order.pids) - cpuBefore, readRssMb(order.pids))
}

async function measureStreams(order: LoadOrder, driver: Driver): Promise<LoadResult> {
  driver.start()
  await Promise.race([delay(order.warmUpMs), driver.failed])
  const recording = driver.record()
  const cpuBefore = readCpuNs(order.pids)
  const startedAtMs = performance.now()
  await Promise.race([delay(order.durationMs), driver.failed])
  const elapsedMs = performance.now() - startedAtMs
  const result = summarise(recording, elapsedMs, readCpuNs(order.pids) - cpuBefore, readRssMb(order.pids))
  await driver.drain()
  return result
}

function summarise(recording: Recording, elapsedMs: number, cpuNs: number, rssMb: number): LoadResult {
  const latencies = Float64Array.from(recording.latenciesMs).sort()
  const ttfts = Float64Array.from(recording.ttftsMs).sort()
  if (latencies.length === 0) throw new Error('no request was answered in the time given')
  return {
    requests: recording.requests,
    rps: recording.requests / (elapsedMs / 1000),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    ttftP50Ms: ttfts.length > 0 ? percentile(ttfts, 0.5) : null,
    ttftP99Ms: ttfts.length > 0 ? percentile(ttfts, 0.99) : null,
    cpuUsPerRequest: cpuNs / 1000 / recording.requests,
    rssMb,
  }
}
