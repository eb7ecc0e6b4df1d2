/** Reads a folder of threat-intelligence lists and makes an index of them, off the main thread; lives for one folder. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { type CompiledFeeds, compileFeeds, guessFormat } from '@agentcostcontrol/detectors'

const { paths, nowMs }: { readonly paths: readonly string[]; readonly nowMs: number } = workerData
const feeds = paths.map((path) => {
  const [name, text] = [basename(path), readFileSync(path, 'utf8')]
  return { name, format: guessFormat(name, text), text }
})
const compiled: CompiledFeeds = compileFeeds(feeds, nowMs)
parentPort?.postMessage(compiled)
