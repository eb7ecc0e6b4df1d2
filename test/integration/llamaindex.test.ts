/** LlamaIndex.TS through the sidecar, at OpenAI and at a provider that speaks its format. */
import { tool } from '@llamaindex/core/tools'
import { OpenAI, OpenAIEmbedding } from '@llamaindex/openai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { type BasePaths, sameAt } from '../support/sdk.ts'
import { endToEnd, type Told } from '../support/sdk-errors.ts'
import { budgetYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const PROVIDERS: readonly (readonly [name: string, model: string, paths: BasePaths])[] = [
  ['openai', 'gpt-4.1-mini', { direct: '/v1', through: '/openai/v1' }],
  ['deepseek', 'deepseek-v3', { direct: '/deepseek/v1', through: '/deepseek/v1' }],
]
const messages = [{ role: 'user' as const, content: 'Say something about spending.' }]
const weather = tool({
  name: 'weather',
  description: 'Tells the weather.',
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `Rain in ${city}.`,
})

const modelAt = (
  baseURL: string,
  tag: string,
  model: string,
  headers: Readonly<Record<string, string>> = {},
  session: object = {},
): OpenAI =>
  new OpenAI({
    apiKey: 'sk-test',
    baseURL,
    model,
    maxRetries: 0,
    additionalSessionOptions: { defaultHeaders: { ...tagged(tag), ...headers }, ...session },
  })

async function streamed(llm: OpenAI, more: object = {}): Promise<readonly object[]> {
  const chunks: object[] = []
  for await (const { delta, options } of await llm.chat({ messages, ...more, stream: true }))
    chunks.push({ delta, options })
  return chunks
}

/** The classes are those of the client that it brings along. */
function told(error: unknown): Told {
  if (!(error instanceof Error)) return { thrown: error }
  const { status, code, headers } = Object.fromEntries(Object.entries(error))
  const sent = headers instanceof Headers ? endToEnd(headers) : null
  return { class: error.constructor.name, message: error.message, status, code, headers: sent }
}
const thrown = async (asked: Promise<unknown>): Promise<Told> => asked.then(() => ({ thrown: 'nothing' }), told)

for (const [name, model, paths] of PROVIDERS) {
  t.test(`what LlamaIndex is told by ${name} is what it is told without us, and its cost is the bill`, async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (llm: OpenAI) => Promise<T>): Promise<T> =>
      sameAt(t, twins, tag, (baseURL) => ask(modelAt(baseURL, tag, model)), paths)
    const plain = await same(t, 'plain', async (llm) => (await llm.chat({ messages })).message)
    t.match(plain, { role: 'assistant', content: /\w/ })
    const chunks = await same(t, 'streamed', (llm) => streamed(llm))
    t.ok(chunks.length > 10)
    const called = await same(t, 'tool', async (llm) => (await llm.chat({ messages, tools: [weather] })).message)
    t.match(called.options, { toolCall: [{ name: 'weather' }] })
    await same(t, 'tool-streamed', (llm) => streamed(llm, { tools: [weather] }))
  })
}

t.test('its embeddings cost what they cost', async (t) => {
  const twins = await twinsFor(t)
  await sameAt(t, twins, 'embed', (baseURL) =>
    new OpenAIEmbedding({
      apiKey: 'sk-test',
      baseURL,
      model: 'text-embedding-3-small',
      maxRetries: 0,
      additionalSessionOptions: { defaultHeaders: tagged('embed') },
    }).getTextEmbedding('a text'),
  )
})

t.test('errors, and refusals of the sidecar, are raised as without us', async (t) => {
  const twins = await twinsFor(t, { policies: { 'budget.yaml': budgetYaml({ name: 'some', limit: '5' }) } })
  for (const [fault, raises] of [
    ['status-400', 'BadRequestError'],
    ['status-401', 'AuthenticationError'],
    ['status-404', 'NotFoundError'],
    ['status-429', 'RateLimitError'],
    ['status-500', 'InternalServerError'],
    ['error-event', 'APIError'],
  ] as const) {
    const ask = (baseURL: string) => thrown(streamed(modelAt(baseURL, fault, 'gpt-4.1-mini', { 'x-sim-fault': fault })))
    const [direct, through] = [await ask(`${twins.direct.url}/v1`), await ask(`${twins.sidecar.url}/openai/v1`)]
    t.strictSame(through, direct, fault)
    t.equal(through.class, raises, fault)
  }
  const unpriced = await thrown(modelAt(`${twins.sidecar.url}/openai/v1`, 'new', 'gpt-9').chat({ messages }))
  t.match(unpriced, { class: 'PermissionDeniedError', status: 403, code: 'acc_model_unpriced' })
})

t.test('a stream that is aborted is ended at the provider and charged at least its bill', async (t) => {
  const twins = await twinsFor(t)
  const slowly = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
  const leaving = new AbortController()
  // A loop that is left reads on in hiding, to the end: an agent aborts by its fetch.
  const session = { fetch: (url: string, init: RequestInit) => fetch(url, { ...init, signal: leaving.signal }) }
  const llm = modelAt(`${twins.sidecar.url}/openai/v1`, 'left', 'gpt-4.1-mini', slowly, session)
  let left = 50
  await (async () => {
    for await (const _ of await llm.chat({ messages, stream: true })) if (--left === 0) leaving.abort()
  })().catch(() => {})
  const entry = await until('the end at the provider', () => {
    const found = twins.behind.bill.entries().find(({ tag }) => tag === 'left')
    return found && found.ended !== 'open' ? found : null
  })
  t.equal(entry.ended, 'aborted')
  const [event] = await eventsOf(twins.sidecar, 'left', 1)
  t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
  t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
})
