/** The store as the sidecar opens it: real files, the real storage worker, the machine's clock. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { nanoUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import type { ReserveOutcome } from '../budget/types.ts'
import { randomId, systemClock } from '../clock.ts'
import { OutboxLockedError } from '../events/folder-lock.ts'
import { openSpendStore, type SpendStore } from '../events/spend-store.ts'
import { startStorageThread } from '../events/storage-thread.ts'
import type { LogFields, Logger } from '../log.ts'
import { budgetOf, linesOf } from './support/budgets.ts'

const BUDGET = budgetOf({ limit: 1_000 })
const LINES = linesOf('a', BUDGET)

interface Line {
  readonly level: string
  readonly message: string
  readonly fields: LogFields
}

function recordingLog(lines: Line[]): Logger {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields })
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

const opened = (dataDir: string, log: Line[] = []): Promise<SpendStore> =>
  openSpendStore({
    dataDir,
    clock: systemClock,
    newId: randomId,
    random: () => 0.5,
    budgets: () => [BUDGET],
    eventsMax: 1_000,
    connect: null,
    isConnected: () => true,
    onFenced: () => {},
    onStored: () => {},
    log: recordingLog(log),
    bootId: 'boot',
  })

const reserve = async (store: SpendStore, bound: number): Promise<ReserveOutcome> =>
  store.gate.reserve({
    lines: LINES,
    bound: nanoUsd(BigInt(bound)),
    least: nanoUsd(BigInt(bound)),
    signal: new AbortController().signal,
  })

/** A folder in which a sidecar was closed in order while an attempt of so much was under way. */
async function usedFolder(scope: Scope, bound: number): Promise<string> {
  const folder = folderFor(scope)
  const store = await opened(folder)
  const outcome = await reserve(store, bound)
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind)
  await store.close()
  return folder
}

const damage = (file: string): void => {
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
  writeFileSync(file, Buffer.alloc(40_000, 'not a database '))
}

const keptAside = (folder: string): readonly string[] =>
  readdirSync(folder).filter((name) => name.includes('.damaged-'))

t.test('a second store on the folder is turned away, and the first goes on', async (t) => {
  const folder = folderFor(t)
  const store = await opened(folder)
  await t.rejects(opened(folder), OutboxLockedError)
  t.match(await reserve(store, 10), { kind: 'reserved' })
  await store.close()
  await (await opened(folder)).close()
})

t.test('a start that fails holds nothing open: the next one can begin', async (t) => {
  const folder = folderFor(t)
  mkdirSync(join(folder, 'ledger.sqlite'))
  await t.rejects(opened(folder))
  rmSync(join(folder, 'ledger.sqlite'), { recursive: true })
  await (await opened(folder)).close()
})

t.test('a damaged outbox is kept aside and told; its open money stands', async (t) => {
  const folder = await usedFolder(t, 400)
  damage(join(folder, 'outbox.sqlite'))
  const log: Line[] = []
  const store = await opened(folder, log)
  t.equal(store.stats().continuity, 'broken')
  t.equal(keptAside(folder).length, 1)
  const told = log.find(({ level }) => level === 'error')
  t.match(told, { message: /damaged/, fields: { keptAs: /outbox\.sqlite\.damaged-\d+$/ } })
  t.match(await reserve(store, 601), { kind: 'exhausted', shortage: { available: 600n } })
  await store.close()
})

t.test('a damaged ledger is kept aside, and made again of what the outbox knows', async (t) => {
  const folder = await usedFolder(t, 400)
  damage(join(folder, 'ledger.sqlite'))
  const log: Line[] = []
  const store = await opened(folder, log)
  t.equal(store.stats().continuity, 'same')
  const told = log.find(({ level }) => level === 'error')
  t.match(told, { message: /ledger is damaged/, fields: { keptAs: /ledger\.sqlite\.damaged-\d+$/ } })
  // The attempt had no intent on disk, so it was not sent, and its money is in the lease.
  t.match(await reserve(store, 1_000), { kind: 'reserved' })
  t.match(await reserve(store, 1), { kind: 'busy' })
  await store.close()
})

t.test(
  'with both damaged the start is refused: nobody knows what was spent. The next one begins at zero',
  async (t) => {
    const folder = await usedFolder(t, 400)
    damage(join(folder, 'outbox.sqlite'))
    damage(join(folder, 'ledger.sqlite'))
    await t.rejects(opened(folder), { message: /both damaged/ })
    t.equal(keptAside(folder).length, 2)
    const store = await opened(folder)
    t.match(await reserve(store, 1_000), { kind: 'reserved' })
    await store.close()
  },
)

t.test('an outbox of a newer version is left as it is, and the start says what to do', async (t) => {
  const folder = await usedFolder(t, 400)
  const file = join(folder, 'outbox.sqlite')
  const db = new DatabaseSync(file)
  db.exec('PRAGMA user_version = 99')
  db.close()
  await t.rejects(opened(folder), { message: /version 99/ })
  t.ok(existsSync(file))
  t.same(keptAside(folder), [])
})

t.test('a storage worker that dies is begun anew, and calls under way fail instead of waiting for ever', async (t) => {
  const folder = await usedFolder(t, 400)
  const deaths: unknown[] = []
  const files = { ledgerFile: join(folder, 'ledger.sqlite'), outboxFile: join(folder, 'outbox.sqlite') }
  const entry = new URL('./support/dying-storage-worker.ts', import.meta.url)
  const thread = startStorageThread(files, (error) => deaths.push(error), entry)
  const hello = { instanceId: 'i', generation: 1, continuity: 'same', ledgerEpoch: 0, leases: [] } as const
  t.match(await thread.hello(hello), { generation: 1, continuity: 'same' })
  await t.rejects(thread.checkpoint(), { message: 'the storage worker is gone' })
  await until('the death is told', () => (deaths.length === 1 ? true : null))
  await thread.checkpoint()
  t.same(await thread.sync({ instanceId: 'i', generation: 1 }, []), [], 'the holder is still the one that it was')
  await thread.close()
  t.equal(deaths.length, 1, 'an end that was asked for is no death')
})
