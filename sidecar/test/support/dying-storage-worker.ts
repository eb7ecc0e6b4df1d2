/** The storage worker, which dies at the first checkpoint that it is asked for in a folder. */
import { existsSync, writeFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { StorageCall, StorageWorkerData } from '../../events/storage-protocol.ts'

const { ledgerFile }: StorageWorkerData = workerData
const diedHere = `${ledgerFile}.died`
parentPort?.on('message', ({ request }: StorageCall) => {
  if (request.kind !== 'checkpoint' || existsSync(diedHere)) return
  writeFileSync(diedHere, '')
  process.exit(1)
})
await import('../../events/storage-worker.ts')
