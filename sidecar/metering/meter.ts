import {
  ATTEMPT_USD_MAX,
  maxUsd,
  minUsd,
  type NanoUsd,
  NO_USAGE,
  type Precision,
  providerFacts,
  type TokenUsage,
  totalOutputTokens,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import {
  type Cost,
  findListedPrice,
  findPrice,
  type PriceBook,
  type PricedModel,
  worstPrice,
} from '@agentcostcontrol/policy'
import type { Reserved } from '../exchange.ts'
import type { AnswerFacts } from '../providers/provider.ts'
import type { Forwarded } from '../upstream/forward.ts'

/** Stage 9: what an attempt used and what it is charged. */
export interface Metered {
  readonly precision: Precision
  readonly reason: string | null
  readonly usage: TokenUsage | null
  /** `null` where nobody knows a price. */
  readonly cost: Cost | null
  /** What the budgets are charged (H5). */
  readonly charged: NanoUsd
}

/** Makes stage 9. */
export type Meter = (reserved: Reserved, forwarded: Forwarded) => Metered

/**
 * Tokens that a provider may have made between the last one seen and its noticing that nobody listens any more.
 * It covers what is under way on the network at 200 tokens a second for two seconds.
 */
const TAIL_TOKENS = 400
/** Statuses behind which the provider may have done, and may bill, the work (H5): time-outs of it or of what is in front of it. */
const MAYBE_BILLED = (status: number): boolean =>
  status === 408 || status === 504 || (status >= 520 && status <= 529 && status !== 529)

/** Makes stage 9. */
export function createMeter(prices: PriceBook): Meter {
  return (reserved, { result, status, sent }) => {
    const { cover } = reserved
    if (cover.kind === 'uncovered') return nothing('an endpoint without a price', null)
    const free: Cost = { total: ZERO_USD, components: {}, rateCardVersion: prices.version, pricedAs: null }
    if (!sent) return nothing('not sent', free)
    if (status !== null && status >= 300 && !MAYBE_BILLED(status))
      return nothing(`refused by the provider with status ${status}`, free)
    // Prices are those of the moment that stands in the intent, so that a cost can be recomputed from its event.
    const { ask, raw } = reserved.planned.inspected.authorized.identified
    const atMs = raw.receivedAtMs
    const reported = result.facts?.usage ?? null
    if (reported) {
      const usage = ask.kind === 'metered' ? ask.adapter.addUnreported(reported, ask.request) : reported
      const model = servedModel(prices, cover.priced, reserved, result.facts, atMs)
      const cost = prices.cost(model, usage, { serviceTier: result.facts?.serviceTier ?? null, atMs })
      // What the provider says is what its invoice will say: the budgets are charged no less.
      const stated = result.facts?.providerCost ?? null
      if (model.foundBy === 'worstCase' && stated !== null) return { ...UNPRICED, ...STATED, usage, charged: stated }
      if (model.foundBy === 'worstCase') return { ...UNPRICED, usage, charged: cost.total }
      return { precision: 'exact', reason: null, usage, cost, charged: maxUsd(cost.total, stated ?? ZERO_USD) }
    }
    return estimate(prices, reserved, cover, { result, status }, atMs)
  }
}

const nothing = (reason: string, cost: Cost | null): Metered => ({
  precision: 'none',
  reason,
  usage: null,
  cost,
  charged: ZERO_USD,
})

/** The usage is known and its price is not: the budgets are charged, but no cost is made up. */
const UNPRICED = {
  precision: 'estimated',
  reason: 'a model without a price: charged at the dearest rates',
  cost: null,
} as const

const STATED = { reason: 'a model without a price: charged what the provider says that it cost' } as const

/**
 * A provider bills the model that it served; a name that the card does not know is the one that was asked for. What was
 * served at other rates than the model's own has a price under a name of its own, or the dearest.
 */
function servedModel(
  prices: PriceBook,
  asked: PricedModel,
  { target, planned }: Reserved,
  facts: AnswerFacts | null,
  atMs: number,
): PricedModel {
  const { ask } = planned.inspected.authorized.identified
  const { provider } = target
  // What the policy says of a model holds for requests that name it, whatever the answer calls it.
  if (asked.foundBy === 'policy' && facts?.pricedAs === undefined) return asked
  if (facts?.pricedAs !== undefined)
    return findPrice(prices, provider, facts.pricedAs, atMs) ?? worstPrice(prices, provider)
  const asOwn = ask.kind === 'metered' && ask.request.pricedAs === undefined
  const served = facts?.responseModel ?? null
  if (asOwn && (served === null || served === target.model)) return asked
  return findListedPrice(prices, provider, served ?? target.model, atMs) ?? asked
}

/**
 * No usage came. Where all output can be seen, what was seen bounds it (bytes, and a tail if the stream was ended early),
 * and what the provider said of the input when it began counts; in every other case the bound U stands.
 */
function estimate(
  prices: PriceBook,
  reserved: Reserved,
  cover: Extract<Reserved['cover'], { kind: 'covered' }>,
  { result, status }: Pick<Forwarded, 'result' | 'status'>,
  atMs: number,
): Metered {
  const { ask } = reserved.planned.inspected.authorized.identified
  const { bound, priced } = cover
  if (bound === null || ask.kind !== 'metered') {
    const reason = 'no usage report, and nothing bounds what it may have cost'
    const least = leastUsage(result)
    if (least === null) return { precision: 'estimated', reason, usage: null, cost: null, charged: ZERO_USD }
    const model = servedModel(prices, priced, reserved, result.facts, atMs)
    const { total } = prices.cost(model, least, { serviceTier: result.facts?.serviceTier ?? null, atMs })
    const charged = minUsd(total, ATTEMPT_USD_MAX)
    return { precision: 'estimated', reason: `${reason}: charged for what was seen`, usage: least, cost: null, charged }
  }
  const stopsBilling = providerFacts(reserved.target.provider.provider).cancelStopsBilling
  const endedEarly = result.outcome === 'aborted' || result.outcome === 'cut' || !result.endSeen
  const counts =
    status === 200 &&
    result.outputBytes !== null &&
    result.outcome !== 'failed' &&
    (result.outcome === 'completed' || (!result.readingWasPaused && stopsBilling)) &&
    ask.adapter.outputIsVisible(knownName(priced, reserved.target.model), ask.request)
  const outputTokens = counts
    ? Math.min(bound.outputTokensMax, (result.outputBytes ?? 0) + (endedEarly ? TAIL_TOKENS : 0))
    : bound.outputTokensMax
  const begun = result.facts?.started
  if (begun) {
    const { serviceTier } = result.facts
    const model = servedModel(prices, priced, reserved, result.facts, atMs)
    const usage = withOutput(begun, outputTokens)
    const cost = prices.cost(model, usage, { serviceTier, atMs })
    const reason = `no final usage report (${result.outcome}): its input, and ${counts ? 'the bytes that passed' : 'the bound of its output'}`
    if (model.foundBy === 'worstCase') return { ...UNPRICED, usage, charged: minUsd(cost.total, ATTEMPT_USD_MAX) }
    if (cost.total <= ATTEMPT_USD_MAX) return { precision: 'estimated', reason, usage, cost, charged: cost.total }
  }
  const charged = minUsd(prices.bound(priced, { ...bound, outputTokensMax: outputTokens }, atMs), ATTEMPT_USD_MAX)
  return {
    precision: 'estimated',
    reason: counts
      ? 'no usage report: counted from the bytes that passed'
      : result.facts?.unfinished === true
        ? 'made in the background, and nobody was told what it used: the bound'
        : `no usage report (${result.outcome}): the bound`,
    usage: { ...NO_USAGE, inputUncached: bound.inputTokensMax, outputVisible: outputTokens },
    cost:
      priced.foundBy === 'worstCase'
        ? null
        : { total: charged, components: {}, rateCardVersion: prices.version, pricedAs: priced.pricedAs },
    charged,
  }
}

/** The name by which the model is known: a deployment's says nothing of what it does. */
const knownName = (priced: PricedModel, asked: string): string =>
  priced.foundBy === 'policy' ? priced.price.model : asked

/** The least that an answer which nothing bounds has used: what was reported of it, and what was seen. */
function leastUsage({ facts, outputBytes }: Forwarded['result']): TokenUsage | null {
  const known = facts?.started ?? facts?.soFar
  return known || outputBytes ? withOutput(known ?? NO_USAGE, outputBytes ?? 0) : null
}

/** What was reported at the start, with as much output as there may be. */
const withOutput = (started: TokenUsage, outputTokens: number): TokenUsage => ({
  ...started,
  outputVisible: Math.max(outputTokens, totalOutputTokens(started)),
  outputReasoning: 0,
  audioOutput: 0,
  imageOutput: 0,
})
