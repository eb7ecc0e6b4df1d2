import { readFileSync } from 'node:fs'
import t from 'tap'
import { findPrice, worstPrice } from '../find-price.ts'
import { createPriceBook } from '../price-book.ts'
import { readRateCard } from '../rate-card.ts'

const prices = createPriceBook(
  readRateCard(readFileSync(new URL('../../seed/rate-card.json', import.meta.url), 'utf8')),
)
const atMs = Date.parse('2026-11-24T00:00:00Z')

t.test('a provider’s model is looked up in its own list alone', async (t) => {
  t.equal(findPrice(prices, { provider: 'openai' }, 'gpt-4.1', atMs)?.price.provider, 'openai')
  t.equal(findPrice(prices, { provider: 'groq' }, 'gpt-4.1', atMs), null)
})

t.test('a reseller’s model is its maker’s, by the maker’s name and never without one', async (t) => {
  const found = findPrice(prices, { provider: 'openrouter' }, 'openai/gpt-4.1', atMs)
  t.equal(found?.price, findPrice(prices, { provider: 'openai' }, 'gpt-4.1', atMs)?.price)
  t.equal(findPrice(prices, { provider: 'openrouter' }, 'x-ai/grok-4', atMs)?.price.provider, 'xai')
  for (const model of ['gpt-4.1', '/gpt-4.1', 'nobody/gpt-4.1', 'openai/'])
    t.equal(findPrice(prices, { provider: 'openrouter' }, model, atMs), null, model)
})

t.test('the worst case of a provider without a list is that of the whole card', async (t) => {
  t.equal(worstPrice(prices, { provider: 'mistral' }), prices.worstCase('mistral'))
  t.equal(worstPrice(prices, { provider: 'openrouter' }), prices.worstCase('nobody'))
})
