import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createCheckpoints } from '../events/checkpoints.ts'
import { startStorageThread } from '../events/storage-thread.ts'
import type { Logger } from '../log.ts'

function logged(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const line = (level: string) => (message: string) => void lines.push(`${level}: ${message}`)
  return { lines, log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') } }
}
const FAILS = 'error: the outbox cannot be moved into its file, so its WAL grows'
const WORKS = 'info: the outbox is moved into its file again'

t.test('every checkpoint that fails is counted, and an outage is told once, with its end', async (t) => {
  let works = true
  const { log, lines } = logged()
  const checkpoints = createCheckpoints(async () => {
    if (!works) throw new Error('disk I/O error')
  }, log)
  for (works of [true, false, false, false, true, true, false, true]) await checkpoints.run()
  t.equal(checkpoints.failures, 4)
  t.same(lines, [FAILS, WORKS, FAILS, WORKS])
})

t.test('a checkpoint whose worker dies is one that failed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'acc-checkpoints-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const files = { ledgerFile: join(folder, 'ledger.sqlite'), outboxFile: join(folder, 'outbox.sqlite') }
  const thread = startStorageThread(files, () => {}, new URL('./support/dying-storage-worker.ts', import.meta.url))
  const { log, lines } = logged()
  const checkpoints = createCheckpoints(thread.checkpoint, log)
  await checkpoints.run()
  await checkpoints.run()
  await thread.close()
  t.equal(checkpoints.failures, 1)
  t.same(lines, [FAILS, WORKS])
})
