import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import { LedgerTime } from '../budget/ledger-time.ts'
import { type Clock, systemTimers } from '../clock.ts'
import { createLeaseClient, type LeaseCalls } from '../control/lease-client.ts'
import type { UploadSource } from '../control/uploader.ts'
import { errorFields, type Logger } from '../log.ts'
import { createBallast } from './ballast.ts'
import { createCheckpoints } from './checkpoints.ts'
import { lockFolder } from './folder-lock.ts'
import { openOutboxDb } from './outbox-db.ts'
import { type SpendCore, type SpendStats, startSpend } from './spend-core.ts'
import { sqliteCode } from './sqlite-error.ts'
import { type StorageThread, startStorageThread } from './storage-thread.ts'

/** Everything that keeps money right on this machine: leases, reservations, intents, events. */
export interface SpendStore<Client extends LeaseCalls = LeaseCalls>
  extends Pick<SpendCore, 'instanceId' | 'gate' | 'outbox'> {
  /** The events that are to be brought up. */
  readonly settled: UploadSource
  /** What the options' `connect` made; `null` for a sidecar that stands alone. */
  readonly client: Client | null
  stats(): SpendStats & { readonly checkpointFailures: number }
  /** Writes everything down, returns idle money and marks the files as closed in order. */
  close(): Promise<void>
}

/** What the store needs. */
export interface SpendStoreOptions<Client extends LeaseCalls> {
  readonly dataDir: string
  readonly clock: Clock
  newId(): string
  /** 0 to 1, for jitter. */
  random(): number
  /** The budgets of the policy in force; another array when that changes. */
  budgets(): readonly CompiledBudget[]
  readonly eventsMax: number
  /** Makes this sidecar's client of the control plane; `null` for one that stands alone. */
  readonly connect: ((instanceId: string) => Client) | null
  /** Whether the control plane is there, as far as is known beside leases. */
  isConnected(): boolean
  /** The control plane knows another holder under this name. */
  onFenced(): void
  /** Events are on disk. */
  onStored(): void
  readonly log: Logger
  /** The kernel's boot id; another one means that power may have been lost. */
  readonly bootId?: string
}

const CHECKPOINT_EVERY_MS = 1_000
const IDLE_CHECK_MS = 5_000

/**
 * Opens the data folder and resolves what the last process left open (H7).
 * @throws OutboxLockedError, or whatever keeps its files from being opened
 */
export async function openSpendStore<Client extends LeaseCalls>(
  options: SpendStoreOptions<Client>,
): Promise<SpendStore<Client>> {
  const { dataDir, clock, log } = options
  const bootId = options.bootId ?? readBootId()
  const lock = lockFolder(dataDir)
  const closers: (() => void | Promise<void>)[] = [() => lock.release()]
  /** A part that cannot be closed in order does not keep the others open, nor the process alive. */
  const closeAll = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const close of closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
  try {
    const ballast = createBallast(dataDir)
    // A disk that was full when the last process died has room for the start.
    ballast.release()
    let damaged = false
    const fresh = { instance: options.newId(), boot: bootId }
    const onDamaged = (keptAs: string, reason: string): void => {
      damaged = true
      log.error('the outbox is damaged and was kept aside; a new one is in use', { keptAs, reason })
    }
    const db = openOutboxDb(dataDir, fresh, onDamaged, clock.nowMs())
    closers.push(() => db.close())
    const files = { ledgerFile: join(dataDir, 'ledger.sqlite'), outboxFile: join(dataDir, 'outbox.sqlite') }
    const thread = startStorageThread(files, (error) => log.error('the storage worker ended', errorFields(error)))
    closers.push(() => thread.close())
    const time = new LedgerTime(clock)
    const client = options.connect?.(db.meta.instance) ?? null
    if (client === null) await openLedger(thread, damaged, log)
    const source = client === null ? thread : createLeaseClient({ calls: client, clock, time })
    const uploads = client !== null
    const core = await startSpend({
      ...options,
      db,
      ballast,
      source,
      uploads,
      time,
      timers: systemTimers,
      bootId,
      damaged,
    })
    const checkpoints = createCheckpoints(thread.checkpoint, log)
    const timers = [
      every(CHECKPOINT_EVERY_MS, checkpoints.run),
      every(IDLE_CHECK_MS, () => core.gate.returnIdle(false)),
    ]
    closers.push(() => core.close())
    closers.push(() => timers.forEach(clearInterval))
    const { instanceId, gate, outbox } = core
    const stats = () => ({ ...core.stats(), checkpointFailures: checkpoints.failures })
    const settled: UploadSource = {
      get uploaded() {
        return outbox.uploaded
      },
      settledAfter: thread.settledAfter,
      acknowledge: outbox.acknowledge,
      flush: outbox.flush,
    }
    return { instanceId, gate, outbox, settled, client, stats, close: closeAll }
  } catch (error) {
    await closeAll().catch(() => {})
    throw sqliteCode(error) === null
      ? error
      : new Error(`the data folder ${dataDir} cannot be used: ${error instanceof Error ? error.message : ''}`, {
          cause: error,
        })
  }
}

/** With both records damaged nobody knows what was spent: only an operator can decide to begin anew. */
async function openLedger(thread: StorageThread, outboxDamaged: boolean, log: Logger): Promise<void> {
  const { damaged } = await thread.open()
  if (damaged === null) return
  log.error('the ledger is damaged and was kept aside; a new one is made of what the outbox knows', damaged)
  if (outboxDamaged)
    throw new Error(
      'the outbox and the ledger are both damaged, so what was spent in the current periods is not known; both were kept aside, and the next start begins at zero',
    )
}

/** Work that is done again and again, and not begun while it is still under way. */
function every(periodMs: number, work: () => Promise<void>): NodeJS.Timeout {
  let running = false
  const timer = setInterval(() => {
    if (running) return
    running = true
    work()
      .catch(() => {})
      .finally(() => {
        running = false
      })
  }, periodMs)
  return timer.unref()
}

/** The id that Linux makes at each boot; elsewhere there is none, and then every start counts as a new boot. */
function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
