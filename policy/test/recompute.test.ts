import { readFileSync } from 'node:fs'
import { NO_USAGE, nanoToWire, USAGE_FIELDS, type UsageAttempt } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import {
  createPriceBook,
  findListedPrice,
  findPrice,
  type PricedModel,
  type PricesThen,
  readRateCard,
  recompute,
  type StatedModel,
} from '../index.ts'
import { usage } from './support/prices.ts'

const card = readRateCard(readFileSync(new URL('../../seed/rate-card.json', import.meta.url), 'utf8'))
const book = createPriceBook(card)
const atMs = Date.parse('2026-11-24T00:00:00Z')
const then: PricesThen = { card, book, atMs, stated: null }

const anyUsage = fc
  .record(Object.fromEntries(USAGE_FIELDS.map((field) => [field, fc.nat(500_000)])))
  .map((counts) => ({ ...NO_USAGE, ...counts }))

/** An attempt as a sidecar makes it with this price. */
function attemptOf(priced: PricedModel | null, over: Partial<UsageAttempt> = {}): UsageAttempt {
  const used = over.usage ?? usage({ inputUncached: 333, outputVisible: 7 })
  const cost = priced && book.cost(priced, used, { serviceTier: over.serviceTier ?? null, atMs })
  const components = Object.entries(cost?.components ?? {}).map(([field, pico]) => [field, pico.toString()])
  return {
    provider: 'openai',
    requestedModel: 'gpt-4.1-mini',
    responseModel: null,
    responseId: null,
    status: 200,
    precision: 'exact',
    reason: null,
    usage: used,
    rawUsage: null,
    serviceTier: null,
    rateCardVersion: card.version,
    ...(cost?.pricedAs == null ? {} : { pricedAs: cost.pricedAs }),
    costNanoUsd: cost && nanoToWire(cost.total),
    costPicoUsd: Object.fromEntries(components),
    chargedNanoUsd: '1',
    boundNanoUsd: '1',
    ...over,
  }
}

const mini = book.find('openai', 'gpt-4.1-mini', atMs)

t.test('any usage of any model, in any service tier, costs the same again', async () => {
  const models = card.models.filter(
    ({ provider, model }) =>
      ['openai', 'anthropic', 'google', 'deepseek'].includes(provider) && book.find(provider, model, atMs) !== null,
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...models),
      anyUsage,
      fc.constantFrom(null, 'standard' as const, 'batch' as const, 'priority' as const),
      ({ provider, model }, used, serviceTier) => {
        const priced = book.find(provider, model, atMs)
        const attempt = attemptOf(priced, { provider, requestedModel: model, usage: used, serviceTier })
        return recompute(attempt, then).verdict === 'equal'
      },
    ),
  )
})

t.test('one nano or one component that is another is seen, and told with what it should be', async (t) => {
  const good = attemptOf(mini)
  t.match(recompute(good, then), {
    verdict: 'equal',
    price: { list: 'openai', model: 'gpt-4.1-mini', foundBy: 'exact' },
  })
  const wrong: readonly Partial<UsageAttempt>[] = [
    { costNanoUsd: `${BigInt(good.costNanoUsd ?? 0) + 1n}` },
    { costPicoUsd: { ...good.costPicoUsd, inputUncached: '1' } },
    { costPicoUsd: { ...good.costPicoUsd, cacheRead: '1' } },
    { usage: usage({ inputUncached: 334, outputVisible: 7 }), costPicoUsd: good.costPicoUsd },
  ]
  for (const over of wrong) t.match(recompute({ ...good, ...over }, then), { verdict: 'differs', costPicoUsd: {} })
})

t.test(
  'the price is that of the model that answered, of a variant of it, or the one that the event names',
  async (t) => {
    const dated = attemptOf(mini, { responseModel: 'gpt-4.1-mini-2025-04-14' })
    t.match(recompute(dated, then), { verdict: 'equal' })
    const served = attemptOf(book.find('openai', 'gpt-4.1', atMs), { responseModel: 'gpt-4.1' })
    t.match(recompute(served, then), { verdict: 'equal', price: { model: 'gpt-4.1' } })
    const variant = card.models.find(({ provider, model }) => provider === 'anthropic' && model.startsWith('us/'))
    const name = variant?.model.slice(3) ?? ''
    const us = attemptOf(book.find('anthropic', `us/${name}`, atMs), { provider: 'anthropic', requestedModel: name })
    t.match(recompute(us, then), { verdict: 'equal', price: { model: `us/${name}` } })
    const reseller = findListedPrice(book, { provider: 'openrouter' }, 'openai/gpt-4.1', atMs)
    const resold = attemptOf(reseller, { provider: 'openrouter', requestedModel: 'openai/gpt-4.1' })
    t.match(recompute(resold, then), { verdict: 'equal', price: { list: 'openai' } })

    const own: StatedModel = {
      model: 'gpt-4.1',
      priceList: 'openai',
      rates: null,
      contextTokensMax: null,
      outputTokensMax: null,
    }
    const rates = { input: '7', output: '9', cacheRead: null, cacheWrite5m: null, cacheWrite1h: null }
    const stated = new Map([
      ['mine', own],
      ['ours', { ...own, rates }],
    ])
    const priced = (model: string) => findPrice(book, { provider: 'azure', models: stated }, model, atMs)
    const mapped = attemptOf(priced('mine'), { provider: 'azure', requestedModel: 'mine' })
    t.match(recompute(mapped, then), { verdict: 'equal', price: { list: 'openai', model: 'gpt-4.1' } })
    const negotiated = attemptOf(priced('ours'), { provider: 'azure', requestedModel: 'ours' })
    t.equal(negotiated.pricedAs, 'policy')
    t.match(recompute(negotiated, { ...then, stated }), { verdict: 'equal', price: { foundBy: 'policy' } })
    t.same(recompute(negotiated, then), { verdict: 'notComputed', why: 'unknownPolicy' })
  },
)

t.test('what is no usage times a price is not computed, and it is said why', async (t) => {
  const why = (over: Partial<UsageAttempt>, prices: PricesThen | null = then) => {
    const result = recompute(attemptOf(mini, over), prices)
    return result.verdict === 'notComputed' ? result.why : result.verdict
  }
  t.equal(why({ costNanoUsd: null, costPicoUsd: {} }), 'unpriced')
  t.equal(why({ usage: null, costNanoUsd: '0', costPicoUsd: {}, precision: 'none' }), 'nothingBilled')
  t.equal(why({ usage: null, costNanoUsd: '90', costPicoUsd: {} }), 'bound', 'of one that was never resolved')
  t.equal(why({ costNanoUsd: '90000', costPicoUsd: {}, precision: 'estimated' }), 'bound')
  t.equal(why({}, null), 'unknownCard')
  t.equal(why({ requestedModel: 'gone' }), 'unknownPrice')
  t.equal(why({ pricedAs: 'openai/gone' }), 'unknownPrice')
})
