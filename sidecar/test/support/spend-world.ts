import { randomUUID } from 'node:crypto'
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Holder, type LeaseSyncItem, type NanoUsd, nanoUsd, type UsageEvent } from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'
import { folderFor, type Scope } from '../../../test/support/scope.ts'
import type { LeaseSource } from '../../budget/lease-source.ts'
import { LedgerTime } from '../../budget/ledger-time.ts'
import { createLocalLedger, type LocalLedger } from '../../budget/local-ledger.ts'
import type { Reservation, ReserveOutcome } from '../../budget/types.ts'
import type { Ballast } from '../../events/ballast.ts'
import { openIntents, storedEvents } from '../../events/group-log.ts'
import { type OutboxDb, openOutboxDb } from '../../events/outbox-db.ts'
import { openSound } from '../../events/sound-file.ts'
import { type SpendCore, startSpend } from '../../events/spend-core.ts'
import type { Intent } from '../../events/types.ts'
import { FakeTime } from './fake-time.ts'
import { silentLog } from './silent-log.ts'
import { attemptOf, eventOf } from './usage-events.ts'

/** What goes wrong, once or until it is mended. */
export interface Faults {
  /** Commits of the outbox that fail from now on. */
  disk: boolean
  /** There is room for what ends an intent, once the reserve has given way, and for nothing else. */
  full: boolean
  /** The process dies in the middle of its start. */
  start: boolean
  /** Messages to the grantor that do not arrive. */
  lostQuestions: number
  /** Answers of the grantor that do not arrive. */
  lostAnswers: number
}

/** What a world differs in. */
export interface SpendWorldOptions {
  readonly eventsMax?: number
  readonly uploads?: boolean
  readonly remote?: SpendWorld['remote']
}

/**
 * The money core on real files: gate, holder, local ledger and outbox, as the sidecar puts them together, with a clock
 * that tests hold and processes that can die.
 */
export class SpendWorld {
  readonly time = new FakeTime()
  readonly faults: Faults = { disk: false, full: false, start: false, lostQuestions: 0, lostAnswers: 0 }
  readonly folder: string
  readonly eventsMax: number
  /** Whether a control plane is to get the events. */
  readonly uploads: boolean
  /** Grants leases in place of a ledger of its own; given the holder's id. */
  readonly remote: ((instanceId: string, world: SpendWorld) => LeaseSource) | null
  readonly ledgerTime = new LedgerTime(this.time)
  /** The policy in force. */
  budgets: readonly CompiledBudget[] = []
  /** What is known of the grantor beside leases. */
  isConnected = true
  /** The most events that were written in one transaction. */
  largestGroup = 0
  /** Every message that reached the grantor. */
  readonly messages: (readonly LeaseSyncItem[])[] = []
  /** The kernel's boot id; empty where there is none. */
  bootId = 'boot-0'
  #boots = 0
  #events = 0
  #instances = 0
  #life: Life | null = null

  private constructor(folder: string, { eventsMax = 100_000, uploads = false, remote = null }: SpendWorldOptions) {
    this.folder = folder
    this.eventsMax = eventsMax
    this.uploads = uploads
    this.remote = remote
  }

