import { type ServiceTier, type TokenUsage, totalInputTokens } from '@agentcostcontrol/contract'
import t from 'tap'
import { createPriceBook, type PriceBook } from '../index.ts'
import { card, found, price, rates, usage, WEDNESDAY_NOON_MS } from './support/prices.ts'

type Fields = Parameters<typeof price>[0]

/** Cost in nano-USD of usage at one price. */
function cost(
  fields: Fields,
  used: Partial<TokenUsage>,
  serviceTier: ServiceTier | null = null,
  atMs = WEDNESDAY_NOON_MS,
) {
  const book = createPriceBook(card(price(fields)))
  return book.cost(found(book), usage(used), { serviceTier, atMs }).total
}

/** The first mistake of a price book is to be off by a factor: dollars, as people compute them. */
const usd = (amount: number): bigint => BigInt(Math.round(amount * 1e9))

t.test('333 tokens at $0.075 a million are 24 975 nano', async (t) => {
  t.equal(cost({ rates: rates({ input: 0.075, output: 0.3 }) }, { inputUncached: 333 }), 24_975n)
})

t.test('a million embeddings of 12 tokens at $0.02 a million are $0.24, one is 240 nano', async (t) => {
  t.equal(cost({ rates: rates({ input: 0.02, output: 0.02 }) }, { inputUncached: 12 }), 240n)
})

t.test('components are kept in pico and only their sum is rounded up', async (t) => {
  const book = createPriceBook(card(price({ rates: rates({ input: 0.0333, output: 0.0333 }) })))
  const { total, components, rateCardVersion } = book.cost(found(book), usage({ inputUncached: 1, outputVisible: 1 }), {
    serviceTier: null,
    atMs: WEDNESDAY_NOON_MS,
  })
  t.same(components, { inputUncached: 33_300n, outputVisible: 33_300n })
  t.equal(total, 67n, '66.6 nano, where two rounded components would be 68')
  t.equal(rateCardVersion, 'test.1')
})

t.test('cached tokens are charged once, at the cache price and never at that of output', async (t) => {
  const sonnet = { rates: rates({ input: 3, output: 15, cacheRead: 0.3, cacheWrite5m: 3.75, cacheWrite1h: 6 }) }
  t.equal(cost(sonnet, { inputUncached: 2_000, cacheRead: 100_000, outputVisible: 1_200 }), usd(0.006 + 0.03 + 0.018))
  t.equal(cost(sonnet, { cacheWrite5m: 1_000 }), usd(0.00375))
  t.equal(cost(sonnet, { cacheWrite1h: 1_000 }), usd(0.006))
})

t.test('reasoning is output, and pictures and sound without a price of their own are input and output', async (t) => {
  for (const field of ['outputVisible', 'outputReasoning', 'audioOutput', 'imageOutput'])
    t.equal(cost({}, { [field]: 1_000 }), usd(0.005), field)
  for (const field of ['inputUncached', 'audioInput', 'imageInput'])
    t.equal(cost({}, { [field]: 1_000 }), usd(0.001), field)
})

t.test('no token is free because the source states no cache price', async (t) => {
  const bare = { rates: rates({ input: 2, output: 8 }) }
  for (const field of ['cacheRead', 'cacheWrite5m', 'cacheWrite1h'])
    t.equal(cost(bare, { [field]: 1_000 }), usd(0.002), `${field} at the input price`)
})

t.test(
  'an unstated hour-long cache write is twice the input where the provider sells such writes, else an ordinary write',
  async (t) => {
    const writes = price({ rates: rates({ input: 8, output: 40, cacheWrite5m: 10 }) })
    const seller = price({ model: 'other', rates: rates({ input: 1, output: 1, cacheWrite5m: 1.25, cacheWrite1h: 2 }) })
    const context = { serviceTier: null, atMs: WEDNESDAY_NOON_MS }
    const sold = createPriceBook(card(writes, seller))
    t.equal(sold.cost(found(sold), usage({ cacheWrite1h: 1_000 }), context).total, usd(0.016))
    const unsold = createPriceBook(card(writes))
    t.equal(unsold.cost(found(unsold), usage({ cacheWrite1h: 1_000 }), context).total, usd(0.01))
  },
)

const TIERED = {
  rates: rates({ input: 5, output: 30, cacheRead: 0.5 }),
  contextTiers: [
    { aboveInputTokens: 128_000, rates: rates({ input: 7, output: 40 }) },
    { aboveInputTokens: 272_000, rates: rates({ input: 10, output: 45, cacheRead: 1 }) },
  ],
  serviceTiers: {
    batch: { input: '2500000', output: '15000000' },
    flex: null,
    priority: { input: '10000000', output: '60000000' },
  },
}

t.test('a context tier reprices the whole request, reasoning included, from the first token above it on', async (t) => {
  t.equal(cost(TIERED, { inputUncached: 128_000, outputReasoning: 1_000 }), usd(0.64 + 0.03))
  t.equal(cost(TIERED, { inputUncached: 128_001, outputReasoning: 1_000 }), usd(0.896007 + 0.04))
  t.equal(cost(TIERED, { inputUncached: 300_000, outputReasoning: 1_000 }), usd(3 + 0.045))
})

t.test('the tier is chosen by all input, the cached part included', async (t) => {
  const used = { inputUncached: 100_000, cacheRead: 173_000 }
  t.equal(totalInputTokens(usage(used)), 273_000)
  t.equal(cost(TIERED, used), usd(1 + 0.173))
})

