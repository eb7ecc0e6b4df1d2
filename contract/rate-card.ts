/**
 * The price list that both planes agree on. A rate card is immutable: a new price is a new entry with its own dates and
 * a new version of the card, so that every stored cost can be recomputed to the nano.
 *
 * All rates here are decimal-integer strings of pico-USD per token (= micro-USD per million tokens), fees are
 * decimal-integer strings of pico-USD per call. `null` means that the source states no such price.
 */
export interface RateCard {
  /** Names this list, e.g. `2026-11-10.1`; stored with every cost. */
  readonly version: string
  readonly sources: readonly RateCardSource[]
  readonly models: readonly ModelPrice[]
}

/** Where prices came from. */
export interface RateCardSource {
  readonly name: string
  readonly version: string
  readonly date: string
  readonly licence: string
}

/** The price of one model at one provider over one span of time. */
export interface ModelPrice {
  readonly provider: string
  readonly model: string
  /** Other names that mean exactly this model. */
  readonly aliases: readonly string[]
  /** True where a dated snapshot of the name (`name-YYYY-MM-DD`, `name-YYYYMMDD`) without a price of its own has this price. */
  readonly snapshots: boolean
  /** RFC 3339 UTC; the price holds from here on. */
  readonly effectiveFrom: string
  /** RFC 3339 UTC, exclusive; `null` while it is the current price. */
  readonly effectiveTo: string | null
  /** Largest sum of input and output, in tokens; `null` if not stated. */
  readonly contextTokensMax: number | null
  /** Largest output, in tokens; `null` if not stated. */
  readonly outputTokensMax: number | null
  readonly rates: Rates
  /** Ascending by `aboveInputTokens`. The last tier that the total input exceeds reprices the whole request. */
  readonly contextTiers: readonly ContextTier[]
  readonly serviceTiers: {
    readonly batch: ServiceRates | null
    readonly flex: ServiceRates | null
    readonly priority: ServiceRates | null
  }
  /** Spans of the day (UTC) with their own rates, e.g. DeepSeek's peak hours. */
  readonly hours: readonly HourRates[]
  /** Pico-USD for each call of the provider's hosted web search; `null` if not stated. */
  readonly webSearchPicoUsdPerCall: string | null
  /** The source's name and version, as in {@link RateCard.sources}. */
  readonly source: string
}

/** Rates in pico-USD per token, as decimal-integer strings. */
export interface Rates {
  readonly input: string
  readonly output: string
  readonly cacheRead: string | null
  readonly cacheWrite5m: string | null
  readonly cacheWrite1h: string | null
}

/** Rates of a service tier; what is `null` falls back as the pricing rules of `policy/` say. */
export interface ServiceRates {
  readonly input: string
  readonly output: string
}

/** Rates for requests whose total input is above a number of tokens. */
export interface ContextTier {
  readonly aboveInputTokens: number
  readonly rates: Rates
}

/** Rates that hold in a span of the day. */
export interface HourRates {
  /** Minutes since midnight UTC: from (inclusive) to (exclusive). */
  readonly fromMinuteUtc: number
  readonly toMinuteUtc: number
  /** Days of the week, 0 is Sunday, on which the span holds. */
  readonly weekdays: readonly number[]
  readonly rates: Rates
}
