import {
  ATTEMPT_USD_MAX,
  type BudgetDecision,
  formatUsd,
  minUsd,
  type NanoUsd,
  nanoUsd,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { MatchedBudget, PriceBook, PricedModel, UsageBound } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import { type Outbox, OutboxUnavailableError } from '../events/types.ts'
import type { UsageEvents } from '../events/usage-events.ts'
import {
  type Abandoned,
  type Ask,
  type ClientLink,
  type Denial,
  denial,
  isAbandoned,
  isDenial,
  type Planned,
  type Reserved,
  type Target,
} from '../exchange.ts'
import { type RequestBound, usageBound } from '../providers/provider.ts'
import { AttemptSpender } from './spender.ts'
import type { BudgetGate, Reservation, ReserveOutcome, ReserveRequest, Shortage } from './types.ts'

/** Stage 6: bound, clamp only when exhausted, one reservation over every budget, the intent on disk. */
export type Reserve = (planned: Planned) => Promise<Reserved | Denial | Abandoned>

/** What stage 6 needs. */
export interface ReserveOptions {
  readonly gate: BudgetGate
  readonly outbox: Outbox
  readonly prices: PriceBook
  readonly events: UsageEvents
  readonly clock: Clock
}

type MeteredAsk = Extract<Ask, { readonly kind: 'metered' }>

interface Asked {
  readonly target: Target
  readonly priced: PricedModel
  readonly bound: RequestBound
}

/** Makes stage 6. */
export function createReserve(options: ReserveOptions): Reserve {
  const { outbox, gate, events } = options
  return async (planned) => {
    const [target] = planned.targets
    const { inspected } = planned
    const { ask } = inspected.authorized.identified
    if (ask.kind === 'passThrough' || target.priced === null) {
      forget(ask)
      return {
        planned,
        target,
        cover: { kind: 'uncovered' },
        body: inspected.body,
        hidesUsage: false,
        clampedOutputTokens: null,
      }
    }
    const { priced } = target
    const holding = hold(options, planned, ask, target, priced)
    const held = holding instanceof Promise ? await holding : holding
    // Leases are not granted either while nothing can be written down: that is why there is no money, then.
    if (isDenial(held) && held.code === 'acc_budget_busy' && !outbox.writable) return UNWRITABLE
    if (isDenial(held) || isAbandoned(held)) return held
    const { reservation, clamped, bound } = held
    try {
      // Everything that can fail stands before the intent: what is behind it must end in a settlement.
      const sending = bytesToSend(ask, inspected.body, clamped)
      forget(ask)
      const intent = { reservation, event: events.unresolved(inspected, target, reservation, clamped) }
      await outbox.commitIntent(intent)
      return {
        planned,
        target,
        cover: { kind: 'covered', intent, priced, bound },
        ...sending,
        clampedOutputTokens: clamped,
      }
    } catch (error) {
      gate.release(reservation)
      if (!(error instanceof OutboxUnavailableError)) throw error
      return UNWRITABLE
    }
  }
}

const UNWRITABLE = denial(
  'acc_outbox_unavailable',
  'The sidecar cannot write to its disk, so it sends nothing that costs money. See acc_outbox_* in its metrics.',
  { retryAfterS: 5 },
)

/** Lets the conversation go. A function of its own: the frame of one that waits would hold on to it. */
function forget(ask: Ask): void {
  if (ask.kind === 'metered') ask.request = ask.adapter.remember(ask.request)
  else ask.carried = null
}

/** The request as it is sent: with a lower output limit, and asking for usage, where that is needed. */
function bytesToSend(
  { adapter, request }: MeteredAsk,
  body: Buffer,
  clamped: number | null,
): Pick<Reserved, 'body' | 'hidesUsage'> {
  const limited = clamped === null ? body : adapter.limitOutput(body, request, clamped)
  const reporting = request.stream ? adapter.askForUsage(limited, request) : null
  return { body: reporting ?? limited, hidesUsage: reporting !== null }
}

interface Held {
  readonly reservation: Reservation
  readonly bound: UsageBound | null
  readonly clamped: number | null
}

/**
 * Reserves the bound, or what of it the budgets can afford: the limit is lowered once for each that is short. Without a
 * promise unless money is waited for.
 */
function hold(
  options: ReserveOptions,
  planned: Planned,
  { adapter, request }: MeteredAsk,
  target: Target,
  priced: PricedModel,
): Held | Denial | Abandoned | Promise<Held | Denial | Abandoned> {
  const { prices, clock } = options
  const asked: Asked = { target, priced, bound: adapter.bound(request, planned.inspected.body.length) }
  const { authorized } = planned.inspected
  const { provider, policy, identified } = authorized
  const budgets = policy.budgetsFor(new AttemptSpender(authorized, target, prices))
  const usage = boundedBy(asked, provider.onUnbounded)
  if (usage !== null && isDenial(usage)) return usage
  const atMs = identified.raw.receivedAtMs
  const boundOf = (tokens: UsageBound | null): NanoUsd =>
    tokens === null ? ZERO_USD : minUsd(prices.bound(priced, tokens, atMs), ATTEMPT_USD_MAX)
  const fewest = Math.max(provider.minOutputTokens, asked.bound.outputTokensLeast ?? 0)
  const least = boundOf(usage && withOutput(usage, asked.bound, fewest))

  function attempt(bound: UsageBound | null, clamped: number | null, round: number): ReturnType<typeof hold> {
    const conclude = (outcome: ReserveOutcome): ReturnType<typeof hold> => {
      if (outcome.kind === 'abandoned') return outcome
      if (outcome.kind === 'reserved')
        return { reservation: outcome.reservation, bound: bound ?? usageBound(asked.bound, priced), clamped }
      if (outcome.kind === 'busy' || bound === null || round > budgets.length) return refuse(clock, asked, outcome)
      const perChoice = affordable(prices, asked, bound, outcome.shortage, atMs)
      if (perChoice === null || perChoice < fewest) return refuse(clock, asked, outcome)
      return attempt(withOutput(bound, asked.bound, perChoice), perChoice, round + 1)
    }
    const outcome = reserve(options, planned, budgets, boundOf(bound), least)
    return outcome instanceof Promise ? outcome.then(conclude) : conclude(outcome)
  }

  return attempt(usage, null, 0)
}

function reserve(
  options: ReserveOptions,
  planned: Planned,
  budgets: readonly MatchedBudget[],
  bound: NanoUsd,
  least: NanoUsd,
): ReserveOutcome | Promise<ReserveOutcome> {
  const { client } = planned.inspected.authorized.identified.raw
  return options.gate.reserve(new Wish(budgets, bound, least < bound ? least : bound, client))
}

/**
 * A class, since a getter of an object literal is a shape of its own each time: shapes are old from the start, and keep
 * all that the getter can reach until the old generation is collected.
 */
class Wish implements ReserveRequest {
  readonly lines: readonly MatchedBudget[]
  readonly bound: NanoUsd
  readonly least: NanoUsd
  readonly #client: ClientLink

  constructor(lines: readonly MatchedBudget[], bound: NanoUsd, least: NanoUsd, client: ClientLink) {
    this.lines = lines
    this.bound = bound
    this.least = least
    this.#client = client
  }

  get signal(): AbortSignal {
    return this.#client.signal
  }
}

/** The usage bound of a request; `null` where policy lets an unbounded one through. */
function boundedBy(
  { bound, priced, target }: Asked,
  onUnbounded: 'deny' | 'contextWindow' | 'allowCounted',
): UsageBound | Denial | null {
  if (bound.kind === 'unbounded' && onUnbounded === 'allowCounted') return null
  const usage = bound.kind === 'unbounded' && onUnbounded === 'deny' ? null : usageBound(bound, priced)
  if (usage) return usage
  if (onUnbounded === 'allowCounted') return null
  const [why, mend] =
    bound.kind === 'unbounded'
      ? [`it holds ${bound.reason}, whose cost its body does not bound`, 'Leave that out']
      : ['it sets no output limit and the rate card states none for this model', 'Set one']
  return denial(
    'acc_request_unbounded',
    `No budget can cover this request: ${why}. ${mend}, or see onUnbounded in the ProviderConfig "${target.provider.name}".`,
  )
}

const extraOutput = (bound: RequestBound): number => (bound.kind === 'bounded' ? bound.extraOutputTokens : 0)

const withOutput = (usage: UsageBound, bound: RequestBound, perChoice: number): UsageBound => ({
  ...usage,
  outputTokensMax: Math.min(usage.outputTokensMax, perChoice * bound.choices + extraOutput(bound)),
})

/** The output limit for each choice that the short budget affords; `null` if that is not below what was asked. */
function affordable(
  prices: PriceBook,
  asked: Asked,
  usage: UsageBound,
  shortage: Shortage,
  atMs: number,
): number | null {
  const tokens = prices.affordableOutputTokens(asked.priced, usage, shortage.available, atMs)
  if (tokens === null) return null
  const perChoice = Math.floor((tokens - extraOutput(asked.bound)) / asked.bound.choices)
  return perChoice * asked.bound.choices + extraOutput(asked.bound) < usage.outputTokensMax ? perChoice : null
}

function refuse(clock: Clock, asked: Asked, outcome: Extract<ReserveOutcome, { shortage: Shortage }>): Denial {
  const { shortage } = outcome
  const left = nanoUsd(shortage.available > 0n ? shortage.available : 0n)
  const details: BudgetDecision = {
    budget: shortage.budgetName,
    subject: shortage.subject,
    limit_usd: formatUsd(shortage.limit),
    remaining_usd: formatUsd(left),
    requested_usd: formatUsd(shortage.asked),
    resets_at: shortage.resetsAtMs === null ? null : new Date(shortage.resetsAtMs).toISOString(),
  }
  const ask = `This request for "${asked.target.model.slice(0, 100)}" may cost up to $${details.requested_usd}`
  if (outcome.kind === 'busy') {
    return denial(
      'acc_budget_busy',
      `${ask}; the budget "${shortage.budgetName}" has $${details.remaining_usd} that is not held by running requests. Try again shortly.`,
      { details, retryAfterS: Math.max(1, Math.ceil(outcome.retryAfterMs / 1_000)) },
    )
  }
  const resetsInS =
    shortage.resetsAtMs === null ? null : Math.max(1, Math.ceil((shortage.resetsAtMs - clock.nowMs()) / 1_000))
  return denial(
    'acc_budget_exceeded',
    `${ask}; the budget "${shortage.budgetName}" of $${details.limit_usd} has $${details.remaining_usd} left${details.resets_at === null ? '' : ` and resets at ${details.resets_at}`}.`,
    { details, retryAfterS: resetsInS },
  )
}
