import { type ModelPrice, NO_USAGE, type RateCard, type Rates, type TokenUsage } from '@agentcostcontrol/contract'
import type { PriceBook, PricedModel } from '../../index.ts'

/** 2026-11-25, a Wednesday, 12:00 UTC. */
export const WEDNESDAY_NOON_MS = Date.UTC(2026, 10, 25, 12)

/** USD per million tokens as pico-USD per token. */
const rate = (usdPerMillion: number): string => Math.round(usdPerMillion * 1_000_000).toString()

/** Rates in USD per million tokens; what is left out is not stated. */
export function rates(usd: {
  readonly input: number
  readonly output: number
  readonly cacheRead?: number
  readonly cacheWrite5m?: number
  readonly cacheWrite1h?: number
}): Rates {
  const optional = (price: number | undefined) => (price === undefined ? null : rate(price))
  return {
    input: rate(usd.input),
    output: rate(usd.output),
    cacheRead: optional(usd.cacheRead),
    cacheWrite5m: optional(usd.cacheWrite5m),
    cacheWrite1h: optional(usd.cacheWrite1h),
  }
}

/** A price of $1 in and $5 out, with what a test cares about put in. */
export function price(fields: Partial<ModelPrice> = {}): ModelPrice {
  return {
    provider: 'openai',
    model: 'gpt-test',
    aliases: [],
    snapshots: false,
    effectiveFrom: '1970-01-01T00:00:00Z',
    effectiveTo: null,
    contextTokensMax: 400_000,
    outputTokensMax: 100_000,
    rates: rates({ input: 1, output: 5 }),
    contextTiers: [],
    serviceTiers: { batch: null, flex: null, priority: null },
    hours: [],
    webSearchPicoUsdPerCall: null,
    source: 'test@1',
    ...fields,
  }
}

/** A card of some prices. */
export const card = (...models: readonly ModelPrice[]): RateCard => ({ version: 'test.1', sources: [], models })

/** The model, which has to be there. */
export function found(book: PriceBook, provider = 'openai', model = 'gpt-test', atMs = WEDNESDAY_NOON_MS): PricedModel {
  const priced = book.find(provider, model, atMs)
  if (!priced) throw new Error(`${provider}/${model} is not in the card`)
  return priced
}

/** A usage of only these fields. */
export const usage = (fields: Partial<TokenUsage>): TokenUsage => ({ ...NO_USAGE, ...fields })
