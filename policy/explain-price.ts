/** Why a name has a price, or why it has none: the answer of `findPrice`, told in words that can be acted on. */
import { PROVIDER_NAMES, type ProviderName, providerFacts, type RateCard } from '@agentcostcontrol/contract'
import { findPrice, listOf } from './find-price.ts'
import { nearestFew } from './suggest.ts'
import type { PriceBook, PricedModel, StatedModel } from './types.ts'

/** Why there is no price. */
export type MissingPrice =
  /** Requests name deployments there, and no ProviderConfig says which model this one is. */
  | { readonly reason: 'deployment' }
  /** Models there are named by their maker (`maker/model`) or are one's own, and no ProviderConfig states this one. */
  | { readonly reason: 'noList' }
  /** The card has no such list. */
  | { readonly reason: 'unknownList'; readonly list: string }
  /** The list has no such name. */
  | { readonly reason: 'unknownModel'; readonly list: string }
  /** The list has the name, with no price at that time. `from` and `to` are RFC 3339. */
  | { readonly reason: 'notThen'; readonly list: string; readonly spans: readonly PriceSpan[] }

/** When a price holds. */
export interface PriceSpan {
  readonly from: string
  /** Exclusive; `null` while it is the current one. */
  readonly to: string | null
}

/** What came of looking for a price. `near` are names that may have been meant, the likeliest first. */
export type PriceSearch =
  | { readonly found: true; readonly priced: PricedModel }
  | { readonly found: false; readonly missing: MissingPrice; readonly near: readonly string[] }

/** What is asked: a provider as policies name it or a list of the card, and a model as a request names it. */
export interface PriceQuestion {
  readonly provider: string
  readonly model: string
  readonly atMs: number
  /** What the policy in force says of models there, by the names that requests use. */
  readonly stated: ReadonlyMap<string, StatedModel>
}

/** A provider that policies can name; `null` for any other word. */
export const providerNamed = (word: string): ProviderName | null => PROVIDER_NAMES.find((name) => name === word) ?? null

/** Looks for a price as requests do, and says why there is none. @param prices the book of the card */
export function explainPrice(prices: PriceBook, card: RateCard, question: PriceQuestion): PriceSearch {
  const { provider: word, model, atMs, stated } = question
  const provider = providerNamed(word)
  const priced =
    provider === null ? prices.find(word, model, atMs) : findPrice(prices, { provider, models: stated }, model, atMs)
  return priced ? { found: true, priced } : whyNot(prices, card, provider, question)
}

function whyNot(
  prices: PriceBook,
  card: RateCard,
  provider: ProviderName | null,
  { provider: word, model, stated }: PriceQuestion,
): PriceSearch & { found: false } {
  const own = [...stated.keys()]
  if (provider !== null && providerFacts(provider).namesDeployments)
    return { found: false, missing: { reason: 'deployment' }, near: nearestFew(model, own) }
  const place = provider === null ? { list: word, name: model } : listOf({ provider }, model)
  if (place === null) return { found: false, missing: { reason: 'noList' }, near: nearestFew(model, own) }
  const { list, name } = place
  const listed = card.models.filter((price) => price.provider === list)
  if (listed.length === 0) {
    const lists = [...new Set(card.models.map((price) => price.provider))]
    return { found: false, missing: { reason: 'unknownList', list }, near: nearestFew(list, lists) }
  }
  const starts = new Set(listed.map(({ effectiveFrom }) => Date.parse(effectiveFrom)))
  const held = new Set([...starts].flatMap((startMs) => prices.find(list, name, startMs)?.price ?? []))
  const spans = [...held].map(({ effectiveFrom, effectiveTo }) => ({ from: effectiveFrom, to: effectiveTo }))
  if (spans.length > 0) return { found: false, missing: { reason: 'notThen', list, spans }, near: [] }
  const prefix = name === model ? '' : model.slice(0, model.length - name.length)
  const names = listed.flatMap((price) => [price.model, ...price.aliases]).map((each) => prefix + each)
  return {
    found: false,
    missing: { reason: 'unknownModel', list },
    near: nearestFew(model, [...new Set([...own, ...names])]),
  }
}
