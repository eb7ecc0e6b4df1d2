import {
  type Counter,
  counterKey,
  type Grant,
  type GrantVerdict,
  grant,
  isLater,
  LEASE_AHEAD_MS,
  type LeaseSyncAnswer,
  type LeaseSyncMessage,
  maxUsd,
  nanoUsd,
  type Period,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { Books, newLease } from './books.ts'
import { carryOver } from './carry-over.ts'
import { endedRepository } from './ended-repository.ts'
import { amountOf, LEASE_TTL_MS, readPeriod, wire } from './figures.ts'
import { periodRepository } from './period-repository.ts'
import { type LedgerState, ledgerRepository } from './repository.ts'
import type { CounterRow, LeaseKey, LeaseRow } from './rows.ts'

/**
 * How long before a period begins money of it is granted (H1): a holder's idea of our clock is older than its question, so
 * that it may ask a little before we think that it should.
 */
const GRANTS_AHEAD_MS = 2 * LEASE_AHEAD_MS
/** When a holder is to ask again that was told `pending`. */
const RETRY_AFTER_MS = 200
/** The same while the ledger recovers, or the period has not begun. */
const RETRY_LATER_MS = 1_000

/** The holder knows of more than was granted in this epoch. */
interface Behind {
  readonly behind: number
  /** By its word alone; `null` where the database tells it. */
  readonly by: string | null
}

/** What a sync came to. */
interface Done {
  readonly answer: LeaseSyncAnswer
  /** The verdicts of the items that asked for money. */
  readonly asked: readonly { readonly verdict: GrantVerdict }[]
  /** Counters of which others hold money that this holder needs. */
  readonly short: readonly Counter[]
}

/** A sync, and whose it is. */
export interface Question {
  readonly instanceId: string
  readonly message: LeaseSyncMessage
}

/**
 * What becomes of a question: it is answered, or says that the ledger lost what the holder was granted, or comes from a
 * holder of another generation or epoch. In the latter cases it changes nothing.
 */
export type Outcome = Done | Behind | 'stale'

type Item = LeaseSyncMessage['items'][number]

/** Answers questions in their order, as if each had a transaction of its own behind the one before. */
export async function answerAll(tx: Tx, questions: readonly Question[]): Promise<readonly Outcome[]> {
  const [state, generations] = await Promise.all([
    ledgerRepository.state(tx),
    ledgerRepository.generations(
      tx,
      questions.map(({ instanceId }) => instanceId),
    ),
  ])
  if (state.moved) return questions.map(() => ({ behind: state.epoch, by: null }))
  const isStale = ({ instanceId, message }: Question): boolean =>
    message.ledgerEpoch !== state.epoch || message.generation !== generations.get(instanceId)
  const heard = questions.filter((question) => !isStale(question))
  if (heard.length === 0) return questions.map(() => 'stale')
  const items = heard.flatMap(({ message }) => message.items)
  const books = await Books.open(tx, heard.flatMap(keysOf), {
    unknownToo: false,
    asked: items.map(({ counter }) => counter),
  })
  // Before anything is changed: it would stay. Of a period of which leases were removed that some are not here tells nothing;
  // of another that ended it does: with it those of a period that runs may be lost, whose holders are away.
  const lacking = new Map(heard.map((question) => [question, behindOn(books, question)]))
  const removed = await endedRepository.removedAmong(tx, [...lacking.values()].flat())
  const isLost = (counter: Counter): boolean => !removed.has(counterKey(counter))
  const behind = new Set(heard.filter((question) => lacking.get(question)?.some(isLost)))
  const by = [...behind].map(({ instanceId }) => instanceId)
  const unheeded = by.length === 0 ? new Set<string>() : await ledgerRepository.unheeded(tx, by)
  const good = heard.filter((question) => !behind.has(question))
  await enter(
    tx,
    books,
    good.flatMap(({ message }) => message.items),
    state,
  )
  const outcomes = questions.map((question): Outcome => {
    const { instanceId: by } = question
    if (behind.has(question)) return unheeded.has(by) ? 'stale' : { behind: state.epoch, by }
    return isStale(question) ? 'stale' : answerOne(books, question, state)
  })
  await books.write(tx, LEASE_TTL_MS)
  return outcomes
}

const keysOf = ({ instanceId, message: { generation, items } }: Question): readonly LeaseKey[] =>
  items.map(({ counter }) => ({ counter, instanceId, generation }))

/** Counters of which the holder knows of more than was granted here. */
const behindOn = (books: Books, question: Question): readonly Counter[] =>
  keysOf(question).flatMap((key, at) =>
    amountOf(question.message.items[at]?.granted ?? '0') > (books.lease(key)?.lease.granted ?? 0n) ? [key.counter] : [],
  )

function answerOne(books: Books, { instanceId, message }: Question, state: LedgerState): Done {
  const { generation, items } = message
  const answers: LeaseSyncAnswer['items'] = []
  const short: Counter[] = []
  for (const item of items) {
    const { counter } = item
    const own = books.lease({ counter, instanceId, generation }) ?? newLease(counter, instanceId, generation)
    const row = books.counter(counter)
    const terms = termsOf(item, row, state)
    const asks = isAsking(item)
    const beside = books.liveBeside(own)
    const given = row && give(books, row, item, own, beside, terms.grants)
    const verdict = asks && !terms.grants ? terms.refusal : (given?.verdict ?? 'exhausted')
    if (asks && terms.grants && verdict !== 'granted' && beside.unspent > 0n) short.push(counter)
    answers.push({
      granted: wire(given?.lease.granted ?? own.lease.granted),
      verdict,
      available: wire(given?.available ?? 0n),
      spent: wire(spentOf(books, own, item)),
      ttlMs: Math.min(LEASE_TTL_MS, terms.endsInMs ?? LEASE_TTL_MS),
      retryAfterMs: asks && !terms.grants ? RETRY_LATER_MS : RETRY_AFTER_MS,
    })
  }
  const asked = answers.filter((_, at) => items[at] && isAsking(items[at]))
  return { answer: { ledgerEpoch: state.epoch, nowMs: state.nowMs, items: answers }, asked, short }
}

/** What counts as spent for whoever asks (C4): settled, what it charged beyond that, and what nobody will tell of. */
function spentOf(books: Books, { counter, lease }: LeaseRow, { charged }: Item): bigint {
  const row = books.counter(counter)
  const settled = (row?.settled ?? 0n) - (row?.aged ?? 0n) + books.unreported(counter)
  return settled + maxUsd(ZERO_USD, nanoUsd(amountOf(charged) - lease.settled))
}

const isAsking = ({ need, want, close }: Item): boolean => !close && (need !== '0' || want !== '0')

/** Changes the asking holder's lease, if it is one that a message still changes. */
function give(
  books: Books,
  row: CounterRow,
  item: Item,
  own: LeaseRow,
  { holders, unspent }: ReturnType<Books['liveBeside']>,
  grants: boolean,
): Grant | null {
  if (own.state !== 'active') return null
  const asked = grants ? item : { ...item, need: '0', want: '0' }
  const counter = {
    limit: nanoUsd((row.limit ?? 0n) + row.aged),
    committed: nanoUsd(books.committedBeside(own)),
    holders,
    mayComeBack: nanoUsd(unspent),
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
  /** Its period has not begun: what is granted is not spent before, and the one that runs stays the newest. */
  readonly isAhead: boolean
  /** What an asking holder is told where it does not. */
  readonly refusal: GrantVerdict
  readonly period: Period | null
  readonly endsInMs: number | null
}

function termsOf({ counter }: Item, row: CounterRow | null, state: LedgerState): Terms {
  const { recovering, nowMs } = state
  const period = readPeriod(counter.periodId)
  const none = { grants: false, isAhead: false, refusal: 'exhausted', period } as const
  if (period === null) return { ...none, endsInMs: 0 }
  const endsInMs = Number.isFinite(period.endsAtMs) ? Math.max(0, period.endsAtMs - nowMs) : null
  if (row === null || row.limit === null) return { ...none, endsInMs }
  // Periods never go back, whatever the database's clock does.
  const newest = row.newest === null ? null : readPeriod(row.newest)
  const isPast = endsInMs === 0 || (newest !== null && newest.spec === period.spec && isLater(newest, period))
  if (isPast) return { ...none, endsInMs: 0 }
  const isAhead = period.startsAtMs > nowMs
  const isTooEarly = period.startsAtMs - GRANTS_AHEAD_MS > nowMs
  // A sidecar that has not heard yet of an edit or a reset will within seconds; nobody begins a period anew by itself.
  const isFormer = row.spec !== period.spec || period.resets !== row.resets
  const isFrozen = recovering && mayHaveGranted(row, period, state)
  return { grants: !isTooEarly && !isFormer && !isFrozen, isAhead, refusal: 'pending', period, endsInMs }
}

/** Whether a ledger that lost something may have lost a grant of the counter, or the counter itself: its row may be new. */
const mayHaveGranted = (
  { epoch: of }: CounterRow,
  { startsAtMs }: Period,
  { epoch, epochAtMs }: LedgerState,
): boolean => of < epoch || startsAtMs - GRANTS_AHEAD_MS < epochAtMs

/** Notes of which counters money is asked: their periods are the newest, and they open with what was spent elsewhere. */
async function enter(tx: Tx, books: Books, items: readonly Item[], state: LedgerState): Promise<void> {
  const entering = new Map<string, { readonly row: CounterRow; readonly period: Period }>()
  for (const item of items.filter(isAsking)) {
    const row = books.counter(item.counter)
    const { grants, isAhead, period } = termsOf(item, row, state)
    if (grants && !isAhead && row && period) entering.set(counterKey(item.counter), { row, period })
  }
  const entered = [...entering.values()]
  const begun = entered.filter(({ row, period }) => row.newest !== period.id)
  if (begun.length > 0)
    await periodRepository.enterPeriods(
      tx,
      begun.map(({ row, period }) => ({ budgetUid: row.counter.budgetUid, spec: period.spec, periodId: period.id })),
    )
  for (const { row, period } of entered)
    if (row.edited && period.startsAtMs < row.editedAtMs) await carryOver(tx, books, row, period, state.nowMs)
}
