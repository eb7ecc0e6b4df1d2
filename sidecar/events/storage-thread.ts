import { Worker } from 'node:worker_threads'
import type { LeaseSource } from '../budget/lease-source.ts'
import { workerUrl } from '../worker-url.ts'
import type { SettledEvents } from './settled-events.ts'
import type {
  StorageAnswers,
  StorageCall,
  StorageReply,
  StorageRequest,
  StorageWorkerData,
} from './storage-protocol.ts'

/** The main thread's end of the storage worker. */
export interface StorageThread extends LeaseSource {
  /** Opens the ledger. @returns what is known of a damaged one that was kept aside */
  open(): Promise<StorageAnswers['open']>
  /** Moves the outbox's WAL into its file. */
  checkpoint(): Promise<void>
  /** The next events of the outbox behind a number; `null` if there are none. */
  settledAfter(seq: number, limit: number): Promise<SettledEvents | null>
  close(): Promise<void>
}

interface Call {
  resolve(answer: never): void
  reject(error: Error): void
}

/** One life of the worker. */
interface Life {
  readonly worker: Worker
  readonly calls: Map<number, Call>
}

/**
 * Starts the storage worker. If it dies, the calls under way fail and the next one starts another: what it keeps is on
 * disk. @param onDeath told of each death that was not asked for
 */
export function startStorageThread(
  data: StorageWorkerData,
  onDeath: (error: unknown) => void,
  entry: URL = workerUrl('events/storage-worker'),
): StorageThread {
  let life: Life | null = null
  let lastId = 0
  let closing = false

  function begin(): Life {
    const worker = new Worker(entry, {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 3 },
    })
    const begun: Life = { worker, calls: new Map() }
    const end = (error: unknown): void => {
      if (life !== begun) return
      life = null
      for (const { reject } of begun.calls.values()) reject(new Error('the storage worker is gone', { cause: error }))
      begun.calls.clear()
      if (!closing) onDeath(error)
    }
    worker.on('error', end)
    worker.on('exit', (code) => end(new Error(`exit ${code}`)))
    worker.on('message', (reply: StorageReply) => {
      const call = begun.calls.get(reply.id)
      begun.calls.delete(reply.id)
      if (reply.ok) call?.resolve(reply.answer as never)
      else call?.reject(new Error(reply.reason))
    })
    return begun
  }

  function call<Kind extends keyof StorageAnswers>(
    request: StorageRequest & { readonly kind: Kind },
  ): Promise<StorageAnswers[Kind]> {
    return new Promise((resolve, reject) => {
      life ??= begin()
      lastId++
      life.calls.set(lastId, { resolve, reject })
      const message: StorageCall = { id: lastId, request }
      life.worker.postMessage(message)
    })
  }

  return {
    isRemote: false,
    open: () => call({ kind: 'open' }),
    hello: (hello) => call({ kind: 'hello', hello }),
    sync: (holder, items) => call({ kind: 'sync', holder, items }),
    checkpoint: async () => {
      await call({ kind: 'checkpoint' })
    },
    settledAfter: (seq, limit) => call({ kind: 'settledAfter', seq, limit }),
    close: async () => {
      closing = true
      const ending = life
      if (ending === null) return
      const exited = new Promise((resolve) => ending.worker.once('exit', resolve))
      await call({ kind: 'close' }).catch(() => ending.worker.terminate())
      await exited
    },
  }
}
