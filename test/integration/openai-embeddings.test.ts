import { createOpenAI } from '@ai-sdk/openai'
import { OpenAIEmbeddings } from '@langchain/openai'
import { embed, embedMany } from 'ai'
import type { EmbeddingCreateParams } from 'openai/resources'
import t from 'tap'
import { openaiAt, sameAt, sameBothWays } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { budgetYaml, securityYaml } from '../support/sidecar.ts'
import { chargedOf, costsOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'

const model = 'text-embedding-3-small'
const TOKENS = [9906, 1917, 11]
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`

const ASKED: Readonly<Record<string, EmbeddingCreateParams>> = {
  'a text': { model, input: 'The agent reads a file.' },
  'a text in numbers': { model, input: 'The agent reads a file.', encoding_format: 'float' },
  'a text in base64': { model, input: 'The agent reads a file.', encoding_format: 'base64' },
  'texts, short vectors': { model, input: ['one', 'two', 'é漢😀'], dimensions: 7 },
  tokens: { model, input: TOKENS },
  'tokens of texts': { model: 'text-embedding-3-large', input: [TOKENS, [1], [2, 3]] },
  'an older model': { model: 'text-embedding-ada-002', input: 'old', user: 'somebody' },
}

t.test('the clients of embeddings get what they get without us, and pay the provider’s bill', async (t) => {
  const twins = await twinsFor(t)
  await t.test('the official SDK', async (t) => {
    for (const [tag, asked] of Object.entries(ASKED)) {
      const { data } = await sameBothWays(t, twins, tag.replaceAll(' ', '-'), (client) =>
        client.embeddings.create(asked),
      )
      t.ok(data.length > 0 && data.every(({ embedding }) => embedding.length > 0), tag)
    }
    const bodies = twins.behind.requests().map(({ body }) => body.toString())
    t.same(
      bodies,
      twins.direct.requests().map(({ body }) => body.toString()),
      'and not a byte of what they ask is changed',
    )
    t.match(bodies[0], /"encoding_format":"base64"/, 'they ask for base64 where nobody says otherwise')
  })
  await t.test('the Vercel AI SDK', async (t) => {
    const at = (baseURL: string, tag: string) =>
      createOpenAI({ baseURL, apiKey: 'any', headers: tagged(tag) }).embedding(model)
    const one = await sameAt(t, twins, 'ai-one', async (baseURL) => {
      const { embedding, usage } = await embed({ model: at(baseURL, 'ai-one'), value: 'a text' })
      return { embedding, usage }
    })
    t.match(one.usage, { tokens: Number })
    await sameAt(t, twins, 'ai-many', async (baseURL) => {
      const { embeddings, usage } = await embedMany({ model: at(baseURL, 'ai-many'), values: ['a', 'b', 'c'] })
      return { embeddings, usage }
    })
  })
  await t.test('LangChain', async (t) => {
    const at = (baseURL: string, tag: string) =>
      new OpenAIEmbeddings({
        model,
        apiKey: 'any',
        batchSize: 2,
        maxRetries: 0,
        configuration: { baseURL, defaultHeaders: tagged(tag) },
      })
    const many = await sameAt(t, twins, 'chain', async (baseURL) => {
      const embeddings = at(baseURL, 'chain')
      return [await embeddings.embedQuery('a text'), ...(await embeddings.embedDocuments(['a', 'b', 'c']))]
    })
    t.equal(many.length, 4)
  })
})

/** Amounts by hand: USD per million tokens are pico-USD a token times a million. */
const GOLDEN = [
  // 12 × $0.02 = 0.24 µ$: a million of such cost $0.24, and would be nothing in whole micro-dollars
  { name: 'twelve tokens', model, tokens: 12, nano: '240' },
  // 1 × $0.13 a million = 130 nano
  { name: 'one token of the large model', model: 'text-embedding-3-large', tokens: 1, nano: '130' },
  // 300 000 × $0.10 a million = $0.03
  { name: 'as much as one request takes', model: 'text-embedding-ada-002', tokens: 300_000, nano: '30000000' },
] as const

t.test('each answer costs what the table says', async (t) => {
  const twins = await twinsFor(t)
  for (const { name, model, tokens, nano } of GOLDEN) {
    await t.test(name, async (t) => {
      const tag = name.replaceAll(' ', '-')
      const usage = JSON.stringify({ prompt_tokens: tokens, total_tokens: tokens })
      await sameBothWays(t, twins, tag, (client) => client.embeddings.create({ model, input: 'a' }), {
        headers: { 'x-sim-usage': usage },
      })
      const events = await eventsOf(twins.sidecar, tag, 1)
      t.match(events, [{ operation: 'embeddings', streamed: false, attempts: [{ requestedModel: model }] }])
      t.strictSame(costsOf(events), [nano])
      t.match(events[0]?.attempts[0]?.usage, { inputUncached: tokens, outputVisible: 0 })
    })
  }
  await t.test('without a report tokens cost what they are', async (t) => {
    const client = openaiAt(`${twins.sidecar.url}/v1`, 'unreported', { headers: { 'x-sim-fault': 'no-usage' } })
    await client.embeddings.create({ model, input: [TOKENS, TOKENS] })
    const events = await eventsOf(twins.sidecar, 'unreported', 1)
    t.has(events[0]?.attempts, [{ precision: 'estimated', chargedNanoUsd: String(6 * 20) }])
  })
})

t.test('what goes wrong is told as without us, and what is refused as the SDK expects', async (t) => {
  const twins = await twinsFor(t, {
    policies: {
      'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000000100', agent: 'poor' }),
      'security.yaml': securityYaml({ request: 'redact' }),
    },
  })
  const ask = (url: string, tag: string, asked: object, headers: Readonly<Record<string, string>> = {}) =>
    openaiAt(url, tag, { headers })
      .embeddings.create({ model, input: 'hello', ...asked })
      .then(() => null, told)
  for (const status of [400, 401, 403, 404, 409, 422, 429, 500, 503]) {
    const fault = { 'x-sim-fault': `status-${status}` }
    const direct = await ask(`${twins.direct.url}/v1`, `status-${status}`, {}, fault)
    t.match(direct, { status })
    t.strictSame(await ask(`${twins.sidecar.url}/openai/v1`, `status-${status}`, {}, fault), direct, `status ${status}`)
    t.equal(chargedOf(await eventsOf(twins.sidecar, `status-${status}`, 1)), 0n)
  }
  for (const input of ['', [], [''], [-1], [[]], [1, 'a']]) {
    const direct = await ask(`${twins.direct.url}/v1`, 'senseless', { input })
    t.match(direct, { status: 400 })
    t.strictSame(await ask(`${twins.sidecar.url}/openai/v1`, 'senseless', { input }), direct, JSON.stringify(input))
  }
  const at = `${twins.sidecar.url}/openai/v1`
  const sentBefore = twins.behind.requests().length
  t.match(await ask(at, 'poor', { input: [1, 2, 3, 4, 5, 6] }, { 'x-acc-agent': 'poor' }), {
    class: 'RateLimitError',
    code: 'acc_budget_exceeded',
    type: 'insufficient_quota',
    body: { requested_usd: '0.00000012' },
  })
  t.match(await ask(at, 'nameless', { model: '' }), { status: 400, code: 'acc_model_missing' })
  t.match(await ask(at, 'unpriced', { model: 'text-embedding-9' }), { status: 403, code: 'acc_model_unpriced' })
  t.equal(twins.behind.requests().length, sentBefore, 'nothing of it was sent')
  await openaiAt(at, 'secret').embeddings.create({ model, input: ['clean', `my key is ${KEY}`] })
  const sent = twins.behind.requests().at(-1)?.body.toString() ?? ''
  t.notMatch(sent, KEY)
  t.match(sent, /"input":\["clean","my key is \[/, 'a secret is taken out of the text it stands in')
})
