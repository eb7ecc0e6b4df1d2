import { type ModelPrice, nanoUsd, type Rates, type ServiceTier, type TokenUsage } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import type { PricingContext, UsageBound } from '../../index.ts'
import { price, usage, WEDNESDAY_NOON_MS } from './prices.ts'

const MINUTE_MS = 60_000
const WEEK_MINUTES = 7 * 1440

/** Integers, small ones among them, so that rounding and nothing at all happen too. */
const anyRate = fc.oneof(fc.constant('0'), fc.nat(9).map(String), fc.nat(700_000_000).map(String))
const anyRates: fc.Arbitrary<Rates> = fc.record({
  input: anyRate,
  output: anyRate,
  cacheRead: fc.option(anyRate),
  cacheWrite5m: fc.option(anyRate),
  cacheWrite1h: fc.option(anyRate),
})
const anyServiceRates = fc.option(fc.record({ input: anyRate, output: anyRate }))

/** Tiers at or near the counts that the bounds below use, so that edges are met. */
const anyTiers = fc
  .uniqueArray(fc.record({ aboveInputTokens: fc.nat(1_000), rates: anyRates }), {
    maxLength: 3,
    selector: (tier) => tier.aboveInputTokens,
  })
  .map((tiers) => tiers.sort((a, b) => a.aboveInputTokens - b.aboveInputTokens))

const anyHours = fc.array(
  fc
    .record({
      edges: fc.uniqueArray(fc.nat(1440), { minLength: 2, maxLength: 2 }),
      weekdays: fc.subarray([0, 1, 2, 3, 4, 5, 6]),
      rates: anyRates,
    })
    .map(({ edges: [a = 0, b = 1], ...span }) => ({
      fromMinuteUtc: Math.min(a, b),
      toMinuteUtc: Math.max(a, b),
      ...span,
    })),
  { maxLength: 3 },
)

/** Any price, however odd: dearer batches, tiers that get cheaper, hours that overlap. */
export const anyPrice: fc.Arbitrary<ModelPrice> = fc
  .record({
    rates: anyRates,
    contextTiers: anyTiers,
    serviceTiers: fc.record({ batch: anyServiceRates, flex: anyServiceRates, priority: anyServiceRates }),
    hours: anyHours,
    webSearchPicoUsdPerCall: fc.option(fc.nat(40_000_000_000).map(String)),
  })
  .map(price)

/** What a request says of itself. */
export const anyBound: fc.Arbitrary<UsageBound> = fc.record({
  inputTokensMax: fc.nat(2_000),
  outputTokensMax: fc.nat(2_000),
  hostedToolCallsMax: fc.nat(3),
  serviceTier: fc.constantFrom(null, 'standard', 'batch', 'flex', 'priority'),
})

/** Any minute of a week, at any second. */
export const anyTimeMs = fc
  .record({ minute: fc.nat(WEEK_MINUTES - 1), ms: fc.nat(MINUTE_MS - 1) })
  .map(({ minute, ms }) => WEDNESDAY_NOON_MS + minute * MINUTE_MS + ms)

/** The service tiers that a provider can serve a request in, by what it asked for. */
function reachableTiers(asked: ServiceTier | null, model: ModelPrice): readonly (ServiceTier | null)[] {
  const { flex, priority } = model.serviceTiers
  if (asked === 'batch') return ['batch']
  if (asked === null)
    return [null, 'standard', ...(flex ? (['flex'] as const) : []), ...(priority ? (['priority'] as const) : [])]
  return asked === 'standard' ? [null, 'standard'] : [null, 'standard', asked]
}

/** Shares of a total, and of what is left of it, so that the parts never exceed it and often make it up. */
const anyParts = (count: number) =>
  fc.array(fc.oneof(fc.constant(1), fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), {
    minLength: count,
    maxLength: count,
  })

function split(total: number, shares: readonly number[]): readonly number[] {
  let left = total
  return shares.map((share) => {
    const part = Math.floor(left * share)
    left -= part
    return part
  })
}

/** A price, a bound, and a use within the bound, served in a tier and at a time that the request can reach. */
export const anyUseWithinBound = fc
  .record({
    model: anyPrice,
    bound: anyBound,
    atMs: anyTimeMs,
    laterMs: fc.nat(60 * MINUTE_MS),
    inputs: anyParts(6),
    outputs: anyParts(4),
    calls: fc.nat(3),
    tier: fc.nat(),
  })
  .map(({ model, bound, atMs, laterMs, inputs, outputs, calls, tier }) => {
    const [inputUncached = 0, cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0, audioInput = 0, imageInput = 0] =
      split(bound.inputTokensMax, inputs)
    const [outputVisible = 0, outputReasoning = 0, audioOutput = 0, imageOutput = 0] = split(
      bound.outputTokensMax,
      outputs,
    )
    const used: TokenUsage = usage({
      ...{ inputUncached, cacheRead, cacheWrite5m, cacheWrite1h, audioInput, imageInput },
      ...{ outputVisible, outputReasoning, audioOutput, imageOutput },
      hostedToolCalls: Math.min(calls, bound.hostedToolCallsMax),
    })
    const tiers = reachableTiers(bound.serviceTier, model)
    const context: PricingContext = { serviceTier: tiers[tier % tiers.length] ?? null, atMs: atMs + laterMs }
    return { model, bound, atMs, used, context }
  })

/** An amount of money around what the bounds above cost. */
export const anyMoney = fc
  .oneof(fc.bigInt({ min: 0n, max: 1_000n }), fc.bigInt({ min: 0n, max: 3_000_000_000n }))
  .map(nanoUsd)
