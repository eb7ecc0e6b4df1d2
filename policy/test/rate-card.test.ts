import { readFileSync } from 'node:fs'
import type { RateCard } from '@agentcostcontrol/contract'
import t from 'tap'
import { buildRateCard, formatRateCard } from '../../seed/build-rate-card.ts'
import { readServiceRates, readTiers } from '../../seed/columns.ts'
import { hasSnapshots, LEFT_OUT } from '../../seed/decisions.ts'
import { type CsvRow, readCsv } from '../../seed/read-csv.ts'
import { createPriceBook, type PriceBook, readRateCard } from '../index.ts'
import { card, price, usage } from './support/prices.ts'

const read = (name: string): string => readFileSync(new URL(`../../seed/${name}`, import.meta.url), 'utf8')
const shipped = read('rate-card.json')
const book = createPriceBook(readRateCard(shipped))

/** Wednesdays at the peak of DeepSeek or outside of it, before the retirements of 2026-08 or after all announced changes. */
function whenListed(row: CsvRow): number {
  const hour = row.conditions?.startsWith('listed = PEAK') ? 2 : 12
  return row.conditions?.startsWith('retired') ? Date.UTC(2026, 6, 1, hour) : Date.UTC(2027, 0, 6, hour)
}

/** What a thousand tokens of one kind cost, in USD per million tokens. */
function charged(
  priced: ReturnType<PriceBook['find']>,
  field: string,
  atMs: number,
  tier: 'batch' | 'flex' | 'priority' | null = null,
) {
  if (!priced) return null
  const { components } = book.cost(priced, usage({ [field]: 1_000 }), { serviceTier: tier, atMs })
  return Number(Object.values(components)[0] ?? 0n) / 1e9
}

/** Compares what a row states with what is charged; returns the columns that differ. */
function differences(row: CsvRow): readonly string[] {
  const atMs = whenListed(row)
  const priced = book.find(row.provider ?? '', row.model_id ?? '', atMs)
  if (!priced) return ['not found']
  const columns = {
    input_per_1m: 'inputUncached',
    output_per_1m: 'outputVisible',
    cache_read_per_1m: 'cacheRead',
    cache_write_per_1m: 'cacheWrite5m',
    cache_write_1h_per_1m: 'cacheWrite1h',
  }
  const stated = (text: string | undefined): text is string => text !== undefined && Number(text) > 0
  const wrong = Object.entries(columns)
    .filter(([column, field]) => stated(row[column]) && charged(priced, field, atMs) !== Number(row[column]))
    .map(([column]) => column)
  for (const tier of ['batch', 'flex', 'priority'] as const) {
    const [input, output] = (row[`${tier}_in_out`] ?? '').split('/')
    if (!stated(input) || !stated(output)) continue
    if (charged(priced, 'inputUncached', atMs, tier) !== Number(input)) wrong.push(`${tier} input`)
    if (charged(priced, 'outputVisible', atMs, tier) !== Number(output)) wrong.push(`${tier} output`)
  }
  if (row.web_search_per_1k && charged(priced, 'hostedToolCalls', atMs) !== Number(row.web_search_per_1k) * 1_000)
    wrong.push('web search')
  if (row.max_output && priced.outputTokensMax !== Number(row.max_output)) wrong.push('max_output')
  return wrong
}

t.test('the card is what its script makes of the CSV', async (t) => {
  t.equal(shipped, formatRateCard(buildRateCard(read('models.csv'))))
})

t.test('each of the 91 models of the seed is found and charged as its row says', async (t) => {
  const rows = readCsv(read('seed91.csv'))
  t.equal(rows.length, 91)
  t.equal(new Set(rows.map((row) => row.provider)).size, 16)
  for (const row of rows) t.same(differences(row), [], `${row.provider}/${row.model_id}`)
})

t.test('so is every other row, but the ones that are left out for a reason', async (t) => {
  const missing: string[] = []
  for (const row of readCsv(read('models.csv'))) {
    const wrong = differences(row)
    if (wrong[0] === 'not found') missing.push(`${row.provider}/${row.model_id}`)
    else if (wrong.length > 0) t.fail(`${row.provider}/${row.model_id}: ${wrong.join(', ')}`)
  }
  const withoutInputPrice = ['pplx-70b-online', 'pplx-7b-online', 'sonar-medium-online', 'sonar-small-online']
  t.same(
    missing.sort(),
    [...LEFT_OUT.keys(), 'fireworks/', ...withoutInputPrice.map((name) => `perplexity/${name}`)].sort(),
  )
})

