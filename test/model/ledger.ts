/** The ledger of the model: the grants are those of contract/grant.ts; hello is as control-plane/ledger does it. */
import {
  committedOf,
  counterState,
  grant,
  type LeaseSyncItem,
  type LedgerLease,
  maxUsd,
  type NanoUsd,
  nanoUsd,
  openOf,
  overrunOf,
} from '@agentcostcontrol/contract'
import type { Rules } from './rules.ts'
import type { Instance, Lease, Ledger, Message } from './state.ts'

type Sync = Extract<Message, { kind: 'sync' }>
type Hello = Extract<Message, { kind: 'hello' }>

/** What the ledger makes of a message; no answer for one that is refused. */
export interface Answered {
  readonly ledger: Ledger
  readonly answer: Message | null
}

const nano = (amount: number): NanoUsd => nanoUsd(BigInt(amount))

/** A lease in the types of the contract. */
const figuresOf = ({ granted, returned, settled, released }: Lease): LedgerLease => ({
  granted: nano(granted),
  returned: nano(returned),
  settled: nano(settled),
  released: nano(released),
})

/** What the contract says of a lease, computed once for each value. */
const remembered = (compute: (figures: LedgerLease) => bigint): ((lease: Lease) => number) => {
  const known = new WeakMap<Lease, number>()
  return (lease) => {
    const amount = known.get(lease) ?? Number(compute(figuresOf(lease)))
    known.set(lease, amount)
    return amount
  }
}

/** Open money of a lease. */
export const openIn = remembered(openOf)
const committedIn = remembered(committedOf)
const overrunIn = remembered(overrunOf)

/** Settled and escrow of these leases. */
export const committedOn = (leases: readonly Lease[]): number =>
  leases.reduce((sum, lease) => sum + committedIn(lease), 0)

/** What these leases were charged above what they held. */
export const overrunOn = (leases: readonly Lease[]): number => leases.reduce((sum, lease) => sum + overrunIn(lease), 0)

const newLease = (instance: number, generation: number, counter: number): Lease => ({
  instance,
  generation,
  counter,
  granted: 0,
  returned: 0,
  settled: 0,
  released: 0,
  state: 'active',
  expired: false,
})

const findLease = (ledger: Ledger, instance: number, generation: number, counter: number): Lease =>
  ledger.leases.find(
    (each) => each.instance === instance && each.generation === generation && each.counter === counter,
  ) ?? newLease(instance, generation, counter)

/** The ledger with this lease, in the order of their keys. */
export function withLease(ledger: Ledger, lease: Lease): Ledger {
  const { instance, generation, counter } = lease
  const others = ledger.leases.filter(
    (each) => each.instance !== instance || each.generation !== generation || each.counter !== counter,
  )
  const order = (each: Lease): number => each.instance * 10_000 + each.generation * 100 + each.counter
  return { ...ledger, leases: [...others, lease].sort((one, other) => order(one) - order(other)) }
}

const generationOf = (ledger: Ledger, instance: number): number =>
  ledger.generations.find(([known]) => known === instance)?.[1] ?? 0

/** Every counter, where requests do not go by the period. */
const ALL = 99

/**
 * Another epoch: counters that may have been granted from grant nothing until the recovery is ended.
 * @param period that is in force; `null` where requests do not go by it
 */
export const raiseEpoch = (
  { ahead = false }: Instance,
  rules: Rules,
  ledger: Ledger,
  period: number | null,
): Ledger => ({
  ...ledger,
  epoch: ledger.epoch + 1,
  recovering: true,
  frozenThrough: period === null ? ALL : period + (ahead && rules.recoveryFreezesAhead ? 1 : 0),
})

/** Answers a sync (C1). @param read the ledger as the grant sees the other leases */
export function answerSync(
  of: Instance,
  rules: Rules,
  ledger: Ledger,
  read: Ledger,
  period: number | null,
  message: Sync,
): Answered {
  const { instance, counter } = message
  const current = generationOf(ledger, instance)
  if (rules.generationOnSyncs && message.generation !== current) return { ledger, answer: null }
  if (message.epoch !== ledger.epoch) return { ledger, answer: null }
  const own = findLease(ledger, instance, current, counter)
  if (message.granted > own.granted && rules.epochRises)
    return { ledger: ledger.recovering ? ledger : raiseEpoch(of, rules, ledger, period), answer: null }
  if (own.state !== 'active') return { ledger, answer: null }
  const isFrozen = ledger.recovering && rules.recoveryFreezes && counter <= ledger.frozenThrough
  const isDue = period === null || counter === period || (of.ahead === true && counter === period + 1)
  const grants = !isFrozen && isDue
  const need = grants ? message.need : 0
  const returned = rules.returnsAreCumulative ? message.returned : own.returned + message.returned
  const item: LeaseSyncItem = {
    counter: { budgetUid: 'Budget/model', subject: '*', periodId: 'total' },
    limit: nano(of.limits[counter] ?? 0),
    granted: nano(message.granted),
    returned: nano(returned),
    charged: nano(message.charged),
    uncharged: nano(message.uncharged),
    least: nano(need),
    need: nano(need),
    want: nano(need),
    close: message.close,
  }
  const others = read.leases
    .filter((each) => each.counter === counter && (each.instance !== instance || each.generation !== current))
    .map((each) => {
      const figures = figuresOf(each)
      const kept = each.expired && !rules.expiryFreesNothing ? { ...figures, granted: figures.settled } : figures
      return { ...kept, live: each.state === 'active' }
    })
  const stated = { ...figuresOf(newLease(-1, 0, counter)), settled: nano(ledger.stated[counter] ?? 0), live: false }
  const { lease } = grant(item, figuresOf(own), counterState(item.limit, [...others, stated]))
  const after: Lease = {
    ...own,
    granted: Number(lease.granted),
    returned: Number(lease.returned),
    state: message.close ? 'closed' : 'active',
    expired: false,
  }
  return {
    ledger: withLease(ledger, after),
    answer: {
      kind: 'grant',
      instance,
      generation: current,
      epoch: ledger.epoch,
      counter,
      granted: after.granted,
      added: after.granted - own.granted,
    },
  }
}

