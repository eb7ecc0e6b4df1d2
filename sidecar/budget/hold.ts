/** Bounds an attempt and reserves for it, with its output limit lowered where the budgets can afford no more. */
import { ATTEMPT_USD_MAX, type BudgetDecision, minUsd, type NanoUsd, ZERO_USD } from '@agentcostcontrol/contract'
import type { MatchedBudget, PriceBook, PricedModel, UsageBound } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import {
  type Abandoned,
  type Ask,
  type ClientLink,
  type Denial,
  denial,
  type Inspected,
  isDenial,
  type Target,
} from '../exchange.ts'
import { type RequestBound, usageBound } from '../providers/provider.ts'
import type { Demotions } from './demotions.ts'
import { refusalOf, shortageDecision } from './refusal.ts'
import type { BudgetGate, Reservation, ReserveOutcome, ReserveRequest, Shortage } from './types.ts'

/** What {@link hold} needs. */
export interface HoldOptions {
  readonly gate: BudgetGate
  readonly prices: PriceBook
  readonly clock: Clock
  readonly demotions: Pick<Demotions, 'until'>
}

/** A request of a known wire format. */
export type MeteredAsk = Extract<Ask, { readonly kind: 'metered' }>

/** A target whose price is known. */
export type PricedTarget = Target & { readonly priced: PricedModel }

interface Asked {
  readonly target: PricedTarget
  readonly bound: RequestBound
  /** Until when requests of its class go by `onUnbounded` whatever bounds them; `null` if they do not. */
  readonly demotedUntilMs: number | null
}

/** What is held for an attempt. */
export interface Held {
  readonly target: PricedTarget
  readonly reservation: Reservation
  readonly bound: UsageBound | null
  readonly isBoundedByBody: boolean
  readonly clamped: number | null
  /** Of the budget that lowered its limit, or sent it to another model; `null` where none did. */
  readonly decision: BudgetDecision | null
}

/** What came of it: without a promise unless money is waited for. */
export type Holding = Held | Denial | Abandoned | Promise<Held | Denial | Abandoned>

/**
 * Reserves the bound, or what of it the budgets can afford: the limit is lowered once for each that is short.
 * @param budgets those that hold for the target
 */
export function hold(
  options: HoldOptions,
  inspected: Inspected,
  ask: MeteredAsk,
  target: PricedTarget,
  budgets: readonly MatchedBudget[],
): Holding {
  const { prices, clock } = options
  const { priced } = target
  const { provider, identified } = inspected.authorized
  const asked = askedOf(options, inspected, ask, target)
  const { demotedUntilMs } = asked
  const isBoundedByBody = asked.bound.kind === 'bounded'
  const usage = boundedBy(asked, provider.onUnbounded)
  if (usage !== null && isDenial(usage)) return usage
  const atMs = identified.raw.receivedAtMs
  const boundOf = (tokens: UsageBound | null): NanoUsd =>
    tokens === null ? ZERO_USD : costOf(prices, target, tokens, atMs)
  const fewest = Math.max(provider.minOutputTokens, asked.bound.outputTokensLeast ?? 0)
  const least = boundOf(usage && (demotedUntilMs === null ? withOutput(usage, asked.bound, fewest) : usage))

  function attempt(
    bound: UsageBound | null,
    clamped: number | null,
    round: number,
    decision: BudgetDecision | null,
  ): Holding {
    const conclude = (outcome: ReserveOutcome): Holding => {
      if (outcome.kind === 'abandoned') return outcome
      if (outcome.kind === 'reserved')
        return {
          target,
          reservation: outcome.reservation,
          bound: bound ?? usageBound(asked.bound, priced),
          isBoundedByBody,
          clamped,
          decision,
        }
      // A limit that is not kept to bounds nothing when it is lowered either.
      const isClampable = bound !== null && demotedUntilMs === null && round <= budgets.length
      if (outcome.kind !== 'exhausted' || !isClampable) return refusalOf(clock, target.model, bound !== null, outcome)
      const perChoice = affordable(prices, asked, bound, outcome.shortage, atMs)
      if (perChoice === null || perChoice < fewest) return refusalOf(clock, target.model, true, outcome)
      const clamp = shortageDecision('clamp', outcome.shortage, true)
      return attempt(withOutput(bound, asked.bound, perChoice), perChoice, round + 1, clamp)
    }
    const outcome = options.gate.reserve(
      new Wish(budgets, boundOf(bound), minUsd(least, boundOf(bound)), identified.raw.client),
    )
    return outcome instanceof Promise ? outcome.then(conclude) : conclude(outcome)
  }

  const most = modelsOwn(asked)
  return usage === null || most === null
    ? attempt(usage, null, 0, null)
    : attempt(withOutput(usage, asked.bound, most), most, 0, null)
}

