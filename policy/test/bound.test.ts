import { nanoUsd } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { createPriceBook, type UsageBound } from '../index.ts'
import { anyBound, anyMoney, anyPrice, anyTimeMs, anyUseWithinBound } from './support/arbitraries.ts'
import { card, found, WEDNESDAY_NOON_MS as NOW, price, rates, usage } from './support/prices.ts'

const RUNS = { numRuns: 3_000 }
const usd = (amount: number): bigint => BigInt(Math.round(amount * 1e9))
const bound = (fields: Partial<UsageBound> = {}): UsageBound => ({
  inputTokensMax: 1_000,
  outputTokensMax: 1_000,
  hostedToolCallsMax: 0,
  serviceTier: 'standard',
  ...fields,
})

/** The bound of a request, for a model with these prices. */
function boundOf(fields: Parameters<typeof price>[0], request: Partial<UsageBound> = {}, atMs = NOW) {
  const book = createPriceBook(card(price(fields)))
  return book.bound(found(book), bound(request), atMs)
}

t.test('nothing that a request can use costs more than its bound', async (t) => {
  fc.assert(
    fc.property(anyUseWithinBound, fc.boolean(), ({ model, bound, atMs, used, context }, sellsHours) => {
      const seller = price({ model: 'other', rates: rates({ input: 1, output: 1, cacheWrite1h: 2 }) })
      const book = createPriceBook(card(model, ...(sellsHours ? [seller] : [])))
      const priced = found(book)
      return book.cost(priced, used, context).total <= book.bound(priced, bound, atMs)
    }),
    RUNS,
  )
  t.pass()
})

t.test('the same holds for the worst case, and no known model is dearer than it', async (t) => {
  fc.assert(
    fc.property(anyUseWithinBound, ({ model, bound, atMs, used, context }) => {
      const book = createPriceBook(card(model))
      const worst = book.worstCase('openai')
      const unpricedPriority = context.serviceTier === 'priority' && model.serviceTiers.priority === null
      const dearest = book.cost(worst, used, context).total
      return (
        dearest <= book.bound(worst, bound, atMs) &&
        (unpricedPriority || book.cost(found(book), used, context).total <= dearest)
      )
    }),
    RUNS,
  )
  t.pass()
})

t.test('the affordable output is the largest whose bound the money covers', async (t) => {
  fc.assert(
    fc.property(anyPrice, anyBound, anyTimeMs, anyMoney, (model, request, atMs, money) => {
      const book = createPriceBook(card(model))
      const priced = found(book)
      const at = (outputTokensMax: number) => book.bound(priced, { ...request, outputTokensMax }, atMs)
      const affordable = book.affordableOutputTokens(priced, request, money, atMs)
      if (affordable === null) return at(0) > money
      if (affordable === Number.MAX_SAFE_INTEGER) return at(affordable) <= money
      return at(affordable) <= money && money < at(affordable + 1)
    }),
    RUNS,
  )
  t.pass()
})

t.test('a bound grows with what the request may use', async (t) => {
  fc.assert(
    fc.property(anyPrice, anyBound, anyBound, anyTimeMs, (model, a, b, atMs) => {
      const book = createPriceBook(card(model))
      const both = {
        inputTokensMax: Math.max(a.inputTokensMax, b.inputTokensMax),
        outputTokensMax: Math.max(a.outputTokensMax, b.outputTokensMax),
        hostedToolCallsMax: Math.max(a.hostedToolCallsMax, b.hostedToolCallsMax),
        serviceTier: a.serviceTier,
      }
      return book.bound(found(book), a, atMs) <= book.bound(found(book), both, atMs)
    }),
    RUNS,
  )
  t.pass()
})

t.test('all input could be written to the cache', async (t) => {
  t.equal(boundOf({ rates: rates({ input: 4, output: 20, cacheWrite5m: 5, cacheWrite1h: 8 }) }), usd(0.008 + 0.02))
  t.equal(boundOf({ rates: rates({ input: 4, output: 20, cacheWrite5m: 5 }) }), usd(0.005 + 0.02))
})

t.test('a tier counts from the first input that reaches it', async (t) => {
  const tiered = { contextTiers: [{ aboveInputTokens: 1_000, rates: rates({ input: 10, output: 50 }) }] }
  t.equal(boundOf(tiered, { inputTokensMax: 1_000 }), usd(0.001 + 0.005))
  t.equal(boundOf(tiered, { inputTokensMax: 1_001 }), usd(0.01001 + 0.05))
})

