import { readFileSync } from 'node:fs'
import type { ProviderName } from '@agentcostcontrol/contract'
import t from 'tap'
import { findPrice, worstPrice } from '../find-price.ts'
import { createPriceBook } from '../price-book.ts'
import { readRateCard } from '../rate-card.ts'

const prices = createPriceBook(
  readRateCard(readFileSync(new URL('../../seed/rate-card.json', import.meta.url), 'utf8')),
)
/** A provider about which no policy says anything. */
const at = (provider: ProviderName) => ({ provider, models: new Map() })
const atMs = Date.parse('2026-11-24T00:00:00Z')

t.test('a provider’s model is looked up in its own list alone', async (t) => {
  t.equal(findPrice(prices, at('openai'), 'gpt-4.1', atMs)?.price.provider, 'openai')
  t.equal(findPrice(prices, at('groq'), 'gpt-4.1', atMs), null)
})

t.test('a reseller’s model is its maker’s, by the maker’s name and never without one', async (t) => {
  const found = findPrice(prices, at('openrouter'), 'openai/gpt-4.1', atMs)
  t.equal(found?.price, findPrice(prices, at('openai'), 'gpt-4.1', atMs)?.price)
  t.equal(findPrice(prices, at('openrouter'), 'x-ai/grok-4', atMs)?.price.provider, 'xai')
  for (const model of ['gpt-4.1', '/gpt-4.1', 'nobody/gpt-4.1', 'openai/'])
    t.equal(findPrice(prices, at('openrouter'), model, atMs), null, model)
})

t.test('the worst case of a provider without a list is that of the whole card', async (t) => {
  t.equal(worstPrice(prices, at('mistral')), prices.worstCase('mistral'))
  t.equal(worstPrice(prices, at('openrouter')), prices.worstCase('nobody'))
})
