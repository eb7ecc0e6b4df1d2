/** One price, compiled: which rates hold when, and which of them a request can reach. */
import type { HourRates, ModelPrice, ServiceTier } from '@agentcostcontrol/contract'
import { compileRates, type PricingDefaults, type RateTable, type RateTables, type TierRates } from './rates.ts'
import type { PricedModel } from './types.ts'

const MINUTE_MS = 60_000
const DAY_MINUTES = 1440
const WEEK_MINUTES = 7 * DAY_MINUTES
/** 1970-01-01 was a Thursday. */
const EPOCH_WEEKDAY = 4
/** How long a request may run: its bound covers every hour that begins meanwhile. */
const REQUEST_MINUTES_MAX = 60

/** A price with its rates compiled; several {@link CompiledModel} (found by name, by alias) share one. */
export class CompiledPrice {
  readonly price: ModelPrice
  readonly tables: RateTables
  readonly #reach: Readonly<Record<ServiceTier | 'any', readonly RateTable[]>>

  constructor(price: ModelPrice, defaults: PricingDefaults) {
    this.price = price
    this.tables = compileRates(price, defaults)
    const { standard, batch, flex, priority } = this.tables
    const anyTier = [
      standard,
      ...(price.serviceTiers.flex ? [flex] : []),
      ...(price.serviceTiers.priority ? [priority] : []),
    ]
    this.#reach = {
      any: undominated(anyTier),
      standard: [standard],
      batch: [batch],
      flex: undominated([standard, flex]),
      priority: undominated([standard, priority]),
    }
  }

  /** The rates of usage that was served at a time, in a service tier, with a total input. */
  ratesAt(serviceTier: ServiceTier | null, atMs: number, inputTokens: number): TierRates {
    const hours = this.price.hours
    const hour = hours.length === 0 ? 0 : hours.findIndex((span) => holdsAt(span, atMs)) + 1
    const tiers = this.tables[serviceTier ?? 'standard'][hour] ?? []
    let found = tiers[0]
    for (const tier of tiers) if (inputTokens > tier.aboveInputTokens) found = tier
    if (!found) throw new Error(`${this.price.model} has no rates`)
    return found
  }

  /** Calls `visit` with all rates by context tier that a request can reach which begins at a time and asks for a service tier. */
  forEachReachable(serviceTier: ServiceTier | null, atMs: number, visit: (tiers: readonly TierRates[]) => void): void {
    const hours = this.price.hours
    for (const table of this.#reach[serviceTier ?? 'any']) {
      table.forEach((tiers, index) => {
        const span = index === 0 ? undefined : hours[index - 1]
        if (!span || beginsWithin(span, atMs)) visit(tiers)
      })
    }
  }
}

/** What `find` answers; other packages see it as a {@link PricedModel}. */
export class CompiledModel implements PricedModel {
  readonly price: ModelPrice
  readonly foundBy: PricedModel['foundBy']
  readonly contextTokensMax: number | null
  readonly outputTokensMax: number | null
  readonly compiled: CompiledPrice
  readonly rateCardVersion: string
  readonly pricedAs: string | null

  constructor(
    compiled: CompiledPrice,
    foundBy: PricedModel['foundBy'],
    rateCardVersion: string,
    pricedAs: string | null = null,
  ) {
    this.price = compiled.price
    this.foundBy = foundBy
    this.contextTokensMax = compiled.price.contextTokensMax
    this.outputTokensMax = compiled.price.outputTokensMax
    this.compiled = compiled
    this.rateCardVersion = rateCardVersion
    this.pricedAs = pricedAs
  }
}

/** Leaves out the tables that another one is nowhere cheaper than: they never decide a bound. */
function undominated(tables: readonly RateTable[]): readonly RateTable[] {
  const kept: RateTable[] = []
  for (const table of new Set(tables)) {
    if (kept.some((other) => dominates(other, table))) continue
    const rest = kept.filter((other) => !dominates(table, other))
    kept.splice(0, kept.length, ...rest, table)
  }
  return kept
}

function dominates(dear: RateTable, cheap: RateTable): boolean {
  return cheap.every((tiers, hour) =>
    tiers.every((tier, index) => {
      const other = dear[hour]?.[index]
      return other !== undefined && other.inputMax >= tier.inputMax && other.outputMax >= tier.outputMax
    }),
  )
}

function holdsAt(span: HourRates, atMs: number): boolean {
  const minute = Math.floor(atMs / MINUTE_MS)
  const weekday = (Math.floor(minute / DAY_MINUTES) + EPOCH_WEEKDAY) % 7
  const minuteOfDay = minute % DAY_MINUTES
  return minuteOfDay >= span.fromMinuteUtc && minuteOfDay < span.toMinuteUtc && span.weekdays.includes(weekday)
}

/** Whether some minute of the span lies between a time and the end of the longest request that begins then. */
function beginsWithin(span: HourRates, atMs: number): boolean {
  const from = (Math.floor(atMs / MINUTE_MS) + EPOCH_WEEKDAY * DAY_MINUTES) % WEEK_MINUTES
  const to = from + REQUEST_MINUTES_MAX
  return span.weekdays.some((weekday) =>
    [0, WEEK_MINUTES].some((week) => {
      const day = week + weekday * DAY_MINUTES
      return day + span.fromMinuteUtc <= to && day + span.toMinuteUtc > from
    }),
  )
}
