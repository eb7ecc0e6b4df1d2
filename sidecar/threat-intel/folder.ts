import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type CompiledFeeds, ThreatIndex } from '@agentcostcontrol/detectors'
import type { Clock, Timers } from '../clock.ts'
import type { Intel } from '../inspect/environment.ts'
import { errorFields, type Logger } from '../log.ts'
import { workerUrl } from '../worker-url.ts'

/** The threat intelligence of a folder of lists: watched, and swapped whole. */
export interface IntelFolder {
  /** The last good index; `null` before there was one. */
  current(): Intel | null
  stats(): IntelStats
  /** Looks at the folder now; resolves when what it holds is in force, or refused. Never rejects. */
  look(): Promise<void>
  close(): void
}

/** For the metrics. */
export interface IntelStats {
  readonly entries: number
  /** When the youngest list was written, ms since the epoch; `null` without one. */
  readonly writtenMs: number | null
  readonly loads: number
  readonly failures: number
}

/** What it needs. */
export interface IntelFolderOptions {
  readonly folder: string
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

const POLL_MS = 1_000
const FILES_MAX = 256
const BYTES_MAX = 256 * 1024 * 1024
/** Lists are read in a thread of their own, which may take so long and so much. */
const TIMEOUT_MS = 120_000
const HEAP_MB_MAX = 1_536

interface View {
  readonly signature: string
  readonly paths: readonly string[]
  readonly writtenMs: number
}

/** Opens it; resolves when what the folder holds is in force. A folder that cannot be read is looked at again. */
export async function openIntelFolder(options: IntelFolderOptions): Promise<IntelFolder> {
  const { folder, clock, timers, log } = options
  let intel: Intel | null = null
  let stats: IntelStats = { entries: 0, writtenMs: null, loads: 0, failures: 0 }
  let told = ''
  let closed = false
  let callOff = (): void => {}

  async function load({ paths, writtenMs }: View): Promise<void> {
    const { index, lists } = await compile(paths, clock.nowMs())
    const { version, entries } = new ThreatIndex(index)
    intel = { version, index }
    stats = { ...stats, entries, writtenMs: paths.length === 0 ? null : writtenMs, loads: stats.loads + 1 }
    log.info('threat intelligence in force', { version, entries, lists: lists.length })
    for (const { name, failed, problems } of lists) {
      const [first] = problems
      if (first)
        log.warn('a list holds what could not be read', { list: name, failed, line: first.line, reason: first.message })
    }
  }

  async function look(): Promise<void> {
    let signature = ''
    try {
      const view = await viewLists(folder)
      signature = view.signature
      if (signature !== told) await load(view)
    } catch (error) {
      signature ||= String(error)
      // Said once, and looked at again: the last good index stays.
      if (signature !== told) {
        stats = { ...stats, failures: stats.failures + 1 }
        log.error('the lists of ACC_THREAT_INTEL_DIR are not taken', { folder, ...errorFields(error) })
      }
    }
    told = signature
  }

  const schedule = (): void => {
    if (!closed) callOff = timers.after(POLL_MS, () => void look().finally(schedule))
  }
  await look()
  schedule()
  return {
    current: () => intel,
    stats: () => stats,
    look,
    close: () => {
      closed = true
      callOff()
    },
  }
}

/** The lists of a folder, and what is another one whenever one of them may be. @throws what the file system says, or if they are too many */
async function viewLists(folder: string): Promise<View> {
  const names = (await readdir(folder)).filter(
    (name) => /\.(?:csv|json|jsonl|txt)$/i.test(name) && !name.startsWith('.'),
  )
  if (names.length > FILES_MAX) throw new Error(`the folder holds more than ${FILES_MAX} lists`)
  let [signature, bytes, writtenMs] = ['', 0, 0]
  const paths: string[] = []
  for (const name of names.toSorted()) {
    const path = join(folder, name)
    const { size, ctimeNs, mtimeMs, ino } = await stat(path, { bigint: true })
    signature += `${name}:${size}:${ctimeNs}:${ino}\n`
    bytes += Number(size)
    writtenMs = Math.max(writtenMs, Number(mtimeMs))
    paths.push(path)
  }
  if (bytes > BYTES_MAX) throw new Error(`the lists have more than ${BYTES_MAX / 1024 / 1024} MiB together`)
  return { signature: `${signature}.`, paths, writtenMs }
}

async function compile(paths: readonly string[], nowMs: number): Promise<CompiledFeeds> {
  const worker = new Worker(workerUrl('threat-intel/compile-worker'), {
    workerData: { paths, nowMs },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  })
  worker.unref()
  try {
    const [compiled]: CompiledFeeds[] = await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (compiled === undefined) throw new Error('no index came of them')
    return compiled
  } finally {
    await worker.terminate()
  }
}
