/** Finds the entries of a rate card by name; refuses a card in which a name has two meanings at one time. */
import type { ModelPrice, RateCard } from '@agentcostcontrol/contract'
import { CompiledModel, CompiledPrice } from './priced-model.ts'
import { RateCardError } from './rate-card.ts'
import type { PricingDefaults } from './rates.ts'
import type { PricedModel } from './types.ts'

type FoundBy = PricedModel['foundBy']

/** `name-YYYY-MM-DD` and `name-YYYYMMDD`, with a month and a day that exist. */
const SNAPSHOT =
  /^(.{1,200})-20\d\d(?:-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))$/
/** A hosted call where the whole card states no fee: USD 35 per thousand, the dearest that a provider publishes. */
const HOSTED_CALL_PICO_WITHOUT_ANY = 35_000_000_000n

/** One price of the card; its rates are compiled when it is first asked for, so that a large card costs little. */
class CardEntry {
  readonly price: ModelPrice
  readonly fromMs: number
  readonly toMs: number
  readonly #defaults: PricingDefaults
  readonly #rateCardVersion: string
  readonly #models = new Map<FoundBy, CompiledModel>()
  #compiled: CompiledPrice | null = null

  constructor(price: ModelPrice, defaults: PricingDefaults, rateCardVersion: string) {
    this.price = price
    this.fromMs = Date.parse(price.effectiveFrom)
    this.toMs = price.effectiveTo === null ? Number.POSITIVE_INFINITY : Date.parse(price.effectiveTo)
    this.#defaults = defaults
    this.#rateCardVersion = rateCardVersion
  }

  /** The compiled price, the same object each time. */
  compiled(): CompiledPrice {
    this.#compiled ??= new CompiledPrice(this.price, this.#defaults)
    return this.#compiled
  }

  /** The compiled price with the reason why it was found, the same object each time. */
  model(foundBy: FoundBy): CompiledModel {
    let model = this.#models.get(foundBy)
    if (!model) {
      model = new CompiledModel(this.compiled(), foundBy, this.#rateCardVersion)
      this.#models.set(foundBy, model)
    }
    return model
  }
}

/** The entries of one provider. */
export interface ProviderIndex {
  readonly entries: readonly CardEntry[]
  /** All that a name means, over time; the name of a model wins over an alias. */
  find(name: string, atMs: number): CompiledModel | null
}

/** A card, by provider. @throws RateCardError for prices of one model that overlap, or a name with two meanings. */
export function indexCard(card: RateCard): ReadonlyMap<string, ProviderIndex> {
  const cardFee = dearestFee(card.models)
  const index = new Map<string, ProviderIndex>()
  for (const [provider, models] of Map.groupBy(card.models, (model) => model.provider)) {
    const defaults: PricingDefaults = {
      hostedCallPico: dearestFee(models) ?? cardFee ?? HOSTED_CALL_PICO_WITHOUT_ANY,
      sellsOneHourCache: models.some((model) => model.rates.cacheWrite1h !== null),
    }
    index.set(
      provider,
      indexProvider(
        provider,
        models.map((model) => new CardEntry(model, defaults, card.version)),
      ),
    )
  }
  return index
}

function dearestFee(models: readonly ModelPrice[]): bigint | null {
  let dearest: bigint | null = null
  for (const { webSearchPicoUsdPerCall: fee } of models)
    if (fee !== null && BigInt(fee) > (dearest ?? -1n)) dearest = BigInt(fee)
  return dearest
}

function indexProvider(provider: string, entries: readonly CardEntry[]): ProviderIndex {
  const byName = Map.groupBy(entries, (entry) => entry.price.model)
  for (const entry of entries) refuseDisorder(`${provider}/${entry.price.model}`, entry.price)
  for (const [model, prices] of byName) refuseOverlap(`${provider}/${model}`, prices)
  const byAlias = new Map<string, readonly CardEntry[]>()
  for (const [model, prices] of byName)
    for (const alias of new Set(prices.flatMap((entry) => entry.price.aliases))) {
      if (byName.has(alias) || byAlias.has(alias))
        throw new RateCardError(`rate card: ${provider}/${alias} is an alias of ${model} and the name of another model`)
      byAlias.set(
        alias,
        prices.filter((entry) => entry.price.aliases.includes(alias)),
      )
    }
  return {
    entries,
    find(name, atMs) {
      const exact = byName.get(name)
      if (exact) return current(exact, atMs)?.model('exact') ?? null
      const alias = byAlias.get(name)
      if (alias) return current(alias, atMs)?.model('alias') ?? null
      const family = byName.get(SNAPSHOT.exec(name)?.[1] ?? '')
      const entry = family && current(family, atMs)
      return entry?.price.snapshots ? entry.model('snapshot') : null
    },
  }
}

/** The order that the pricing leans on. */
function refuseDisorder(name: string, { contextTiers, hours }: ModelPrice): void {
  contextTiers.forEach((tier, index) => {
    const next = contextTiers[index + 1]
    if (next && next.aboveInputTokens <= tier.aboveInputTokens)
      throw new RateCardError(`rate card: the context tiers of ${name} do not ascend at ${next.aboveInputTokens}`)
  })
  for (const { fromMinuteUtc, toMinuteUtc } of hours)
    if (fromMinuteUtc >= toMinuteUtc)
      throw new RateCardError(`rate card: a span of hours of ${name} ends before it begins: split it at midnight`)
}

function current(entries: readonly CardEntry[], atMs: number): CardEntry | null {
  for (const entry of entries) if (atMs >= entry.fromMs && atMs < entry.toMs) return entry
  return null
}

function refuseOverlap(name: string, entries: readonly CardEntry[]): void {
  const sorted = [...entries].sort((a, b) => a.fromMs - b.fromMs)
  sorted.forEach((entry, index) => {
    if (!(entry.fromMs < entry.toMs))
      throw new RateCardError(`rate card: a price of ${name} ends before it begins (${entry.price.effectiveFrom})`)
    const next = sorted[index + 1]
    if (next && next.fromMs < entry.toMs)
      throw new RateCardError(
        `rate card: ${name} has two prices at ${next.price.effectiveFrom}: end the earlier one with "effectiveTo" there`,
      )
  })
}
