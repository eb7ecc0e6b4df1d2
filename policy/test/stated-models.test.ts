import { readFileSync } from 'node:fs'
import t from 'tap'
import { createPriceBook, findPrice, readRateCard } from '../index.ts'
import { compiled, document, file, problems } from './support/files.ts'
import { WEDNESDAY_NOON_MS as NOW, usage } from './support/prices.ts'

const prices = createPriceBook(
  readRateCard(readFileSync(new URL('../../seed/rate-card.json', import.meta.url), 'utf8')),
)

const stating = (models: object, provider = 'vllm') => document('ProviderConfig', 'own', { provider, models })

/** The price of a model at a provider about which the policy says this. */
function priced(models: object, model: string, provider: 'vllm' | 'openai' = 'vllm') {
  const config = compiled(file(stating(models, provider))).provider(provider)
  return findPrice(prices, config, model, NOW)
}

t.test('a price of one’s own is exact to the pico-dollar a token, and says where it comes from', async (t) => {
  const own = priced({ 'llama:70b': { price: { input: '0.6', output: '$0.600001', cacheRead: '0.05' } } }, 'llama:70b')
  if (!own) throw new Error('not found')
  t.match(own, { foundBy: 'policy', pricedAs: 'policy', price: { rates: { input: '600000', output: '600001' } } })
  const used = usage({ inputUncached: 1_000, cacheRead: 200, cacheWrite5m: 30, outputVisible: 7 })
  const { total, pricedAs } = prices.cost(own, used, { serviceTier: null, atMs: NOW })
  // 1 000 × 0.6 + 200 × 0.05 + 30 × 0.6 (a cache price that is left out is the input's) + 7 × 0.600001 millionths.
  t.equal(total, 632_201n, 'rounded up once')
  t.equal(pricedAs, 'policy')
})

t.test('zero is a price when it is written, and bounds what has no limit', async (t) => {
  const free = priced({ 'qwen3:8b': { price: { input: '0', output: '0' } } }, 'qwen3:8b')
  if (!free) throw new Error('not found')
  const bound = { inputTokensMax: 1e6, outputTokensMax: 1e6, hostedToolCallsMax: 0, serviceTier: null }
  t.equal(prices.bound(free, bound, NOW), 0n)
  t.ok((free.contextTokensMax ?? 0) > 0, 'a request without an output limit is bounded')
  const dear = priced({ m: { price: { input: '0', output: '1' } } }, 'm')
  t.equal(dear?.contextTokensMax, null, 'what costs something needs a limit')
})

t.test('a negotiated price keeps the limits and fees of the list, and leaves its tiers', async (t) => {
  const models = { 'gpt-5.4': { price: { input: '2', output: '10' } } }
  const [listed, own] = [prices.find('openai', 'gpt-5.4', NOW), priced(models, 'gpt-5.4', 'openai')]
  if (!listed || !own) throw new Error('not found')
  t.equal(own.contextTokensMax, listed.contextTokensMax)
  t.equal(own.outputTokensMax, listed.outputTokensMax)
  const long = usage({ inputUncached: 300_000, outputVisible: 1_000 })
  t.equal(prices.cost(own, long, { serviceTier: null, atMs: NOW }).total, 300_000n * 2_000n + 1_000n * 10_000n)
  const limited = priced({ 'gpt-5.4': { ...models['gpt-5.4'], outputTokensMax: 99 } }, 'gpt-5.4', 'openai')
  t.equal(limited?.outputTokensMax, 99)
})

t.test('an alias is the list’s model at the list’s price, and says which', async (t) => {
  const models = {
    'chat-prod': { model: 'gpt-4.1' },
    mine: { model: 'grok-3', priceList: 'xai' },
    none: { model: 'x' },
  }
  t.match(priced(models, 'chat-prod', 'openai'), { foundBy: 'policy', pricedAs: 'openai/gpt-4.1' })
  t.match(priced(models, 'mine', 'openai'), { pricedAs: 'xai/grok-3', price: { provider: 'xai' } })
  t.equal(priced(models, 'none', 'openai'), null, 'a name that the list does not have is no price')
  t.equal(priced({ m: { model: 'gpt-4.1' } }, 'm'), null, 'vLLM has no list of its own')
  t.match(priced(models, 'gpt-4.1', 'openai'), { foundBy: 'exact', pricedAs: null }, 'others are as they were')
})

t.test('the name "*" is every model that neither the policy nor the list knows', async (t) => {
  const models = { '*': { price: { input: '0', output: '0' } }, dear: { price: { input: '1', output: '1' } } }
  t.match(priced(models, 'anything'), { pricedAs: 'policy', price: { rates: { input: '0' } } })
  t.match(priced(models, 'dear'), { price: { rates: { input: '1000000' } } })
  t.match(priced(models, 'gpt-4.1', 'openai'), { foundBy: 'exact' })
})

t.test('the same name gives the same object, for as long as the policy holds', async (t) => {
  const config = compiled(file(stating({ m: { price: { input: '1', output: '1' } } }))).provider('vllm')
  t.equal(findPrice(prices, config, 'm', NOW), findPrice(prices, config, 'm', NOW + 1))
})

t.test('mistakes in what is stated are told with their place', async (t) => {
  const text = `apiVersion: agentcostcontrol.io/v1
kind: ProviderConfig
metadata: { name: own }
spec:
  provider: vllm
  models:
    a: { price: { input: 0.6, output: "0" } }
    b: { price: { input: "0.6" } }
    c: { price: { input: "0.0000001", output: "-1" } }
    d: {}
    e: { model: gpt-4.1, contextTokensMax: 5 }
    f: { prise: { input: "1", output: "1" } }
    g: { price: { input: "1", ouput: "1" } }
`
  t.same(problems(file(text)), [
    'policy.yaml:7 spec.models.a.price.input: write money as a quoted string, like "0.60"; a YAML number loses digits',
    'policy.yaml:8 spec.models.b.price.output: the key `output` is missing: expected USD per million tokens like "0.60", or "0"',
    'policy.yaml:9 spec.models.c.price.input: "0.0000001" is too fine: a price of a million tokens has at most six decimals',
    'policy.yaml:9 spec.models.c.price.output: "-1" is not an amount of USD: write it like "250.00" or "$250"',
    'policy.yaml:10 spec.models.d: say what it costs: a `price`, or the `model` of the price list that it is',
    'policy.yaml:11 spec.models.e: limits stand beside a `price`; a model of the price list has the limits that the list states',
    'policy.yaml:12 spec.models.f.prise: unknown key `prise`: did you mean `price`?',
    'policy.yaml:13 spec.models.g.price.output: the key `output` is missing: expected USD per million tokens like "0.60", or "0"',
    'policy.yaml:13 spec.models.g.price.ouput: unknown key `ouput`: did you mean `output`?',
  ])
})