  static async open(
    scope: Scope,
    budgets: readonly CompiledBudget[],
    options: SpendWorldOptions = {},
  ): Promise<SpendWorld> {
    const world = new SpendWorld(folderFor(scope), options)
    world.budgets = budgets
    await world.start()
    scope.teardown(() => world.#end())
    return world
  }

  get core(): SpendCore {
    return this.#alive().core
  }

  get ledger(): LocalLedger {
    return this.#alive().ledger
  }

  get db(): OutboxDb {
    return this.#alive().db
  }

  /** A process starts on what is in the folder. */
  async start(): Promise<void> {
    const newId = () => (this.remote === null ? `instance-${++this.#instances}` : randomUUID())
    const life = new Life(this, this.bootId, newId)
    this.#life = life
    await life.start()
    // What a start leaves in the WAL alone is lost with the power.
    copyFileSync(this.#outbox, `${this.#outbox}.durable`)
  }

  /** The process is killed, and started again. */
  async crash(): Promise<void> {
    await this.crashAnd(() => {})
  }

  /** It ends in order, and is started again. */
  async restart(): Promise<void> {
    await this.close()
    await this.start()
  }

  /** It ends in order. */
  async close(): Promise<void> {
    await this.during(this.core.close())
    copyFileSync(this.#outbox, `${this.#outbox}.durable`)
    this.#end()
  }

  /** The machine loses power: of the outbox only what was made durable is left, and the kernel starts anew. */
  async losePower(): Promise<void> {
    this.#end()
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.#outbox + suffix, { force: true })
    copyFileSync(`${this.#outbox}.durable`, this.#outbox)
    this.bootId = `boot-${++this.#boots}`
    await this.start()
  }

  /** The WAL has been moved into the file: what was committed so far survives a power loss. */
  saveDurable(): void {
    const db = new DatabaseSync(this.#outbox)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    db.close()
    copyFileSync(this.#outbox, `${this.#outbox}.durable`)
  }

  /** The event ids of the intents on disk. */
  intents(): ReadonlySet<string> {
    const db = new DatabaseSync(this.#outbox, { readOnly: true })
    try {
      return new Set(openIntents(db).map(({ intent }) => intent.event.eventId))
    } finally {
      db.close()
    }
  }

  /** Settled and set aside in the ledger, of a budget's counters in one period; of one subject, or of all. */
  committed(budgetUid: string, periodId: string, subject = '%'): bigint {
    const db = new DatabaseSync(join(this.folder, 'ledger.sqlite'), { readOnly: true, readBigInts: true })
    try {
      const rows = db
        .prepare('SELECT settled + max(0, granted - returned - settled) AS nano FROM leases WHERE counter LIKE ?')
        .all(`${budgetUid}\u001f${subject}\u001f${periodId}`)
      return rows.reduce((sum, { nano }) => sum + BigInt(String(nano)), 0n)
    } finally {
      db.close()
    }
  }

  /** The events on disk, oldest first. */
  events(): readonly UsageEvent[] {
    const db = new DatabaseSync(this.#outbox, { readOnly: true })
    try {
      return [...storedEvents(db)]
    } finally {
      db.close()
    }
  }

  /** The process dies; `work` is done to its folder before the next one starts. */
  async crashAnd(work: (folder: string) => void): Promise<void> {
    this.#end()
    work(this.folder)
    await this.start()
  }

  /** Waits until nothing moves any more without time passing. */
  async settleDown(): Promise<void> {
    let last = ''
    for (let same = 0; same < 4; ) {
      await (this.#life?.answer ?? new Promise((resolve) => setImmediate(resolve)))
      const now = this.#life?.signature() ?? ''
      same = now === last && this.#life?.answer === null ? same + 1 : 0
      last = now
    }
  }

  /** Lets time pass, in steps in which those who wait look again. */
  async pass(ms: number, stepMs = 50): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.time.pass(Math.min(left, stepMs))
      await this.settleDown()
    }
  }

  /** Reserves, with all time that it takes. */
  async reserve(lines: readonly MatchedBudget[], bound: number, least = bound): Promise<ReserveOutcome> {
    const asked = this.ask(lines, bound, least)
    if (!(asked instanceof Promise)) return asked
    return this.during(asked)
  }

  /** Lets as much time pass as something takes. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => {})
    await this.settleDown()
    for (let passed = 0; !done && passed < 5_000; passed += 50) await this.pass(50)
    if (!done) throw new Error('it does not end')
    return settled
  }

  /** Reserves, and does not wait. */
  ask(lines: readonly MatchedBudget[], bound: number, least = bound, signal = new AbortController().signal) {
    return this.core.gate.reserve({ lines, bound: nano(bound), least: nano(least), signal })
  }

  /** Reserves and commits an intent: an attempt that is about to be sent. @throws if it is refused */
  async send(lines: readonly MatchedBudget[], bound: number): Promise<Intent> {
    const outcome = await this.reserve(lines, bound)
    if (outcome.kind !== 'reserved') throw new Error(`refused: ${outcome.kind}`)
    const intent = this.intentOf(outcome.reservation)
    const committed = this.core.outbox.commitIntent(intent)
    await this.settleDown()
    await committed
    return intent
  }

  intentOf(reservation: Reservation): Intent {
    const amount = reservation.bound.toString()
    const attempt = attemptOf({
      precision: 'estimated',
      costNanoUsd: amount,
      chargedNanoUsd: amount,
      boundNanoUsd: amount,
    })
    return {
      reservation,
      event: eventOf(`event-${++this.#events}`, {
        intentAt: new Date(this.time.nowMs()).toISOString(),
        outcome: 'unresolved',
        attempts: [attempt],
        charges: reservation.holds.map(({ counter, generation }) => ({ ...counter, generation, nanoUsd: amount })),
      }),
    }
  }

  /** The attempt ended and cost this much. */
  end(intent: Intent, charged: number): void {
    const attempts = intent.event.attempts.map((attempt) => ({
      ...attempt,
      costNanoUsd: String(charged),
      chargedNanoUsd: String(charged),
    }))
    const charges = intent.event.charges.map((charge) => ({ ...charge, nanoUsd: String(charged) }))
    this.core.outbox.settle({
      intent,
      charged: nano(charged),
      event: { ...intent.event, outcome: 'completed', attempts, charges },
    })
  }

  get #outbox(): string {
    return join(this.folder, 'outbox.sqlite')
  }

  #alive(): Life {
    if (this.#life === null) throw new Error('the process is dead')
    return this.#life
  }

  #end(): void {
    this.#life?.end()
    this.#life = null
    this.time.forgetTimers()
  }
}

const nano = (amount: number): NanoUsd => nanoUsd(BigInt(amount))

/** A reserve that there is room for unless the disk is full. */
function ballastOf(faults: Faults): Ballast {
  let held = false
  return {
    get held() {
      return held
    },
    release: () => {
      held = false
    },
    acquire: () => {
      held = !faults.full
      return held
    },
  }
}

/** One process. */
class Life {
  readonly db: OutboxDb
  readonly ledger: LocalLedger
  readonly #world: SpendWorld
  readonly #bootId: string
  readonly #raw: OutboxDb
  readonly #ballast: Ballast
  /** Events of the transaction under way, and whether one of them ends no intent. */
  #group = { events: 0, refusals: false }
  #core: SpendCore | null = null
  #dead = false
  /** The grantor is being asked: resolves when it answered, or did not. */
  #answer: Promise<void> | null = null

  constructor(world: SpendWorld, bootId: string, newId: () => string) {
    this.#world = world
    this.#bootId = bootId
    this.#ballast = ballastOf(world.faults)
    const noDamage = (keptAs: string): never => {
      throw new Error(`damaged: ${keptAs}`)
    }
    this.#raw = openOutboxDb(world.folder, { instance: newId(), boot: bootId }, noDamage, 0)
    this.db = {
      ...this.#raw,
      begin: () => this.#begin(),
      commit: () => this.#commit(),
      insertEvent: (event) => {
        this.#group.events++
        if (event.outcome === 'denied') this.#group.refusals = true
        this.#raw.insertEvent(event)
      },
      durably: (work) =>
        this.#raw.durably(() => {
          work()
          if (world.faults.start) throw new Error('the process died in its start')
        }),
    }
    const file = join(world.folder, 'ledger.sqlite')
    this.ledger = openSound(file, (db) => createLocalLedger(db, world.time), noDamage, 0)
  }

  get core(): SpendCore {
    if (this.#core === null) throw new Error('the process has not started')
    return this.#core
  }

  async start(): Promise<void> {
    this.#core = await startSpend({
      db: this.db,
      ballast: this.#ballast,
      source: this.#source(),
      clock: this.#world.time,
      timers: this.#world.time,
      random: () => 0.5,
      budgets: () => this.#world.budgets,
      eventsMax: this.#world.eventsMax,
      uploads: this.#world.uploads,
      time: this.#world.ledgerTime,
      isConnected: () => this.#world.isConnected,
      onFenced: () => {},
      onStored: () => {},
      log: silentLog,
      bootId: this.#bootId,
      damaged: false,
    })
  }

  end(): void {
    this.#dead = true
    this.#raw.close()
    this.ledger.close()
  }

  get answer(): Promise<void> | null {
    return this.#dead ? null : this.#answer
  }

  signature(): string {
    if (this.#core === null || this.#dead) return 'dead'
    const { outbox, gate } = this.#core.stats()
    return [outbox.commits, outbox.failures, gate.syncs, gate.syncFailures, gate.reserved, gate.waiting].join()
  }

  #begin(): void {
    if (this.#dead) throw new Error('the process is dead')
    this.#group = { events: 0, refusals: false }
    this.#raw.begin()
  }

  #commit(): void {
    const { faults } = this.#world
    if (faults.disk) throw new Error('disk I/O error')
    if (faults.full && (this.#ballast.held || this.#group.refusals)) throw new Error('database or disk is full')
    this.#world.largestGroup = Math.max(this.#world.largestGroup, this.#group.events)
    this.#raw.commit()
  }

  /** The ledger as the holder sees it: messages and answers may be lost on the way. */
  #source(): LeaseSource {
    const { faults, messages, remote } = this.#world
    const grantor: LeaseSource = remote?.(this.#raw.meta.instance, this.#world) ?? {
      isRemote: false,
      hello: async (hello) => this.ledger.hello(hello),
      sync: async (holder, items) => this.ledger.sync(holder, items),
    }
    const asked = async <T>(question: () => Promise<T>): Promise<T> => {
      if (this.#dead) return new Promise(() => {})
      if (faults.lostQuestions > 0) {
        faults.lostQuestions--
        throw new Error('the question was lost')
      }
      const asking = question()
      const ended = Promise.allSettled([asking]).then(() => {
        if (this.#answer === ended) this.#answer = null
      })
      this.#answer = ended
      const answer = await asking
      if (this.#dead) return new Promise(() => {})
      if (faults.lostAnswers > 0) {
        faults.lostAnswers--
        throw new Error('the answer was lost')
      }
      return answer
    }
    return {
      isRemote: grantor.isRemote,
      hello: (hello, reread) =>
        grantor.isRemote ? asked(() => grantor.hello(hello, reread)) : grantor.hello(hello, reread),
      sync: (holder: Holder, items: readonly LeaseSyncItem[]) =>
        asked(() => {
          messages.push(items)
          return grantor.sync(holder, items)
        }),
    }
  }
}
