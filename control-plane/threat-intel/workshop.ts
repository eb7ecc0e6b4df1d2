import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { ApiError } from '../errors.ts'
import type { BuiltIndex, IntelResult, IntelTask, ListBytes, ReadList } from './tasks.ts'

/** Lists as they came, read and built beside everything else: one task after the other, in a thread of its own. */
export interface Workshop {
  /** @throws BadList where nothing can be done with it; ApiError where too many wait */
  read(list: ListBytes, nowMs: number): Promise<ReadList>
  /** @throws if it takes too long or too much; ApiError where too many wait */
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
/** Each that waits holds its bytes. */
const WAITING_MAX = 4

/** Makes it. */
export function createWorkshop(): Workshop {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()

  function inTurn(task: IntelTask, handed: readonly ArrayBuffer[]): Promise<IntelResult> {
    if (waiting >= WAITING_MAX)
      throw new ApiError(
        'acc_api_unavailable',
        `${WAITING_MAX} lists of threat intelligence are read already: try again.`,
      )
    waiting++
    const turn = last.then(() => inWorker(task, handed)).finally(() => waiting--)
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

async function inWorker(task: IntelTask, handed: readonly ArrayBuffer[]): Promise<IntelResult> {
  const worker = new Worker(WORKER, {
    workerData: task,
    transferList: [...handed],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  })
  worker.unref()
  try {
    const [result]: IntelResult[] = await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (result === undefined) throw new Error('the worker answered nothing')
    return result
  } finally {
    await worker.terminate()
  }
}