/** The most that a request can cost at the target, whatever its budgets afford; `null` where nothing bounds it. */
export function mostItCosts(
  options: HoldOptions,
  inspected: Inspected,
  ask: MeteredAsk,
  target: PricedTarget,
): NanoUsd | null {
  const { provider, identified } = inspected.authorized
  const asked = askedOf(options, inspected, ask, target)
  const usage = boundedBy(asked, provider.onUnbounded)
  if (usage === null || isDenial(usage)) return null
  const most = modelsOwn(asked)
  const tokens = most === null ? usage : withOutput(usage, asked.bound, most)
  return costOf(options.prices, target, tokens, identified.raw.receivedAtMs)
}

function askedOf(
  { demotions }: HoldOptions,
  { authorized, body }: Inspected,
  { adapter, request }: MeteredAsk,
  target: PricedTarget,
): Asked {
  const demotedUntilMs = demotions.until(target, authorized.identified.operation)
  const own = adapter.bound(request, body.length)
  return { target, bound: demotedUntilMs === null ? own : distrusted(own), demotedUntilMs }
}

const costOf = (prices: PriceBook, { priced }: PricedTarget, tokens: UsageBound, atMs: number): NanoUsd =>
  minUsd(prices.bound(priced, tokens, atMs), ATTEMPT_USD_MAX)

/** The model's own output limit, where it is not the one that the request was made for and more is asked of it. */
function modelsOwn({ target: { priced, insteadOf }, bound: { outputTokensAsked } }: Asked): number | null {
  const most = priced.outputTokensMax
  return insteadOf !== null && most !== null && outputTokensAsked !== null && outputTokensAsked > most ? most : null
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

/** What bounds a request whose own limits its provider does not keep to: those of its model. */
const distrusted = (bound: RequestBound): RequestBound =>
  bound.kind === 'unbounded'
    ? bound
    : {
        kind: 'unbounded',
        reason: '',
        hostedToolCallsMax: 0,
        choices: bound.choices,
        outputTokensAsked: null,
        serviceTier: bound.serviceTier,
      }

/** The usage bound of a request; `null` where policy lets an unbounded one through. */
function boundedBy(
  { bound, target, demotedUntilMs }: Asked,
  onUnbounded: 'deny' | 'contextWindow' | 'allowCounted',
): UsageBound | Denial | null {
  if (bound.kind === 'unbounded' && onUnbounded === 'allowCounted') return null
  const usage = bound.kind === 'unbounded' && onUnbounded === 'deny' ? null : usageBound(bound, target.priced)
  if (usage) return usage
  if (onUnbounded === 'allowCounted') return null
  const [why, mend] =
    bound.kind === 'unbounded' && bound.reason === '' && demotedUntilMs !== null
      ? [
          `"${target.model.slice(0, 100)}" was billed above the bound of such a request, so the limits that it states are not relied on until ${new Date(demotedUntilMs).toISOString()}`,
          'Use another model',
        ]
      : bound.kind === 'unbounded'
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
  const tokens = prices.affordableOutputTokens(asked.target.priced, usage, shortage.available, atMs)
  if (tokens === null) return null
  const perChoice = Math.floor((tokens - extraOutput(asked.bound)) / asked.bound.choices)
  return perChoice * asked.bound.choices + extraOutput(asked.bound) < usage.outputTokensMax ? perChoice : null
}
