import { providerFacts } from '@agentcostcontrol/contract'
import type { CompiledProvider, PriceBook, PricedModel } from './types.ts'

/** How a reseller names the makers of its models, where the rate card names them otherwise. */
const MAKERS: Readonly<Record<string, string>> = { mistralai: 'mistral', qwen: 'alibaba', 'x-ai': 'xai', 'z-ai': 'zai' }

/** The name under which a ProviderConfig states all models that it and the list do not know by name. */
const EVERY_OTHER = '*'

/** What of a provider's configuration decides prices. */
export type PricedProvider = Pick<CompiledProvider, 'provider' | 'models'>

/**
 * The price of a model as a request names it: what the ProviderConfig says of that name, else the price list's. A
 * deployment is what the ProviderConfig says, and nothing else.
 * @returns `null` if nobody states one
 */
export function findPrice(
  prices: PriceBook,
  provider: PricedProvider,
  model: string,
  atMs: number,
): PricedModel | null {
  const stated = provider.models.get(model)
  if (stated) return prices.stated(stated, atMs)
  const { namesDeployments } = providerFacts(provider.provider)
  const listed = namesDeployments ? null : findListedPrice(prices, provider, model, atMs)
  if (listed) return listed
  const others = provider.models.get(EVERY_OTHER)
  return others ? prices.stated(others, atMs) : null
}

/**
 * The price list's price of a model as a provider names it in its answer. At a reseller, which has no price list of its
 * own, `vendor/model` is the vendor's model at the vendor's price.
 * @returns `null` if the list has none
 */
export function findListedPrice(
  prices: PriceBook,
  provider: Pick<PricedProvider, 'provider'>,
  model: string,
  atMs: number,
): PricedModel | null {
  const place = listOf(provider, model)
  return place && prices.find(place.list, place.name, atMs)
}

/** The list that a model of a provider stands on, and its name there; `null` at a reseller for a name without a maker. */
export function listOf(
  { provider }: Pick<PricedProvider, 'provider'>,
  model: string,
): { readonly list: string; readonly name: string } | null {
  const { priceList } = providerFacts(provider)
  if (priceList !== null) return { list: priceList, name: model }
  const slash = model.indexOf('/')
  if (slash < 1) return null
  const maker = model.slice(0, slash)
  return { list: MAKERS[maker] ?? maker, name: model.slice(slash + 1) }
}

/** The dearest rates of a provider, for `onUnpricedModel: worstCase`; of the whole card where it has no list of its own. */
export const worstPrice = (prices: PriceBook, { provider }: Pick<PricedProvider, 'provider'>): PricedModel =>
  prices.worstCase(providerFacts(provider).priceList ?? provider)