t.test('no token of any model is free, whatever its kind, tier or hour', async (t) => {
  const free: string[] = []
  for (const { provider, model, rates, contextTiers, serviceTiers, hours, webSearchPicoUsdPerCall } of readRateCard(
    shipped,
  ).models) {
    const stated = [
      rates,
      ...contextTiers.map((tier) => tier.rates),
      ...hours.map((hour) => hour.rates),
      ...Object.values(serviceTiers),
    ]
    const figures = [...stated.flatMap((it) => (it ? Object.values(it) : [])), webSearchPicoUsdPerCall]
    if (figures.includes('0')) free.push(`${provider}/${model}`)
  }
  t.same(free, [])
})

t.test('tiers are read in both spellings, and one that is not understood stops the build', async (t) => {
  const tier = {
    aboveInputTokens: 272_000,
    rates: { input: '8000000', output: '30000000', cacheRead: '800000', cacheWrite5m: '10000000', cacheWrite1h: null },
  }
  t.same(readTiers('>272000:in=8|out=30|cr=0.8|cw=10'), [tier])
  t.same(readTiers('>272000:cache_creation=10|cache_read=0.8|input=8|output=30'), [tier])
  t.match(readTiers('>9:in=2|out=2;>5:in=1|out=1'), [{ aboveInputTokens: 5 }, { aboveInputTokens: 9 }])
  t.match(readTiers('>272000:in=8|out=30|cr=0|cw=0'), [{ rates: { cacheRead: null, cacheWrite5m: null } }])
  t.same(readTiers(''), [])
  for (const text of ['272000:in=1|out=1', '>1:in=1', '>1:in=1|out=1|x=1', '>1:in=NaN|out=1', '>1:in=0.0000001|out=1'])
    t.throws(() => readTiers(text), text)
})

t.test('a service price that is not a number is not stated', async (t) => {
  t.same(readServiceRates('1/4'), { input: '1000000', output: '4000000' })
  t.same(readServiceRates('0.065/0'), { input: '65000', output: '65000' })
  for (const text of ['', '2.5/NaN', 'NaN/1', '0/0', '1']) t.equal(readServiceRates(text), null, text)
})

t.test('a row that cannot be read stops the build and is named', async (t) => {
  const [header = '', row = ''] = read('models.csv').split('\n')
  const built = (line: string) => () => buildRateCard(`${header}\n${line}\n`)
  t.doesNotThrow(built(row))
  t.throws(built(row.replace(',10,50,', ',1e1,50,')), /^anthropic\/claude-fable-5: "1e1"/)
  t.throws(built(row.replace('pi-ai@1.5.2(2026-11-10)', 'hearsay')), /source "hearsay"/)
  t.throws(built(row.replace(',,pi-ai', ',only on Sundays,pi-ai')), /condition "only on Sundays"/)
  t.throws(built(row.replace(',,pi-ai', ',from 2027-06-01,pi-ai')), /must say what holds until then/)
  t.throws(built(`${row},`), /18 fields/)
})

t.test('quoted fields may hold commas, quotes and line breaks', async (t) => {
  t.same(readCsv('a,b\r\n"1,\n""2""",\n\n'), [{ a: '1,\n"2"', b: '' }])
  t.same(readCsv('a,b\n1,2'), [{ a: '1', b: '2' }])
  t.throws(() => readCsv('a\n"1'), /never closes/)
})

t.test('snapshots belong to whole names of declared families, never to prefixes', async (t) => {
  const yes = [
    'openai/gpt-5.5',
    'openai/gpt-4o-mini',
    'openai/o3',
    'openai/gpt-6.1-sol',
    'azure/gpt-4.1',
    'anthropic/claude-opus-4-5',
    'anthropic/claude-sonnet-5',
    'anthropic/claude-3-5-sonnet',
  ]
  const no = [
    'openai/gpt-5-chat-latest',
    'openai/gpt-4-32k',
    'openai/gpt-4o-2024-08-06',
    'openai/gpt-oss-120b',
    'openai/gpt-4o:extended',
    'anthropic/claude-2',
    'anthropic/claude-opus-4-5-20251101',
    'mistral/gpt-5.5',
    'google/claude-sonnet-5',
  ]
  const has = (key: string) => hasSnapshots(key.slice(0, key.indexOf('/')), key.slice(key.indexOf('/') + 1))
  t.same(
    yes.filter((key) => !has(key)),
    [],
  )
  t.same(no.filter(has), [])
})

