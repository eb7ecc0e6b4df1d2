/**
 * What a price means for every kind of token, hour, context tier and service tier. The rules, and why each of them errs
 * upwards, are told in docs/pricing.md.
 */
import type { ModelPrice, Rates, ServiceRates, ServiceTier, UsageField } from '@agentcostcontrol/contract'

/** The price of every usage field: pico-USD per token, or per call for `hostedToolCalls`. */
export type FieldRates = Readonly<Record<UsageField, bigint>>

/** The rates of one context tier. */
export interface TierRates {
  /** The tier holds for total inputs above this; -1 for the base. */
  readonly aboveInputTokens: number
  /** The largest total input of this tier. */
  readonly upToInputTokens: number
  readonly byField: FieldRates
  /** The dearest rate that an input token can have, and that an output token can have. */
  readonly inputMax: bigint
  readonly outputMax: bigint
}

/** The rates of one service tier: by hour (0 is outside of all spans, then the spans in their order), then by context tier, ascending. */
export type RateTable = readonly (readonly TierRates[])[]

/** The rates of one price, by service tier. */
export type RateTables = Readonly<Record<ServiceTier, RateTable>>

/** What a price alone does not say. */
export interface PricingDefaults {
  /** Pico-USD for a call of a hosted tool where the price states none. */
  readonly hostedCallPico: bigint
  /** Whether the provider sells cache writes of one hour at all. */
  readonly sellsOneHourCache: boolean
}

/** A priority tier that is not priced is taken to cost twice the standard: the dearest that any provider of the seed asks. */
const UNSTATED_PRIORITY_FACTOR = 2n
/** Anthropic's published factor for a one-hour cache write, where a model's own price for it is not stated. */
const ONE_HOUR_WRITE_FACTOR = 2n

interface Complete {
  readonly input: bigint
  readonly output: bigint
  readonly cacheRead: bigint
  readonly cacheWrite5m: bigint
  readonly cacheWrite1h: bigint
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** rate × numerator ÷ denominator, rounded up. A ratio to nothing says nothing: then the dearer of the two holds. */
function scale(rate: bigint, numerator: bigint, denominator: bigint): bigint {
  if (denominator === 0n) return max(rate, numerator)
  return (rate * numerator + denominator - 1n) / denominator
}

const stated = (rate: string | null): bigint | null => (rate === null ? null : BigInt(rate))

/** The base rates, with what is not stated filled in. */
function completeBase(rates: Rates, sellsOneHourCache: boolean): Complete {
  const input = BigInt(rates.input)
  const cacheWrite5m = stated(rates.cacheWrite5m) ?? input
  const chargesWrites = rates.cacheWrite5m !== null && sellsOneHourCache
  return {
    input,
    output: BigInt(rates.output),
    cacheRead: stated(rates.cacheRead) ?? input,
    cacheWrite5m,
    cacheWrite1h:
      stated(rates.cacheWrite1h) ?? (chargesWrites ? max(cacheWrite5m, ONE_HOUR_WRITE_FACTOR * input) : cacheWrite5m),
  }
}

/** The rates of a context tier or of a span of hours: a cache price that they leave out keeps its ratio to the input. */
function completeVariant(rates: Rates, base: Complete): Complete {
  const input = BigInt(rates.input)
  const likeBase = (rate: bigint): bigint => scale(rate, input, base.input)
  return {
    input,
    output: BigInt(rates.output),
    cacheRead: stated(rates.cacheRead) ?? likeBase(base.cacheRead),
    cacheWrite5m: stated(rates.cacheWrite5m) ?? likeBase(base.cacheWrite5m),
    cacheWrite1h: stated(rates.cacheWrite1h) ?? likeBase(base.cacheWrite1h),
  }
}

/** A context tier within a span of hours within a service tier: each keeps its ratio to the base. */
function combine(tier: Complete, hour: Complete, service: ServiceRates | null, base: Complete): Complete {
  const [serviceInput, serviceOutput] = service
    ? [BigInt(service.input), BigInt(service.output)]
    : [base.input, base.output]
  const input = (key: keyof Complete): bigint => scale(scale(tier[key], hour[key], base[key]), serviceInput, base.input)
  return {
    input: input('input'),
    output: scale(scale(tier.output, hour.output, base.output), serviceOutput, base.output),
    cacheRead: input('cacheRead'),
    cacheWrite5m: input('cacheWrite5m'),
    cacheWrite1h: input('cacheWrite1h'),
  }
}

function toTier(above: number, upTo: number, rates: Complete, hostedCallPico: bigint): TierRates {
  const { input, output, cacheRead, cacheWrite5m, cacheWrite1h } = rates
  return {
    aboveInputTokens: above,
    upToInputTokens: upTo,
    byField: {
      inputUncached: input,
      cacheRead,
      cacheWrite5m,
      cacheWrite1h,
      outputVisible: output,
      outputReasoning: output,
      audioInput: input,
      audioOutput: output,
      imageInput: input,
      imageOutput: output,
      hostedToolCalls: hostedCallPico,
    },
    inputMax: max(max(input, cacheRead), max(cacheWrite5m, cacheWrite1h)),
    outputMax: output,
  }
}

/** Compiles a price: every rate that it can ask for, as integers. */
export function compileRates(price: ModelPrice, defaults: PricingDefaults): RateTables {
  const base = completeBase(price.rates, defaults.sellsOneHourCache)
  const hours = [base, ...price.hours.map((hour) => completeVariant(hour.rates, base))]
  const tiers = [
    { above: -1, rates: base },
    ...price.contextTiers.map((tier) => ({
      above: tier.aboveInputTokens,
      rates: completeVariant(tier.rates, base),
    })),
  ]
  const hostedCallPico = stated(price.webSearchPicoUsdPerCall) ?? defaults.hostedCallPico
  const table = (service: ServiceRates | null): RateTable =>
    hours.map((hour) =>
      tiers.map((tier, index) => {
        const upTo = tiers[index + 1]?.above ?? Number.MAX_SAFE_INTEGER
        return toTier(tier.above, upTo, combine(tier.rates, hour, service, base), hostedCallPico)
      }),
    )
  const { batch, flex, priority } = price.serviceTiers
  const standard = table(null)
  return {
    standard,
    batch: batch ? table(batch) : standard,
    flex: flex ? table(flex) : standard,
    priority: table(priority ?? unstatedPriority(base)),
  }
}

function unstatedPriority(base: Complete): ServiceRates {
  return {
    input: (base.input * UNSTATED_PRIORITY_FACTOR).toString(),
    output: (base.output * UNSTATED_PRIORITY_FACTOR).toString(),
  }
}
