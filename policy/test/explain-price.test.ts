import { readFileSync } from 'node:fs'
import t from 'tap'
import { createPriceBook, explainPrice, type PriceQuestion, readRateCard, type StatedModel } from '../index.ts'
import { card, price } from './support/prices.ts'

const seed = readRateCard(readFileSync(new URL('../../seed/rate-card.json', import.meta.url), 'utf8'))
const book = createPriceBook(seed)
const atMs = Date.parse('2026-11-24T00:00:00Z')
const ask = (provider: string, model: string, over: Partial<PriceQuestion> = {}) =>
  explainPrice(book, seed, { provider, model, atMs, stated: new Map(), ...over })

const stated = (over: Partial<StatedModel>): StatedModel => ({
  model: 'gpt-4.1',
  priceList: 'openai',
  rates: null,
  contextTokensMax: null,
  outputTokensMax: null,
  ...over,
})

t.test('a price is the one that a request would have, by name, by alias, by snapshot or by policy', async (t) => {
  t.match(ask('openai', 'gpt-4.1-mini'), { found: true, priced: { foundBy: 'exact', price: { provider: 'openai' } } })
  t.match(ask('openai', 'gpt-4.1-mini-2025-04-14'), { found: true, priced: { price: { model: /^gpt-4\.1-mini/ } } })
  t.match(ask('openrouter', 'x-ai/grok-4'), { found: true, priced: { price: { provider: 'xai' } } })
  t.match(ask('ai21', 'jamba-1.5'), { found: true, priced: { price: { provider: 'ai21' } } }, 'a list of the card')
  const deployments = new Map([['prod-chat', stated({})]])
  t.match(ask('azure', 'prod-chat', { stated: deployments }), {
    found: true,
    priced: { foundBy: 'policy', pricedAs: 'openai/gpt-4.1' },
  })
})

t.test('where there is no price it says why, and which names may have been meant', async (t) => {
  const missing = (provider: string, model: string, over: Partial<PriceQuestion> = {}) => {
    const search = ask(provider, model, over)
    return search.found ? null : { reason: search.missing.reason, near: search.near }
  }
  t.match(missing('openai', 'gpt-4.1-minni'), { reason: 'unknownModel', near: ['gpt-4.1-mini'] })
  t.match(missing('anthropic', 'claude-sonnet-5-5-5'), { reason: 'unknownModel', near: [/^claude-/] })
  t.match(missing('openrouter', 'openai/gpt-4.1-minni'), { near: ['openai/gpt-4.1-mini'] }, 'named as they are there')
  t.match(missing('openrouter', 'gpt-4.1'), { reason: 'noList', near: [] })
  t.match(missing('openrouter', 'opnai/gpt-4.1'), { reason: 'unknownList', near: ['openai'] })
  t.match(missing('opnai', 'gpt-4.1'), { reason: 'unknownList', near: ['openai'] })
  const deployments = new Map([['prod-chat', stated({})]])
  t.match(missing('azure', 'prod-chta', { stated: deployments }), { reason: 'deployment', near: ['prod-chat'] })
  t.match(missing('ollama', 'llama4'), { reason: 'noList', near: [] })
  t.match(missing('openai', 'x'.repeat(1_000)), { reason: 'unknownModel', near: [] })
})

t.test('a model that has no price at that time is told with the spans in which it has one', async (t) => {
  const [first, second] = ['2026-01-01T00:00:00Z', '2026-06-01T00:00:00Z']
  const own = card(
    price({ effectiveFrom: first, effectiveTo: second, snapshots: true }),
    price({ effectiveFrom: '2026-07-01T00:00:00Z', snapshots: true }),
    price({ model: 'another' }),
  )
  const prices = createPriceBook(own)
  for (const model of ['gpt-test', 'gpt-test-2026-02-03']) {
    const search = explainPrice(prices, own, {
      provider: 'openai',
      model,
      atMs: Date.parse('2026-06-15T00:00:00Z'),
      stated: new Map(),
    })
    t.match(search, {
      found: false,
      missing: {
        reason: 'notThen',
        list: 'openai',
        spans: [
          { from: first, to: second },
          { from: '2026-07-01T00:00:00Z', to: null },
        ],
      },
    })
  }
})