t.test('a snapshot costs what its family costs wherever its own row says nothing', async (t) => {
  const atMs = Date.UTC(2027, 0, 6, 12)
  const used = usage({ inputUncached: 1_000, cacheRead: 1_000, outputVisible: 1_000, hostedToolCalls: 1 })
  const cost = (model: string, serviceTier: 'priority' | null) => {
    const priced = book.find('openai', model, atMs)
    return priced && book.cost(priced, used, { serviceTier, atMs }).total
  }
  const pairs = { 'gpt-4o': '2024-08-06', 'gpt-4.1': '2025-04-14', o3: '2025-04-16', 'gpt-5.5': '2026-04-23' }
  for (const [family, date] of Object.entries(pairs)) {
    t.equal(book.find('openai', `${family}-${date}`, atMs)?.foundBy, 'exact')
    for (const tier of ['priority', null] as const) t.equal(cost(`${family}-${date}`, tier), cost(family, tier), family)
  }
  const azure = (model: string) => book.find('azure', model, atMs)?.price.serviceTiers.priority
  t.same(azure('gpt-5.1'), azure('gpt-5.1-2025-11-13'), 'and the other way round')
  t.ok(azure('gpt-5.1'))
  t.not(cost('gpt-4o-2024-05-13', null), cost('gpt-4o', null), 'one with another price keeps it')
})

t.test('a context window is never smaller than the input that its dearest tier begins above', async (t) => {
  for (const { provider, model, contextTokensMax, contextTiers } of readRateCard(shipped).models) {
    const above = contextTiers.at(-1)?.aboveInputTokens
    if (above !== undefined && contextTokensMax !== null && contextTokensMax <= above) t.fail(`${provider}/${model}`)
  }
  t.equal(book.find('openai', 'gpt-5.5', Date.UTC(2027, 0, 6))?.contextTokensMax, 1_050_000)
})

t.test('an announced price begins on its day, and until then the dearer one holds', async (t) => {
  const before = book.find('google', 'gemini-3.8-flash', Date.UTC(2026, 11, 31, 23, 59))
  const after = book.find('google', 'gemini-3.8-flash', Date.UTC(2027, 0, 1))
  t.match([before?.price.rates.input, after?.price.rates.input], ['1500000', '750000'])
})

t.test('a card that is malformed is refused with its place', async (t) => {
  const refused = (value: unknown, message: RegExp) =>
    t.throws(() => readRateCard(JSON.stringify(value)), { name: 'RateCardError', message })
  const good: RateCard = card(price())
  const [model] = good.models
  t.same(readRateCard(JSON.stringify(good)), good)
  t.throws(() => readRateCard('{'), { name: 'RateCardError', message: /not JSON/ })
  refused(null, /the card must be an object/)
  refused({ ...good, version: '' }, /version must be a text/)
  refused({ ...good, models: {} }, /models must be a list/)
  refused(
    { ...good, models: [{ ...model, rates: { ...model?.rates, input: 1 } }] },
    /models\[0\]\.rates\.input must be .*"75000"/,
  )
  refused({ ...good, models: [{ ...model, rates: { ...model?.rates, input: '-1' } }] }, /rates\.input/)
  refused({ ...good, models: [{ ...model, effectiveFrom: 'yesterday' }] }, /effectiveFrom must be an instant/)
  refused({ ...good, models: [{ ...model, serviceTiers: { batch: null, flex: null } }] }, /serviceTiers\.priority/)
  refused(
    { ...good, models: [{ ...model, hours: [{ fromMinuteUtc: 0, toMinuteUtc: 1441 }] }] },
    /toMinuteUtc must be a whole number from 1 to 1440/,
  )
  refused({ ...good, models: [{ ...model, snapshots: 'yes' }] }, /snapshots must be true or false/)
})
