/**
 * The storage worker: keeps slow disk work off the main thread. It owns the local ledger, and moves the outbox's WAL
 * into its file. Lean on purpose: every isolate costs memory.
 */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { createLocalLedger, type LocalLedger } from '../budget/local-ledger.ts'
import { settledAfter } from './settled-events.ts'
import { openSound } from './sound-file.ts'
import type {
  StorageAnswers,
  StorageCall,
  StorageReply,
  StorageRequest,
  StorageWorkerData,
} from './storage-protocol.ts'

const { ledgerFile, outboxFile }: StorageWorkerData = workerData
let damaged: StorageAnswers['open']['damaged'] = null
/** Opened by the first who asks it something: nobody does where a control plane grants leases. */
let opened: LocalLedger | null = null
const outbox = new DatabaseSync(outboxFile)

function ledger(): LocalLedger {
  opened ??= openSound(
    ledgerFile,
    (db) => createLocalLedger(db, { nowMs: Date.now }),
    (keptAs, reason) => {
      damaged = { keptAs, reason }
    },
    Date.now(),
  )
  return opened
}

function answer(request: StorageRequest): StorageAnswers[keyof StorageAnswers] {
  switch (request.kind) {
    case 'open':
      ledger()
      return { damaged }
    case 'hello':
      return ledger().hello(request.hello)
    case 'sync':
      return ledger().sync(request.holder, request.items)
    case 'checkpoint':
      outbox.exec('PRAGMA wal_checkpoint(PASSIVE)')
      return null
    case 'settledAfter':
      return settledAfter(outbox, request.seq, request.limit)
    case 'close':
      opened?.close()
      outbox.close()
      return null
  }
}

parentPort?.on('message', ({ id, request }: StorageCall) => {
  let reply: StorageReply
  try {
    reply = { id, ok: true, answer: answer(request) }
  } catch (error) {
    reply = { id, ok: false, reason: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(reply)
  if (request.kind === 'close') parentPort?.close()
})
