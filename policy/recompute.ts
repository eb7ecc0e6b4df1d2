/** Computes a stored cost again, with the rate card that it was made with. docs/pricing.md tells the rules. */
import {
  nanoToWire,
  type RateCard,
  type ServiceTier,
  type TokenUsage,
  USAGE_FIELDS,
  type UsageAttempt,
  type UsageField,
} from '@agentcostcontrol/contract'
import { providerNamed } from './explain-price.ts'
import { findPrice, listOf } from './find-price.ts'
import type { PriceBook, PricedModel, StatedModel } from './types.ts'

/** Where a price was found. */
export interface PriceSource {
  readonly list: string
  /** Its name on the list. */
  readonly model: string
  readonly foundBy: PricedModel['foundBy']
}

/** Why there is nothing to compute. */
export type NotRecomputed =
  /** Nothing was billed. */
  | 'nothingBilled'
  /** Nobody stated a price: what was charged is not a cost. */
  | 'unpriced'
  /** The cost is the bound of the request, not a usage times a price. */
  | 'bound'
  /** The rate card of the event is not known here. */
  | 'unknownCard'
  /** The policy that stated the price is not known here. */
  | 'unknownPolicy'
  /** The rate card has no such price. */
  | 'unknownPrice'

/** What came of computing the cost of an attempt again. Amounts are decimal, nano and pico-USD. */
export type Recomputed =
  | { readonly verdict: 'equal'; readonly price: PriceSource }
  | {
      readonly verdict: 'differs'
      readonly price: PriceSource
      readonly costNanoUsd: string
      readonly costPicoUsd: Readonly<Partial<Record<UsageField, string>>>
    }
  | { readonly verdict: 'notComputed'; readonly why: NotRecomputed }

/** What a cost was made with. */
export interface PricesThen {
  readonly card: RateCard
  readonly book: PriceBook
  /** When the cost was made: the `intentAt` of its event. */
  readonly atMs: number
  /** What the policy of the event said of the provider's models; `null` if that policy is not known. */
  readonly stated: ReadonlyMap<string, StatedModel> | null
}

/** Computes the cost of an attempt again and compares every component and the total. @param then `null` if the card is not known */
export function recompute(attempt: UsageAttempt, then: PricesThen | null): Recomputed {
  const { usage, costNanoUsd, costPicoUsd, serviceTier } = attempt
  if (costNanoUsd === null) return notComputed('unpriced')
  if (usage === null) return notComputed(costNanoUsd === '0' ? 'nothingBilled' : 'bound')
  if (then === null) return notComputed('unknownCard')
  if (attempt.pricedAs === 'policy' && then.stated === null) return notComputed('unknownPolicy')
  const results = candidates(attempt, then).map((priced) => costOf(priced, usage, serviceTier, then))
  const same = results.find(
    (result) =>
      result.costNanoUsd === costNanoUsd &&
      USAGE_FIELDS.every((field) => result.costPicoUsd[field] === costPicoUsd[field]),
  )
  if (same !== undefined) return { verdict: 'equal', price: same.price }
  if (Object.keys(costPicoUsd).length === 0) return notComputed('bound')
  const [first] = results
  return first === undefined ? notComputed('unknownPrice') : { verdict: 'differs', ...first }
}

const notComputed = (why: NotRecomputed): Recomputed => ({ verdict: 'notComputed', why })

/** The prices that the attempt can have had, the likeliest first. */
function candidates(attempt: UsageAttempt, { card, book, atMs, stated }: PricesThen): readonly PricedModel[] {
  const { pricedAs, provider: word, requestedModel, responseModel } = attempt
  const provider = providerNamed(word)
  if (pricedAs === 'policy') {
    const found =
      provider === null ? null : findPrice(book, { provider, models: stated ?? new Map() }, requestedModel, atMs)
    return found === null ? [] : [found]
  }
  if (pricedAs !== undefined) {
    const slash = pricedAs.indexOf('/')
    const found = book.find(pricedAs.slice(0, slash), pricedAs.slice(slash + 1), atMs)
    return found === null ? [] : [found]
  }
  // A provider bills the model that it served, which it may name otherwise than the list; variants at other rates
  // (`us/claude-…`) stand on the list under a name of their own, and the event has that of the model.
  const places = [responseModel, requestedModel].flatMap((model) =>
    model === null ? [] : ((provider === null ? { list: word, name: model } : listOf({ provider }, model)) ?? []),
  )
  const variants = places.flatMap(({ list, name }) =>
    card.models
      .filter((price) => price.provider === list && price.model.endsWith(`/${name}`))
      .map(({ model }) => ({ list, name: model })),
  )
  return [...places, ...variants].flatMap(({ list, name }) => book.find(list, name, atMs) ?? [])
}

function costOf(priced: PricedModel, usage: TokenUsage, serviceTier: ServiceTier | null, { book, atMs }: PricesThen) {
  const { total, components } = book.cost(priced, usage, { serviceTier, atMs })
  const costPicoUsd: Partial<Record<UsageField, string>> = {}
  for (const field of USAGE_FIELDS) {
    const amount = components[field]
    if (amount !== undefined) costPicoUsd[field] = amount.toString()
  }
  const price = { list: priced.price.provider, model: priced.price.model, foundBy: priced.foundBy }
  return { price, costNanoUsd: nanoToWire(total), costPicoUsd }
}