t.test('a cache price that a tier leaves out keeps its ratio to the input', async (t) => {
  t.equal(cost(TIERED, { inputUncached: 100_000, cacheRead: 100_000 }), usd(0.7 + 0.07))
})

t.test('a price that follows from a ratio is rounded up, and one without a base is the dearer', async (t) => {
  const thirds = { rates: rates({ input: 3, output: 3, cacheRead: 0.000001 }) }
  const above = (input: number) => [{ aboveInputTokens: 0, rates: rates({ input, output: 3 }) }]
  t.equal(cost({ ...thirds, contextTiers: above(4) }, { cacheRead: 1_000 }), 2n, 'one pico and a third')
  const free = { rates: rates({ input: 0, output: 0 }), contextTiers: above(4) }
  t.equal(cost(free, { cacheRead: 1_000 }), usd(0.004))
})

t.test('a batch above a context tier is priced with its tier', async (t) => {
  t.equal(cost(TIERED, { inputUncached: 300_000, outputVisible: 1_000 }, 'batch'), usd(1.5 + 0.0225))
  t.equal(cost(TIERED, { inputUncached: 300_000, outputVisible: 1_000 }, 'priority'), usd(6 + 0.09))
})

t.test('a service tier has its own input and output prices, and the cache follows the input', async (t) => {
  const used = { inputUncached: 1_000, cacheRead: 10_000, outputVisible: 1_000 }
  t.equal(cost(TIERED, used), usd(0.005 + 0.005 + 0.03))
  t.equal(cost(TIERED, used, 'standard'), usd(0.005 + 0.005 + 0.03))
  t.equal(cost(TIERED, used, 'batch'), usd(0.0025 + 0.0025 + 0.015))
  t.equal(cost(TIERED, used, 'priority'), usd(0.01 + 0.01 + 0.06))
})

t.test(
  'a service tier without a price is never cheaper than the standard: batch and flex as it, priority twice',
  async (t) => {
    for (const tier of ['batch', 'flex'] as const) t.equal(cost({}, { inputUncached: 1_000 }, tier), usd(0.001), tier)
    t.equal(cost({}, { inputUncached: 1_000, outputVisible: 1_000 }, 'priority'), usd(0.002 + 0.01))
  },
)

t.test('peak hours have their price on their days, to the minute', async (t) => {
  const peak = {
    rates: rates({ input: 0.15, output: 0.6, cacheRead: 0.003 }),
    hours: [
      { fromMinuteUtc: 60, toMinuteUtc: 240, weekdays: [1, 2, 3, 4, 5], rates: rates({ input: 0.3, output: 1.2 }) },
    ],
  }
  const at = (day: number, hour: number, minute: number) =>
    cost(
      peak,
      { inputUncached: 1_000, cacheRead: 1_000, outputVisible: 1_000 },
      null,
      Date.UTC(2026, 10, day, hour, minute, 59),
    )
  const [low, high] = [usd(0.00015 + 0.000003 + 0.0006), usd(0.0003 + 0.000006 + 0.0012)]
  t.equal(at(25, 0, 59), low)
  t.equal(at(25, 1, 0), high)
  t.equal(at(25, 3, 59), high)
  t.equal(at(25, 4, 0), low)
  t.equal(at(28, 2, 0), low, 'Saturday')
  t.equal(at(30, 2, 0), high, 'Monday')
})

t.test('a hosted call has its fee; without one, the dearest that the provider states, then anyone', async (t) => {
  t.equal(cost({ webSearchPicoUsdPerCall: '10000000000' }, { hostedToolCalls: 2 }), usd(0.02))
  const fee = (provider: string, webSearchPicoUsdPerCall: string) =>
    price({ provider, model: 'stated', webSearchPicoUsdPerCall })
  const context = { serviceTier: null, atMs: WEDNESDAY_NOON_MS }
  const charged = (book: PriceBook) => book.cost(found(book), usage({ hostedToolCalls: 2 }), context).total
  const others = [fee('google', '25000000000'), fee('xai', '5000000000')]
  t.equal(charged(createPriceBook(card(price(), fee('openai', '8000000000'), ...others))), usd(0.016), 'its provider')
  t.equal(charged(createPriceBook(card(price(), ...others))), usd(0.05), 'the dearest of the card')
  t.equal(cost({}, { hostedToolCalls: 2 }), usd(0.07), 'a card without any fee')
})

t.test('a stored cost is computed again to the nano by the card whose version it names', async (t) => {
  const then = createPriceBook(card(price(TIERED)))
  const now = createPriceBook({ ...card(price({ rates: rates({ input: 9, output: 9 }) })), version: 'test.2' })
  const used = usage({ inputUncached: 270_000, cacheRead: 3_001, outputVisible: 77, outputReasoning: 5 })
  const context = { serviceTier: 'priority', atMs: WEDNESDAY_NOON_MS } as const
  const stored = JSON.parse(JSON.stringify({ used, context }))
  const first = then.cost(found(then), used, context)
  t.same(createPriceBook(card(price(TIERED))).cost(found(then), stored.used, stored.context), first)
  t.equal(now.cost(found(then), used, context).rateCardVersion, 'test.1', 'the version is that of the price')
})

t.test('a count that no provider can mean is refused instead of making money', async (t) => {
  for (const tokens of [-1, Number.NaN, 0.5, Number.POSITIVE_INFINITY])
    t.throws(() => cost({}, { inputUncached: tokens }), RangeError, String(tokens))
})
