import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { ApiError } from '../errors.ts'
import type { BuiltIndex, IntelResult, IntelTask, ListBytes, ReadList } from './tasks.ts'

/** Lists as they came, read and built beside everything else: one task after the other, in a thread of its own. */
export interface Workshop {
  /** @throws BadList where nothing can be done with it; ApiError where too many wait */
  read(list: ListBytes, nowMs: number): Promise<ReadList>
  /** @throws if it takes too long or too much */
  build(lists: readonly ListBytes[], nowMs: number): Promise<BuiltIndex>
}

/** A list that is none; the message says why, for whoever sent it. */
export class BadList extends Error {
  override readonly name = 'BadList'
}

/** Beside this file in the checkout; beside the bundle, which has the same name, in a shipped folder. */
const WORKER = new URL(`./intel-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
/** A task may take so long and so much. */
const TIMEOUT_MS = 120_000
const HEAP_MB_MAX = 1_536
const IDLE_MS = 5_000
/** Each that waits holds its bytes. */
const WAITING_MAX = 4

/** Makes it. */
export function createWorkshop(): Workshop {
  const bench = createBench()
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()

  function inTurn(task: IntelTask, handed: readonly ArrayBuffer[]): Promise<IntelResult> {
    // Builds are few by themselves: one is under way for an organisation, and one behind it.
    if (task.kind === 'read' && waiting >= WAITING_MAX)
      throw new ApiError(
        'acc_api_unavailable',
        `${WAITING_MAX} lists of threat intelligence are read already: try again.`,
      )
    waiting++
    const turn = last.then(() => bench(task, handed)).finally(() => waiting--)
    last = turn.catch(() => {})
    return turn
  }

  return {
    read: async (list, nowMs) => {
      const result = await inTurn({ kind: 'read', list, nowMs }, [list.bytes.buffer]).catch((error: unknown) => {
        if (error instanceof ApiError) throw error
        const reason = error instanceof Error ? error.message : String(error)
        throw new BadList(`it cannot be read in the time and the memory that are allowed for it: ${reason}`)
      })
      if (result.kind === 'read') return result.read
      throw new BadList(result.kind === 'refused' ? result.reason : 'it was not read')
    },
    build: async (lists, nowMs) => {
      const result = await inTurn(
        { kind: 'build', lists, nowMs },
        lists.map(({ bytes }) => bytes.buffer),
      )
      if (result.kind === 'built') return result.built
      throw new Error('no index came of the lists')
    },
  }
}

/** A thread that is there for as long as there is work, and a little longer: one that reads a list builds next. */
function createBench(): (task: IntelTask, handed: readonly ArrayBuffer[]) => Promise<IntelResult> {
  let kept: Worker | null = null
  let idle: NodeJS.Timeout | null = null
  const end = (worker: Worker): Promise<unknown> => {
    if (kept === worker) kept = null
    return worker.terminate()
  }

  function open(): Worker {
    const worker = new Worker(WORKER, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX } })
    worker.unref()
    // Told to whoever waits for it; an idle one is told to nobody.
    worker.on('error', () => void end(worker))
    return worker
  }

  return async (task, handed) => {
    if (idle !== null) clearTimeout(idle)
    const worker = kept ?? open()
    kept = worker
    try {
      worker.postMessage(task, handed)
      const [result]: IntelResult[] = await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
      if (result === undefined) throw new Error('the worker answered nothing')
      idle = setTimeout(() => void end(worker), IDLE_MS).unref()
      return result
    } catch (error) {
      await end(worker)
      throw error
    }
  }
}