t.test('a tier that is cheaper than the one before it leaves the bound at what can be used', async (t) => {
  const cheaper = { contextTiers: [{ aboveInputTokens: 1_000, rates: rates({ input: 0.5, output: 0.5 }) }] }
  t.equal(boundOf(cheaper, { inputTokensMax: 1_500, outputTokensMax: 0 }), usd(0.001), 'a thousand at the base price')
  t.equal(boundOf(cheaper, { inputTokensMax: 4_000, outputTokensMax: 0 }), usd(0.002), 'or all at the lower one')
})

t.test(
  'a request that leaves its tier to the provider may be served in any that has a price, but a batch',
  async (t) => {
    const serviceTiers = {
      batch: { input: '90000000', output: '90000000' },
      flex: { input: '500000', output: '2500000' },
      priority: { input: '2000000', output: '10000000' },
    }
    t.equal(boundOf({ serviceTiers }, { serviceTier: null }), usd(0.002 + 0.01))
    t.equal(boundOf({ serviceTiers }, { serviceTier: 'standard' }), usd(0.001 + 0.005))
    t.equal(boundOf({ serviceTiers }, { serviceTier: 'flex' }), usd(0.001 + 0.005), 'flex may be served as standard')
    t.equal(boundOf({ serviceTiers }, { serviceTier: 'priority' }), usd(0.002 + 0.01))
    t.equal(boundOf({ serviceTiers }, { serviceTier: 'batch' }), usd(0.09 + 0.09))
    t.equal(boundOf({}, { serviceTier: null }), usd(0.001 + 0.005), 'no tier has a price of its own')
    t.equal(boundOf({}, { serviceTier: 'priority' }), usd(0.002 + 0.01), 'asked for without a price: twice')
  },
)

t.test('a request that may run into the peak is bound by the peak', async (t) => {
  const peak = {
    hours: [{ fromMinuteUtc: 60, toMinuteUtc: 240, weekdays: [3], rates: rates({ input: 2, output: 10 }) }],
  }
  const at = (hour: number, minute: number, day = 25) => boundOf(peak, {}, Date.UTC(2026, 10, day, hour, minute))
  const [low, high] = [usd(0.006), usd(0.012)]
  t.equal(at(23, 59, 24), low)
  t.equal(at(0, 0), high, 'an hour before')
  t.equal(at(3, 59), high)
  t.equal(at(4, 0), low)
  t.equal(at(2, 0, 26), low, 'Thursday')
  const sunday = {
    hours: [{ fromMinuteUtc: 0, toMinuteUtc: 1, weekdays: [0], rates: rates({ input: 2, output: 10 }) }],
  }
  t.equal(boundOf(sunday, {}, Date.UTC(2026, 10, 28, 23, 0)), high, 'from Saturday into Sunday')
  t.equal(boundOf(sunday, {}, Date.UTC(2026, 10, 28, 22, 59)), low)
})

t.test('hosted calls are part of the bound', async (t) => {
  t.equal(boundOf({ webSearchPicoUsdPerCall: '10000000000' }, { hostedToolCallsMax: 3 }), usd(0.006 + 0.03))
})

t.test('money that does not cover the input buys no output at all', async (t) => {
  const book = createPriceBook(card(price()))
  const afford = (nano: bigint) => book.affordableOutputTokens(found(book), bound(), nanoUsd(nano), NOW)
  t.equal(afford(usd(0.001) - 1n), null)
  t.equal(afford(usd(0.001)), 0)
  t.equal(afford(usd(0.001) + 4_999n), 0)
  t.equal(afford(usd(0.001) + 5_000n), 1)
  t.equal(afford(-1n), null)
})

t.test('output that costs nothing is affordable without end', async (t) => {
  const book = createPriceBook(card(price({ rates: rates({ input: 1, output: 0 }) })))
  t.equal(book.affordableOutputTokens(found(book), bound(), nanoUsd(usd(0.001)), NOW), Number.MAX_SAFE_INTEGER)
})

t.test('a bound of nothing costs nothing', async (t) => {
  t.equal(boundOf({}, { inputTokensMax: 0, outputTokensMax: 0 }), 0n)
  const book = createPriceBook(card(price()))
  t.equal(book.cost(found(book), usage({}), { serviceTier: null, atMs: NOW }).total, 0n)
})
