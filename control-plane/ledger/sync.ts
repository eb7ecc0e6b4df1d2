import {
  type Counter,
  counterKey,
  type Grant,
  type GrantVerdict,
  grant,
  type LeaseSyncAnswer,
  type LeaseSyncMessage,
  maxUsd,
  nanoUsd,
  type Period,
} from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { Books, newLease } from './books.ts'
import { carryOver } from './carry-over.ts'
import { amountOf, LEASE_TTL_MS, readPeriod, wire } from './figures.ts'
import { type CounterRow, type LeaseRow, type LedgerState, ledgerRepository, type OthersRow } from './repository.ts'

/** When a holder is to ask again that was told `pending`. */
const RETRY_AFTER_MS = 200
/** The same while the ledger recovers, or the period has not begun. */
const RETRY_LATER_MS = 1_000

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

/** Answers the items of a sync, or says that the ledger lost what the holder was granted: nothing is changed then. */
export async function answerAll(
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
