/** The price that stands in for a model that nobody knows. */
import type { ModelPrice, Rates, ServiceRates } from '@agentcostcontrol/contract'
import type { CompiledPrice } from './priced-model.ts'
import type { FieldRates, RateTable } from './rates.ts'

/** Dearest rate of each field over some tables. */
function dearest(tables: readonly RateTable[]): FieldRates {
  const all = tables.flat(2).map((tier) => tier.byField)
  const most = (field: keyof FieldRates): bigint =>
    all.reduce((dear, rates) => (rates[field] > dear ? rates[field] : dear), 0n)
  return {
    inputUncached: most('inputUncached'),
    cacheRead: most('cacheRead'),
    cacheWrite5m: most('cacheWrite5m'),
    cacheWrite1h: most('cacheWrite1h'),
    outputVisible: most('outputVisible'),
    outputReasoning: most('outputReasoning'),
    audioInput: most('audioInput'),
    audioOutput: most('audioOutput'),
    imageInput: most('imageInput'),
    imageOutput: most('imageOutput'),
    hostedToolCalls: most('hostedToolCalls'),
  }
}

const largest = (counts: readonly (number | null)[]): number | null => {
  const known = counts.filter((count) => count !== null)
  return known.length === 0 ? null : Math.max(...known)
}

/**
 * A flat price with the dearest rate of some prices on every axis: all models, times, hours and context tiers, and in
 * the priority tier all priority prices too.
 */
export function worstCasePrice(provider: string, prices: readonly CompiledPrice[]): ModelPrice {
  const standard = dearest(prices.map((price) => price.tables.standard))
  const priority = dearest(
    prices.flatMap(({ price, tables }) =>
      price.serviceTiers.priority ? [tables.standard, tables.priority] : [tables.standard],
    ),
  )
  const rates: Rates = {
    input: standard.inputUncached.toString(),
    output: standard.outputVisible.toString(),
    cacheRead: standard.cacheRead.toString(),
    cacheWrite5m: standard.cacheWrite5m.toString(),
    cacheWrite1h: standard.cacheWrite1h.toString(),
  }
  const priorityRates: ServiceRates = {
    input: priority.inputUncached.toString(),
    output: priority.outputVisible.toString(),
  }
  return {
    provider,
    model: '*',
    aliases: [],
    snapshots: false,
    effectiveFrom: '1970-01-01T00:00:00Z',
    effectiveTo: null,
    contextTokensMax: largest(prices.map(({ price }) => price.contextTokensMax)),
    outputTokensMax: largest(prices.map(({ price }) => price.outputTokensMax)),
    rates,
    contextTiers: [],
    serviceTiers: { batch: null, flex: null, priority: priorityRates },
    hours: [],
    webSearchPicoUsdPerCall: standard.hostedToolCalls.toString(),
    source: 'worst-case',
  }
}