/** Answers a hello (H7, Rollback). */
export function answerHello(
  of: Instance,
  rules: Rules,
  before: Ledger,
  period: number | null,
  message: Hello,
): Answered {
  const { instance } = message
  // While it recovers no holder's word begins another epoch.
  const raised = (ledger: Ledger, known: number): Ledger =>
    ledger.recovering ? ledger : { ...raiseEpoch(of, rules, ledger, period), epoch: known + 1 }
  let ledger = message.epoch > before.epoch ? raised(before, message.epoch) : before
  const isHeard = (counter: number): boolean => rules.endedIsTakenOver || period === null || counter >= period
  const knowsMore = message.leases.some(
    ({ granted }, counter) =>
      isHeard(counter) && granted > findLease(ledger, instance, message.generation, counter).granted,
  )
  if (knowsMore && message.epoch === ledger.epoch && rules.epochRises) ledger = raised(ledger, ledger.epoch)
  const known = generationOf(ledger, instance)
  const active = ledger.leases.filter(
    (each) => each.instance === instance && each.generation === message.generation && each.state === 'active',
  )
  const knowsLess = active.some(({ counter, returned, settled }) => {
    const own = message.leases[counter]
    return own === undefined || own.returned < returned || own.charged < settled
  })
  const trusted = !message.broken && message.generation >= 1 && message.generation >= known && !knowsLess
  const isEmpty = !ledger.leases.some((each) => each.instance === instance && each.generation === known)
  const repeated = !trusted && known === message.generation + 1 && isEmpty
  const generation = trusted ? message.generation : repeated ? known : Math.max(known, message.generation) + 1
  for (const [counter, { granted, returned }] of message.leases.entries()) {
    if (granted === 0 || !isHeard(counter)) continue
    const row = findLease(ledger, instance, message.generation, counter)
    const isUnknown = !ledger.leases.includes(row)
    const taken = Number(maxUsd(nano(row.granted), nano(granted)))
    const believed = isUnknown || trusted || !rules.brokenReturnsNothing
    const back = believed ? Math.min(taken, Math.max(row.returned, returned)) : row.returned
    ledger = withLease(ledger, { ...row, granted: taken, returned: back })
  }
  const leases = ledger.leases.map((each) =>
    each.instance === instance && each.generation < generation && each.state === 'active'
      ? { ...each, state: 'fenced' as const }
      : each,
  )
  const generations = [
    ...ledger.generations.filter(([each]) => each !== instance),
    [instance, generation] as const,
  ].sort(([one], [other]) => one - other)
  const after: Ledger = { ...ledger, leases, generations }
  return {
    ledger: after,
    answer: {
      kind: 'welcome',
      broken: !trusted,
      instance,
      generation,
      epoch: after.epoch,
      granted: of.limits.map((_, counter) => {
        const lease = findLease(after, instance, generation, counter)
        return lease.state === 'active' ? lease.granted : 0
      }),
      said: message.leases.map((held) => held.granted),
    },
  }
}

/** Books an event (C3): in every state, at any age. */
export function bookEvent(
  rules: Rules,
  ledger: Ledger,
  event: { readonly instance: number; readonly generation: number; readonly counters: readonly number[] },
  request: number,
  charged: number,
): Ledger {
  const known = ledger.booked.some(([each]) => each === request)
  if (known && rules.eventsCountOnce) return ledger
  let after: Ledger = known
    ? ledger
    : { ...ledger, booked: [...ledger.booked, [request, charged] as const].sort(([one], [other]) => one - other) }
  for (const counter of event.counters) {
    const lease = findLease(after, event.instance, event.generation, counter)
    after = withLease(after, { ...lease, settled: lease.settled + charged })
  }
  return after
}
