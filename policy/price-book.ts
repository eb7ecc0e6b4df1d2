/**
 * Prices usage, and bounds what a request can cost before it is sent. All of it is integer arithmetic: components in
 * pico-USD, the total rounded up to nano-USD once. docs/pricing.md tells the rules.
 */
import {
  ceilToNano,
  type NanoUsd,
  type PicoUsd,
  picoUsd,
  type RateCard,
  type TokenUsage,
  totalInputTokens,
  USAGE_FIELDS,
  type UsageField,
} from '@agentcostcontrol/contract'
import { indexCard } from './card-index.ts'
import { CompiledModel, CompiledPrice } from './priced-model.ts'
import { RateCardError } from './rate-card.ts'
import type { TierRates } from './rates.ts'
import { statedPrices } from './stated-price.ts'
import type { Cost, PriceBook, PricedModel, PricingContext, UsageBound } from './types.ts'
import { worstCasePrice } from './worst-case.ts'

const PICO_PER_NANO = 1_000n
const TOKENS_MAX = BigInt(Number.MAX_SAFE_INTEGER)
/** The provider's name under which the worst case of the whole card is kept, for providers without any price. */
const ANY_PROVIDER = '*'

/**
 * Compiles a rate card. Prices of models are compiled when they are first asked for.
 * @throws RateCardError for a card without models, for prices of one model that overlap, or a name with two meanings.
 */
export function createPriceBook(card: RateCard): PriceBook {
  const providers = indexCard(card)
  if (providers.size === 0) throw new RateCardError('rate card: it lists no model')
  const worst = new Map<string, CompiledModel>()

  function makeWorstCase(provider: string): CompiledModel {
    const known = providers.get(provider)
    const entries = known ? known.entries : [...providers.values()].flatMap((index) => index.entries)
    const price = worstCasePrice(
      provider,
      entries.map((entry) => entry.compiled()),
    )
    const compiled = new CompiledPrice(price, { hostedCallPico: 0n, sellsOneHourCache: true })
    return new CompiledModel(compiled, 'worstCase', card.version)
  }

  const find = (provider: string, model: string, atMs: number): CompiledModel | null =>
    providers.get(provider)?.find(model, atMs) ?? null

  return {
    version: card.version,
    find,
    stated: statedPrices(card.version, find),
    worstCase(provider) {
      const key = providers.has(provider) ? provider : ANY_PROVIDER
      let model = worst.get(key)
      if (!model) {
        model = makeWorstCase(key)
        worst.set(key, model)
      }
      return model
    },
    cost: (model, usage, context) => costOf(own(model), usage, context),
    bound: (model, bound, atMs) => boundOf(own(model), bound, atMs),
    affordableOutputTokens: (model, bound, affordable, atMs) => affordableOf(own(model), bound, affordable, atMs),
  }
}

/** Models come from a price book, with all that was compiled; a copy of one does not carry it. */
function own(model: PricedModel): CompiledModel {
  if (model instanceof CompiledModel) return model
  throw new TypeError('a model to price must be one that PriceBook.find or PriceBook.worstCase returned')
}

/** A count of the provider as an integer. @throws RangeError for a negative or broken one, which would make money. */
function count(tokens: number): bigint {
  if (tokens < 0) throw new RangeError(`${tokens} is not a number of tokens`)
  return BigInt(tokens)
}

function costOf(model: CompiledModel, usage: TokenUsage, context: PricingContext): Cost {
  const { byField } = model.compiled.ratesAt(context.serviceTier, context.atMs, totalInputTokens(usage))
  const components: Partial<Record<UsageField, PicoUsd>> = {}
  let total = 0n
  for (const field of USAGE_FIELDS) {
    const used = usage[field]
    if (used === 0) continue
    const pico = count(used) * byField[field]
    if (pico === 0n) continue
    components[field] = picoUsd(pico)
    total += pico
  }
  const { rateCardVersion, pricedAs } = model
  return { total: ceilToNano(picoUsd(total)), components, rateCardVersion, pricedAs }
}

/**
 * Within one tier, the dearest use is all input at the dearest input rate, up to where the next tier begins, and all
 * output; the bound is the dearest of the tiers that the input reaches, in every reachable hour and service tier.
 */
function boundOf(model: CompiledModel, bound: UsageBound, atMs: number): NanoUsd {
  const output = count(bound.outputTokensMax)
  let worst = 0n
  model.compiled.forEachReachable(bound.serviceTier, atMs, (tiers) => {
    for (const tier of tiers) {
      if (tier.aboveInputTokens >= bound.inputTokensMax) break
      const pico = inputPico(tier, bound) + output * tier.outputMax
      if (pico > worst) worst = pico
    }
  })
  return ceilToNano(picoUsd(worst))
}

function inputPico(tier: TierRates, bound: UsageBound): bigint {
  const tokens = Math.min(bound.inputTokensMax, tier.upToInputTokens)
  return count(tokens) * tier.inputMax + count(bound.hostedToolCallsMax) * tier.byField.hostedToolCalls
}

/** Solves {@link boundOf} for the output: each reachable tier must stay within the money, so the smallest answer holds. */
function affordableOf(model: CompiledModel, bound: UsageBound, affordable: NanoUsd, atMs: number): number | null {
  const money = affordable * PICO_PER_NANO
  let fewest = TOKENS_MAX
  model.compiled.forEachReachable(bound.serviceTier, atMs, (tiers) => {
    for (const tier of tiers) {
      if (tier.aboveInputTokens >= bound.inputTokensMax) break
      const left = money - inputPico(tier, bound)
      const tokens = left < 0n ? -1n : tier.outputMax === 0n ? TOKENS_MAX : left / tier.outputMax
      if (tokens < fewest) fewest = tokens
    }
  })
  return fewest < 0n ? null : Number(fewest)
}
