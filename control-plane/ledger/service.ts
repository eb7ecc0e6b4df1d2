import {
  type ChannelAnswer,
  type Counter,
  counterKey,
  type EventCharge,
  type Grant,
  type GrantVerdict,
  grant,
  type LeaseHello,
  type LeaseSyncAnswer,
  type LeaseSyncMessage,
  type LeaseWelcome,
  maxUsd,
  minUsd,
  NANO_USD_MAX,
  type NanoUsd,
  nanoUsd,
  type Period,
  periodOf,
} from '@agentcostcontrol/contract'
import type { SidecarCaller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { ApiError } from '../errors.ts'
import { Books, NO_LEASE } from './books.ts'
import { carryOver } from './carry-over.ts'
import { type CounterRow, type LeaseRow, type LedgerState, ledgerRepository, type OthersRow } from './repository.ts'

/** A budget of a revision that comes into force. */
export interface PublishedBudget {
  readonly uid: string
  readonly name: string
  readonly limit: bigint
  readonly period: string
}

/** Grants leases and books charges, as docs/budget-protocol.md says; its rules are named in the code. */
export interface LedgerService {
  hello(caller: SidecarCaller, hello: LeaseHello): Promise<LeaseWelcome>
  /** @throws ApiError `acc_api_stale_holder` to a holder of another generation or epoch: it says hello again */
  sync(caller: SidecarCaller, message: LeaseSyncMessage): Promise<LeaseSyncAnswer>
  /** Books what events that are stored in this transaction charged to leases of a sidecar (C3): in every state, at any age. */
  book(tx: Tx, instanceId: string, charges: readonly EventCharge[]): Promise<void>
  /** The budgets of a revision that comes into force with this transaction. */
  adoptBudgets(tx: Tx, orgId: string, budgets: readonly PublishedBudget[]): Promise<void>
  /** What a sidecar is asked to give back since a version; `null` for nothing. */
  recallsSince(orgId: string, instanceId: string, version: number): Promise<ChannelAnswer['leases']>
}

/** What the service needs. */
export interface LedgerServiceOptions {
  readonly database: Database
  readonly wakes: Pick<Wakes, 'announce'>
  /** Told of each grant that was asked for. */
  onVerdict(verdict: GrantVerdict): void
  /** Told when the ledger of an organisation may have lost something. */
  onEpoch(orgId: string, epoch: number): void
}

/** How long an answer is believed: a lease holds until its period ends (C2). */
const LEASE_TTL_MS = 60 * 60 * 1_000
/** When a holder is to ask again that was told `pending`. */
const RETRY_AFTER_MS = 200
/** The same while the ledger recovers, or the period has not begun. */
const RETRY_LATER_MS = 1_000
const RECALL_EVERY_MS = 500
/** A ledger goes back by a few epochs: nobody makes it count to where numbers end. */
const EPOCHS_LOST_MAX = 1_000

/** Makes the service. */
export function createLedgerService({ database, wakes, onVerdict, onEpoch }: LedgerServiceOptions): LedgerService {
  /** Begins another epoch in a transaction of its own: what follows may have to be refused. */
  async function raiseEpoch(orgId: string, seen: number, above: number): Promise<void> {
    const epoch = await database.inOrg(orgId, async (tx) =>
      (await ledgerRepository.raiseEpoch(tx, seen, above)) ? (await ledgerRepository.state(tx)).epoch : null,
    )
    if (epoch !== null) onEpoch(orgId, epoch)
  }

  return {
    hello: async ({ orgId, instanceId }, hello) => {
      const state = await database.inOrg(orgId, ledgerRepository.state)
      if (hello.ledgerEpoch > state.epoch + EPOCHS_LOST_MAX)
        throw new ApiError('acc_api_invalid', `ledgerEpoch: no ledger was ever near it, this one is at ${state.epoch}`)
      if (state.moved || hello.ledgerEpoch > state.epoch) await raiseEpoch(orgId, state.epoch, hello.ledgerEpoch)
      const greeted = await database.inOrg(orgId, (tx) => greet(tx, instanceId, hello))
      // The holder knows of more than was granted here: the ledger lost it.
      if (!greeted.isBehind) return greeted.welcome
      await raiseEpoch(orgId, greeted.welcome.ledgerEpoch, 0)
      return (await database.inOrg(orgId, (tx) => greet(tx, instanceId, hello))).welcome
    },
    sync: async ({ orgId, instanceId }, message) => {
      const done = await database.inOrg(orgId, async (tx) => {
        const [state, generation] = await Promise.all([
          ledgerRepository.state(tx),
          ledgerRepository.holder(tx, instanceId, 'share'),
        ])
        if (state.moved) return { behind: state.epoch }
        if (message.ledgerEpoch !== state.epoch || message.generation !== generation) return 'stale'
        return answerAll(tx, instanceId, message, state)
      })
      const isBehind = done !== 'stale' && 'behind' in done
      if (isBehind) await raiseEpoch(orgId, done.behind, 0)
      if (isBehind || done === 'stale')
        throw new ApiError('acc_api_stale_holder', 'Say hello: another generation or epoch is in force.')
      for (const { verdict } of done.asked) onVerdict(verdict)
      if (done.short.length > 0)
        await database.inOrg(orgId, async (tx) => {
          if (await ledgerRepository.recall(tx, done.short, RECALL_EVERY_MS)) await wakes.announce(tx, 'leases', orgId)
        })
      return done.answer
    },
    book: async (tx, instanceId, charges) => {
      const sums = new Map<string, { counter: Counter; generation: number; nano: bigint }>()
      for (const { budgetUid, subject, periodId, generation, nanoUsd: nano } of charges) {
        const counter = { budgetUid, subject, periodId }
        const key = `${counterKey(counter)}\u001f${generation}`
        const sum = sums.get(key) ?? { counter, generation, nano: 0n }
        sum.nano += BigInt(nano)
        sums.set(key, sum)
      }
      const keys = [...sums.values()]
      if (keys.length === 0) return
      const books = await Books.open(tx, instanceId, keys, { unknownToo: true })
      for (const { counter, generation, nano } of keys) {
        const row = books.lease({ counter, instanceId, generation }) ?? newLease(counter, instanceId, generation)
        const settled = nanoUsd(row.lease.settled + nano)
        books.put({ ...row, lease: { ...row.lease, settled } })
      }
      await Promise.all([books.write(tx, 0), ledgerRepository.addDays(tx, keys)])
    },
    adoptBudgets: async (tx, orgId, budgets) => {
      await ledgerRepository.holdBudgets(tx, 'update')
      const lowered = await ledgerRepository.saveBudgets(tx, budgets)
      if (lowered.length > 0) await wakes.announce(tx, 'leases', orgId)
    },
    recallsSince: (orgId, instanceId, version) =>
      database.inOrg(orgId, async (tx) => {
        const recalls = await ledgerRepository.recallsSince(tx, instanceId, version)
        if (recalls.length === 0) return null
        return {
          version: Math.max(...recalls.map((recall) => recall.version)),
          recalls: recalls.map(({ budgetUid, subject, periodId }) => ({
            counter: { budgetUid, subject, periodId },
            keep: '0',
          })),
        }
      }),
  }
}

const newLease = (counter: Counter, instanceId: string, generation: number): LeaseRow => ({
  counter,
  instanceId,
  generation,
  lease: NO_LEASE,
  charged: 0n,
  state: 'active',
})

/** A counter may be further above its limit, and a lease than it holds, than a number on the wire says. */
const wire = (amount: bigint): string =>
  minUsd(NANO_USD_MAX, maxUsd(nanoUsd(-NANO_USD_MAX), nanoUsd(amount))).toString()
const amountOf = (text: string): NanoUsd => minUsd(NANO_USD_MAX, nanoUsd(BigInt(text)))

/** Answers a hello. `isBehind`: the holder knows of more than the ledger does, in an epoch that both know. */
async function greet(
  tx: Tx,
  instanceId: string,
  hello: LeaseHello,
): Promise<{ readonly welcome: LeaseWelcome; readonly isBehind: boolean }> {
  const state = await ledgerRepository.state(tx)
  await ledgerRepository.meetHolder(tx, instanceId)
  const known = (await ledgerRepository.holder(tx, instanceId, 'update')) ?? 0
  const active = await ledgerRepository.activeLeases(tx, instanceId, hello.generation)
  const trusted = isTrusted(hello, known, active)
  // A repeated hello of a holder that was given a new generation, and has nothing in it, is given the same one.
  const repeated =
    !trusted &&
    known === hello.generation + 1 &&
    (await ledgerRepository.activeLeases(tx, instanceId, known)).length === 0
  const generation = trusted ? hello.generation : repeated ? known : Math.max(known, hello.generation) + 1
  const isBehind = await adopt(tx, instanceId, hello, trusted, state)
  await ledgerRepository.fenceFormer(tx, instanceId, generation)
  await ledgerRepository.saveHolder(tx, instanceId, generation, state.epoch)
  const [leases, periods] = await Promise.all([
    ledgerRepository.activeLeases(tx, instanceId, generation),
    ledgerRepository.periods(tx),
  ])
  return {
    isBehind: isBehind && hello.ledgerEpoch === state.epoch,
    welcome: {
      generation,
      continuity: trusted ? 'same' : 'broken',
      ledgerEpoch: state.epoch,
      nowMs: state.nowMs,
      leases: leases.map(({ counter, lease }) => ({
        counter,
        granted: wire(lease.granted),
        returned: wire(lease.returned),
        settled: wire(lease.settled),
      })),
      periods: [...periods],
    },
  }
}

/**
 * Whether a holder is who it says: one that knows less than it once told has lost state, whatever it says (H7). One that
 * the ledger does not know any more, and that knows of the ledger, was forgotten by it.
 */
function isTrusted(
  { continuity, generation, ledgerEpoch, leases }: LeaseHello,
  known: number,
  active: readonly LeaseRow[],
) {
  if (continuity === 'broken' || generation < 1 || ledgerEpoch < 1 || generation < known) return false
  const held = new Map(
    leases.filter((lease) => lease.generation === generation).map((lease) => [counterKey(lease.counter), lease]),
  )
  return active.every(({ counter, lease }) => {
    const own = held.get(counterKey(counter))
    return own !== undefined && BigInt(own.returned) >= lease.returned && BigInt(own.charged) >= lease.settled
  })
}

/** Takes over what a holder knows and the ledger does not. @returns whether money was granted that is not known here */
async function adopt(
  tx: Tx,
  instanceId: string,
  { leases, generation }: LeaseHello,
  trusted: boolean,
  { nowMs }: LedgerState,
): Promise<boolean> {
  const held = leases.filter(({ counter }) => !isOver(counter, nowMs))
  if (held.length === 0) return false
  await ledgerRepository.planForMany(tx)
  const books = await Books.open(tx, instanceId, held, { unknownToo: true })
  let isBehind = false
  for (const { counter, generation: ofGeneration, granted, returned, charged } of held) {
    const row = books.lease({ counter, instanceId, generation: ofGeneration })
    const { lease } = row ?? { lease: NO_LEASE }
    isBehind ||= amountOf(granted) > lease.granted
    const takesReturns = row === null || (trusted && ofGeneration === generation)
    const taken = maxUsd(lease.granted, amountOf(granted))
    const adopted = {
      ...lease,
      granted: taken,
      returned: takesReturns ? minUsd(taken, maxUsd(lease.returned, amountOf(returned))) : lease.returned,
    }
    const most = maxUsd(nanoUsd(row?.charged ?? 0n), amountOf(charged))
    books.put({ ...(row ?? newLease(counter, instanceId, ofGeneration)), lease: adopted, charged: most })
  }
  await books.write(tx, LEASE_TTL_MS)
  return isBehind
}

/** The holder knows of more than was granted in this epoch. */
interface Behind {
  readonly behind: number
}

/** What a sync came to. */
interface Done {
  readonly answer: LeaseSyncAnswer
  /** The verdicts of the items that asked for money. */
  readonly asked: readonly { readonly verdict: GrantVerdict }[]
  /** Counters of which others hold money that this holder needs. */
  readonly short: readonly Counter[]
}

type Item = LeaseSyncMessage['items'][number]

async function answerAll(
  tx: Tx,
  instanceId: string,
  { generation, items }: LeaseSyncMessage,
  state: LedgerState,
): Promise<Done | Behind> {
  const keys = items.map(({ counter }) => ({ counter, instanceId, generation }))
  const books = await Books.open(tx, instanceId, keys, { unknownToo: false })
  // Before anything is changed: it would stay.
  if (keys.some((key, at) => amountOf(items[at]?.granted ?? '0') > (books.lease(key)?.lease.granted ?? 0n)))
    return { behind: state.epoch }
  await enter(tx, books, items, state)
  const asking = items.filter(isAsking).map(({ counter }) => counter)
  const others = new Map(
    asking.length === 0
      ? []
      : (await ledgerRepository.others(tx, asking, instanceId)).map((row) => [row.key, row] as const),
  )
  const answers: LeaseSyncAnswer['items'] = []
  const short: Counter[] = []
  for (const item of items) {
    const { counter } = item
    const own = books.lease({ counter, instanceId, generation })
    const row = books.counter(counter)
    const beside = others.get(counterKey(counter)) ?? NOBODY
    const terms = termsOf(item, row, state)
    const asks = isAsking(item)
    const given = row && give(books, row, item, own ?? newLease(counter, instanceId, generation), beside, terms.grants)
    const verdict = asks && !terms.grants ? terms.refusal : (given?.verdict ?? 'exhausted')
    if (asks && terms.grants && verdict !== 'granted' && beside.mayComeBack > 0n) short.push(counter)
    answers.push({
      granted: wire(given?.lease.granted ?? own?.lease.granted ?? 0n),
      verdict,
      available: wire(given?.available ?? 0n),
      ttlMs: LEASE_TTL_MS,
      periodEndsInMs: terms.endsInMs,
      retryAfterMs: asks && !terms.grants ? RETRY_LATER_MS : RETRY_AFTER_MS,
    })
  }
  await books.write(tx, LEASE_TTL_MS)
  const asked = answers.filter((_, at) => items[at] && isAsking(items[at]))
  return { answer: { ledgerEpoch: state.epoch, nowMs: state.nowMs, items: answers }, asked, short }
}

const NOBODY: OthersRow = { key: '', holders: 0, mayComeBack: 0n }

const isAsking = ({ need, want, close }: Item): boolean => !close && (need !== '0' || want !== '0')

/** Changes the asking holder's lease, if it is one that a message still changes. */
function give(
  books: Books,
  row: CounterRow,
  item: Item,
  own: LeaseRow,
  { holders, mayComeBack }: OthersRow,
  grants: boolean,
): Grant | null {
  if (own.state !== 'active') return null
  const asked = grants ? item : { ...item, need: '0', want: '0' }
  const counter = {
    limit: nanoUsd(row.limit ?? 0n),
    committed: nanoUsd(books.committedBeside(own)),
    holders,
    mayComeBack: nanoUsd(mayComeBack),
  }
  const given = grant(
    {
      counter: item.counter,
      limit: counter.limit,
      granted: amountOf(item.granted),
      returned: amountOf(item.returned),
      charged: amountOf(item.charged),
      uncharged: amountOf(item.uncharged),
      least: amountOf(asked.least),
      need: amountOf(asked.need),
      want: amountOf(asked.want),
      close: item.close,
    },
    own.lease,
    counter,
  )
  const charged = maxUsd(nanoUsd(own.charged), amountOf(item.charged))
  books.put({ ...own, lease: given.lease, charged, state: item.close ? 'closed' : 'active' })
  return given
}

/** Whether and how a counter grants money now. */
interface Terms {
  readonly grants: boolean
  /** What an asking holder is told where it does not. */
  readonly refusal: GrantVerdict
  readonly period: Period | null
  readonly endsInMs: number | null
}

function termsOf({ counter }: Item, row: CounterRow | null, { recovering, epoch, nowMs }: LedgerState): Terms {
  const period = readPeriod(counter.periodId)
  if (period === null || row === null || row.limit === null)
    return { grants: false, refusal: 'exhausted', period, endsInMs: 0 }
  const endsInMs = Number.isFinite(period.endsAtMs) ? Math.max(0, period.endsAtMs - nowMs) : null
  // Periods never go back, whatever the database's clock does.
  const newest = row.newest === null ? null : readPeriod(row.newest)
  const isPast = endsInMs === 0 || (newest?.kind === period.kind && newest.startsAtMs > period.startsAtMs)
  if (isPast) return { grants: false, refusal: 'exhausted', period, endsInMs: 0 }
  const isNext = period.startsAtMs > nowMs
  // A sidecar that has not heard yet that the kind of period was edited: it will within seconds.
  const isFormer = row.kind !== period.kind
  const isFrozen = recovering && row.epoch < epoch
  return { grants: !isNext && !isFormer && !isFrozen, refusal: 'pending', period, endsInMs }
}

/** Notes of which counters money is asked: their periods are the newest, and they open with what was spent elsewhere. */
async function enter(tx: Tx, books: Books, items: readonly Item[], state: LedgerState): Promise<void> {
  const entered = items.filter(isAsking).flatMap((item) => {
    const row = books.counter(item.counter)
    const { grants, period } = termsOf(item, row, state)
    return grants && row && period ? [{ row, period }] : []
  })
  const begun = entered.filter(({ row, period }) => row.newest !== period.id)
  if (begun.length > 0)
    await ledgerRepository.enterPeriods(
      tx,
      begun.map(({ row, period }) => ({ budgetUid: row.counter.budgetUid, kind: period.kind, periodId: period.id })),
    )
  for (const { row, period } of entered) if (row.edited) await carryOver(tx, books, row, period)
}

function readPeriod(id: string): Period | null {
  try {
    return periodOf(id)
  } catch {
    return null
  }
}

function isOver({ periodId }: Counter, nowMs: number): boolean {
  const period = readPeriod(periodId)
  return period === null || period.endsAtMs <= nowMs
}
