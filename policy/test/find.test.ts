import t from 'tap'
import { createPriceBook, RateCardError } from '../index.ts'
import { card, found, WEDNESDAY_NOON_MS as NOW, price, rates } from './support/prices.ts'

t.test('a model is found by its exact name and by nothing that it begins', async (t) => {
  const book = createPriceBook(card(price({ provider: 'anthropic', model: 'claude-sonnet-5', snapshots: true })))
  t.equal(book.find('anthropic', 'claude-sonnet-5', NOW)?.foundBy, 'exact')
  const others = [
    'claude-sonnet-5-5',
    'claude-sonnet',
    'claude-sonnet-5-',
    'claude-sonnet-5-latest',
    'Claude-Sonnet-5',
    '',
    '*',
  ]
  for (const name of [...others, 'claude-sonnet-5-5-20261101', 'ft:claude-sonnet-5', 'constructor', '__proto__'])
    t.equal(book.find('anthropic', name, NOW), null, name)
  t.equal(book.find('openai', 'claude-sonnet-5', NOW), null, 'another provider')
  t.equal(book.find('__proto__', 'claude-sonnet-5', NOW), null)
})

t.test('a dated snapshot has the price of its family, where the family is declared to have them', async (t) => {
  const book = createPriceBook(card(price({ model: 'gpt-9', snapshots: true }), price({ model: 'gpt-9-mini' })))
  for (const name of ['gpt-9-2026-04-23', 'gpt-9-20260423'])
    t.equal(book.find('openai', name, NOW)?.foundBy, 'snapshot', name)
  for (const name of [
    'gpt-9-2026-13-01',
    'gpt-9-2026-04-32',
    'gpt-9-20261301',
    'gpt-9-2026',
    'gpt-9-0613',
    'gpt-9-mini-2026-04-23',
  ])
    t.equal(book.find('openai', name, NOW), null, name)
})

t.test('a snapshot with a price of its own keeps it', async (t) => {
  const own = price({ model: 'gpt-9-2026-04-23', rates: rates({ input: 7, output: 7 }) })
  const book = createPriceBook(card(price({ model: 'gpt-9', snapshots: true }), own))
  t.match(book.find('openai', 'gpt-9-2026-04-23', NOW), { foundBy: 'exact', price: { rates: { input: '7000000' } } })
})

t.test('an alias means exactly its model', async (t) => {
  const book = createPriceBook(card(price({ aliases: ['gpt-nick'] })))
  t.match(book.find('openai', 'gpt-nick', NOW), { foundBy: 'alias', price: { model: 'gpt-test' } })
})

t.test('the price is the one that held at the time', async (t) => {
  const change = '2026-11-25T12:00:00Z'
  const old = price({ effectiveFrom: '2026-01-01T00:00:00Z', effectiveTo: change })
  const book = createPriceBook(card(price({ effectiveFrom: change, rates: rates({ input: 2, output: 2 }) }), old))
  t.equal(found(book, 'openai', 'gpt-test', NOW - 1).price.rates.input, '1000000')
  t.equal(found(book, 'openai', 'gpt-test', NOW).price.rates.input, '2000000')
  t.equal(book.find('openai', 'gpt-test', Date.UTC(2025, 11, 31)), null, 'before the first price')
  const ended = createPriceBook(card(old))
  t.equal(ended.find('openai', 'gpt-test', NOW), null, 'after the last price')
})

t.test('the same name gives the same object, which is what makes finding it cheap', async (t) => {
  const book = createPriceBook(card(price({ snapshots: true, aliases: ['nick'] })))
  for (const name of ['gpt-test', 'gpt-test-2026-01-01', 'nick'])
    t.equal(book.find('openai', name, NOW), book.find('openai', name, NOW), name)
  t.equal(book.worstCase('openai'), book.worstCase('openai'))
})

t.test(
  'a card that says two things at one time, or in disorder, is refused, and the message names the model',
  async (t) => {
    const refused = (message: RegExp, ...models: ReturnType<typeof price>[]) =>
      t.throws(() => createPriceBook(card(...models)), { name: 'RateCardError', message })
    refused(/openai\/gpt-test has two prices at 1970-01-01T00:00:00Z/, price(), price())
    refused(
      /two prices at 2026-02-01/,
      price({ effectiveTo: '2026-03-01T00:00:00Z' }),
      price({ effectiveFrom: '2026-02-01T00:00:00Z' }),
    )
    refused(
      /ends before it begins/,
      price({ effectiveFrom: '2026-03-01T00:00:00Z', effectiveTo: '2026-03-01T00:00:00Z' }),
    )
    refused(/openai\/b is an alias of/, price({ model: 'a', aliases: ['b'] }), price({ model: 'b' }))
    refused(/openai\/c is an alias of/, price({ model: 'a', aliases: ['c'] }), price({ model: 'b', aliases: ['c'] }))
    refused(/lists no model/)
    const tier = (aboveInputTokens: number) => ({ aboveInputTokens, rates: rates({ input: 1, output: 1 }) })
    refused(/context tiers of openai\/gpt-test do not ascend at 5/, price({ contextTiers: [tier(9), tier(5)] }))
    refused(/do not ascend at 5/, price({ contextTiers: [tier(5), tier(5)] }))
    const night = { fromMinuteUtc: 1_380, toMinuteUtc: 60, weekdays: [1], rates: rates({ input: 1, output: 1 }) }
    refused(/ends before it begins: split it at midnight/, price({ hours: [night] }))
    t.doesNotThrow(() => createPriceBook(card(price(), price({ provider: 'azure' }))), 'the same name at two providers')
  },
)

t.test('the worst case is the dearest on every axis, over models, tiers, hours and times', async (t) => {
  const book = createPriceBook(
    card(
      price({ model: 'in', rates: rates({ input: 30, output: 1, cacheWrite5m: 40 }), contextTokensMax: 1_000 }),
      price({ model: 'out', rates: rates({ input: 1, output: 90 }), outputTokensMax: 64_000 }),
      price({
        model: 'tier',
        contextTiers: [{ aboveInputTokens: 1_000, rates: rates({ input: 50, output: 1 }) }],
        serviceTiers: { batch: null, flex: null, priority: { input: '1500000', output: '5000000' } },
        webSearchPicoUsdPerCall: '10',
        contextTokensMax: null,
      }),
      price({ provider: 'azure', model: 'x', rates: rates({ input: 99, output: 99 }) }),
    ),
  )
  const worst = book.worstCase('openai')
  t.match(worst, { foundBy: 'worstCase', contextTokensMax: 400_000, outputTokensMax: 100_000 })
  t.match(worst.price.rates, { input: '75000000', output: '90000000' })
  t.equal(BigInt(worst.price.rates.cacheWrite5m ?? 0) >= 75_000_000n, true)
  t.equal(worst.price.webSearchPicoUsdPerCall, '10')
  t.same(worst.price.serviceTiers, { batch: null, flex: null, priority: { input: '75000000', output: '90000000' } })
  t.match(book.worstCase('nobody').price.rates, { input: '99000000', output: '99000000' }, 'an unknown provider')
})

t.test('only models of a price book are priced: a copy carries no rates', async (t) => {
  const book = createPriceBook(card(price()))
  t.throws(
    () =>
      book.bound(
        { ...found(book) },
        { inputTokensMax: 1, outputTokensMax: 1, hostedToolCallsMax: 0, serviceTier: null },
        NOW,
      ),
    TypeError,
  )
})

t.test('RateCardError is what a bad card throws', async (t) => {
  t.throws(() => createPriceBook(card()), RateCardError)
})
