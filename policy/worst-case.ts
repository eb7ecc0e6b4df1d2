/** The price that stands in for a model that nobody knows. */
import type { ModelPrice, Rates } from '@agentcostcontrol/contract'
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

/** Every table of a price but that of a priority tier which the source does not price. */
const statedTables = ({ price, tables }: CompiledPrice): readonly RateTable[] => [
  tables.standard,
  tables.batch,
  tables.flex,
  ...(price.serviceTiers.priority ? [tables.priority] : []),
]

/**
 * One flat price with the dearest rate of some prices on every axis: all models, times, hours, context tiers and
 * service tiers.
 */
export function worstCasePrice(provider: string, prices: readonly CompiledPrice[]): ModelPrice {
  const worst = dearest(prices.flatMap(statedTables))
  const [input, output] = [worst.inputUncached.toString(), worst.outputVisible.toString()]
  const rates: Rates = {
    input,
    output,
    cacheRead: worst.cacheRead.toString(),
    cacheWrite5m: worst.cacheWrite5m.toString(),
    cacheWrite1h: worst.cacheWrite1h.toString(),
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
    serviceTiers: { batch: null, flex: null, priority: { input, output } },
    hours: [],
    webSearchPicoUsdPerCall: worst.hostedToolCalls.toString(),
    source: 'worst-case',
  }
}
