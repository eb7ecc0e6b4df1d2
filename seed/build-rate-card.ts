/**
 * Makes `rate-card.json` from `models.csv`: `node seed/build-rate-card.ts [FILE.csv]`. The rules are those of
 * README.md in this folder; a test rebuilds the card and compares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { ModelPrice, RateCard, RateCardSource, Rates } from '@agentcostcontrol/contract'
import { feePico, readConditions, readRates, readServiceRates, readTiers } from './columns.ts'
import { ALIASES, BEGINNING, familyOf, hasSnapshots, INTERIM, LEFT_OUT, SOURCES, VARIANTS } from './decisions.ts'
import { type CsvRow, readCsv } from './read-csv.ts'

/** Raise it with every change of the prices or of the rules: a card is never edited in place. */
const VERSION = '2026-11-10.2'

/** Makes the card. @throws Error that names provider and model for a row that cannot be read. */
export function buildRateCard(csv: string): RateCard {
  const models: ModelPrice[] = []
  for (const row of readCsv(csv)) {
    try {
      models.push(...readModel(row))
    } catch (error) {
      throw new Error(`${keyOf(row)}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const sources: readonly RateCardSource[] = SOURCES.map(({ csv: _, ...source }) => source)
  const whole = models.map((model) => withTrueContext(withFamily(model, models), models))
  return { version: VERSION, sources, models: [...whole, ...whole.flatMap(variantsOf)].sort(byName) }
}

/** Writes a card as JSON with one model a line, so that a change of a price is a change of a line. */
export function formatRateCard(card: RateCard): string {
  const lines = card.models.map((model) => JSON.stringify(model)).join(',\n')
  return `{"version":${JSON.stringify(card.version)},\n"sources":${JSON.stringify(card.sources)},\n"models":[\n${lines}\n]}\n`
}

const column = (row: CsvRow, name: string): string => {
  const text = row[name]
  if (text === undefined) throw new Error(`the file has no column "${name}"`)
  return text
}
const keyOf = (row: CsvRow): string => `${row.provider}/${row.model_id}`
const countOrNull = (text: string): number | null => (text === '' ? null : Number(text))
const byName = (a: ModelPrice, b: ModelPrice): number => compare(sortKey(a), sortKey(b))
const sortKey = (model: ModelPrice): string => `${model.provider}\u0000${model.model}\u0000${model.effectiveFrom}`
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The entries of one row: none, one, or two where an announced price follows the one that holds now. */
function readModel(row: CsvRow): readonly ModelPrice[] {
  const key = keyOf(row)
  const model = column(row, 'model_id')
  if (model === '' || LEFT_OUT.has(key) || Number(column(row, 'input_per_1m')) === 0) return []
  const source = SOURCES.find((known) => known.csv === column(row, 'source'))
  if (!source) throw new Error(`the source "${column(row, 'source')}" is not known`)
  const listed = readRates({
    input: column(row, 'input_per_1m'),
    output: column(row, 'output_per_1m'),
    cacheRead: column(row, 'cache_read_per_1m'),
    cacheWrite5m: column(row, 'cache_write_per_1m'),
    cacheWrite1h: column(row, 'cache_write_1h_per_1m'),
  })
  const { from, to, rates, hours } = readConditions(column(row, 'conditions'), listed)
  const price: ModelPrice = {
    provider: column(row, 'provider'),
    model,
    aliases: ALIASES.get(key) ?? [],
    snapshots: hasSnapshots(column(row, 'provider'), model),
    effectiveFrom: from === null ? BEGINNING : `${from}T00:00:00Z`,
    effectiveTo: to === null ? null : `${to}T00:00:00Z`,
    contextTokensMax: countOrNull(column(row, 'context')),
    outputTokensMax: countOrNull(column(row, 'max_output')),
    rates,
    contextTiers: readTiers(column(row, 'tiers')),
    serviceTiers: {
      batch: readServiceRates(column(row, 'batch_in_out')),
      flex: readServiceRates(column(row, 'flex_in_out')),
      priority: readServiceRates(column(row, 'priority_in_out')),
    },
    hours,
    webSearchPicoUsdPerCall: feePico(column(row, 'web_search_per_1k')),
    source: `${source.name}@${source.version}`,
  }
  return from !== null && from > source.date ? [interim(key, price), price] : [price]
}

/** The price until an announced one begins. */
function interim(key: string, next: ModelPrice): ModelPrice {
  const price = INTERIM.get(key)
  if (!price) throw new Error(`its price begins at ${next.effectiveFrom}: decisions.ts must say what holds until then`)
  const rates = readRates({ ...price, cacheRead: '', cacheWrite5m: '', cacheWrite1h: '' })
  return { ...next, effectiveFrom: BEGINNING, effectiveTo: next.effectiveFrom, rates }
}

/**
 * A family and its snapshots, where they cost the same, have the same service tiers, whichever row states them; and a
 * snapshot takes from its family what else its row leaves out. The sources list less about one or the other, and a
 * request for the family is answered, and billed, by a snapshot.
 */
function withFamily(model: ModelPrice, models: readonly ModelPrice[]): ModelPrice {
  const name = familyOf(model.provider, model.model) ?? model.model
  const kin = models.filter(
    (other) =>
      other.provider === model.provider &&
      (other.model === name || familyOf(other.provider, other.model) === name) &&
      other.rates.input === model.rates.input &&
      other.rates.output === model.rates.output,
  )
  const tier = (of: 'batch' | 'flex' | 'priority') =>
    [model, ...kin].map(({ serviceTiers }) => serviceTiers[of]).find((rates) => rates !== null) ?? null
  const { rates } = model
  const family = kin.find((other) => other.model === name) ?? model
  return {
    ...model,
    rates: {
      ...rates,
      cacheRead: rates.cacheRead ?? family.rates.cacheRead,
      cacheWrite5m: rates.cacheWrite5m ?? family.rates.cacheWrite5m,
      cacheWrite1h: rates.cacheWrite1h ?? family.rates.cacheWrite1h,
    },
    contextTiers: model.contextTiers.length > 0 ? model.contextTiers : family.contextTiers,
    serviceTiers: { batch: tier('batch'), flex: tier('flex'), priority: tier('priority') },
    outputTokensMax: model.outputTokensMax ?? family.outputTokensMax,
    webSearchPicoUsdPerCall: model.webSearchPicoUsdPerCall ?? family.webSearchPicoUsdPerCall,
  }
}

/**
 * A context window that ends where its dearest tier begins contradicts the tier: some sources list the part that is
 * cheap. It is replaced by the largest window of the provider's models that have a tier at the same place, else by
 * `null` (not stated), since a window that is too small would reserve too little.
 */
function withTrueContext(model: ModelPrice, models: readonly ModelPrice[]): ModelPrice {
  const above = model.contextTiers.at(-1)?.aboveInputTokens
  if (above === undefined || model.contextTokensMax === null || model.contextTokensMax > above) return model
  const windows = models
    .filter((other) => other.provider === model.provider && other.contextTiers.at(-1)?.aboveInputTokens === above)
    .map((other) => other.contextTokensMax ?? 0)
  const largest = Math.max(...windows)
  return { ...model, contextTokensMax: largest > above ? largest : null }
}

/** The same model at other rates. */
function variantsOf(price: ModelPrice): readonly ModelPrice[] {
  return VARIANTS.filter(({ provider, models }) => provider === price.provider && models.test(price.model)).map(
    ({ prefix, percent }) => {
      const scaled = (rate: string): string => ((BigInt(rate) * percent + 99n) / 100n).toString()
      const orNull = (rate: string | null): string | null => (rate === null ? null : scaled(rate))
      const rates = ({ input, output, cacheRead, cacheWrite5m, cacheWrite1h }: Rates): Rates => ({
        input: scaled(input),
        output: scaled(output),
        cacheRead: orNull(cacheRead),
        cacheWrite5m: orNull(cacheWrite5m),
        cacheWrite1h: orNull(cacheWrite1h),
      })
      const { batch, flex, priority } = price.serviceTiers
      const service = (tier: typeof batch) =>
        tier === null ? null : { input: scaled(tier.input), output: scaled(tier.output) }
      return {
        ...price,
        model: prefix + price.model,
        aliases: price.aliases.map((alias) => prefix + alias),
        rates: rates(price.rates),
        contextTiers: price.contextTiers.map((tier) => ({ ...tier, rates: rates(tier.rates) })),
        serviceTiers: { batch: service(batch), flex: service(flex), priority: service(priority) },
        hours: price.hours.map((span) => ({ ...span, rates: rates(span.rates) })),
      }
    },
  )
}

if (import.meta.main) {
  const input = process.argv[2] ?? new URL('models.csv', import.meta.url)
  const card = buildRateCard(readFileSync(input, 'utf8'))
  writeFileSync(new URL('rate-card.json', import.meta.url), formatRateCard(card))
  process.stdout.write(`seed/rate-card.json: ${card.models.length} prices, version ${card.version}\n`)
}
