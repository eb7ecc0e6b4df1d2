import { Worker } from 'node:worker_threads'
import type { LeaseSource } from '../budget/lease-source.ts'
import { workerUrl } from '../worker-url.ts'
import type {
  StorageAnswers,
  StorageCall,
  StorageReply,
  StorageRequest,
  StorageWorkerData,
} from './storage-protocol.ts'

/** The main thread's end of the storage worker. */
export interface StorageThread extends LeaseSource {
  /** Moves the outbox's WAL into its file. */
  checkpoint(): Promise<void>
  close(): Promise<void>
}

/** Starts the storage worker. @param onDeath called if it ends without being asked to */
export function startStorageThread(data: StorageWorkerData, onDeath: (error: unknown) => void): StorageThread {
  const worker = new Worker(workerUrl('events/storage-worker'), {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  })
  const waiting = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>()
  let lastId = 0
  let closing = false

  const fail = (error: unknown): void => {
    for (const { reject } of waiting.values()) reject(new Error('the storage worker is gone', { cause: error }))
    waiting.clear()
    if (!closing) onDeath(error)
  }
  worker.on('error', fail)
  worker.on('exit', (code) => fail(new Error(`exit ${code}`)))
  worker.on('message', (reply: StorageReply) => {
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.ok) call?.resolve(reply.answer as never)
    else call?.reject(new Error(reply.reason))
  })

  function call<Kind extends keyof StorageAnswers>(
    request: StorageRequest & { readonly kind: Kind },
  ): Promise<StorageAnswers[Kind]> {
    return new Promise((resolve, reject) => {
      lastId++
      waiting.set(lastId, { resolve, reject })
      const message: StorageCall = { id: lastId, request }
      worker.postMessage(message)
    })
  }

  return {
    hello: (hello) => call({ kind: 'hello', hello }),
    sync: (holder, items) => call({ kind: 'sync', holder, items }),
    checkpoint: async () => {
      await call({ kind: 'checkpoint' })
    },
    close: async () => {
      closing = true
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      await call({ kind: 'close' }).catch(() => worker.terminate())
      await exited
    },
  }
}
