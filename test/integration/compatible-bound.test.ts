/** The bound of requests to Azure, to its kin, and to Ollama, over generated ones: never below the simulator's bill. */
import { readFileSync } from 'node:fs'
import { compilePolicy, createPriceBook, findPrice, readRateCard } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { isDenial } from '../../sidecar/exchange.ts'
import { usageBound } from '../../sidecar/providers/provider.ts'
import { routePath } from '../../sidecar/providers/registry.ts'
import { AZURE_POLICY } from '../support/azure.ts'
import { OLLAMA_CARD, OLLAMA_POLICY } from '../support/ollama.ts'
import { inCheckout } from '../support/paths.ts'
import { simulatorFor } from '../support/simulator.ts'

const CARD = readRateCard(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))
const prices = createPriceBook(CARD)
const compiled = compilePolicy([
  { path: 'azure.yaml', text: AZURE_POLICY },
  { path: 'ollama.yaml', text: OLLAMA_POLICY },
])
if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
const { policy } = compiled

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 })
const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
  fc.string({ minLength: 1, maxLength: 400 }),
)
const data = fc.base64String({ minLength: 4, maxLength: 4_000 })
const limit = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1_000, max: 6_000 }))
const tool = fc.record({
  type: fc.constant('function'),
  function: fc.record({
    name: fc.string({ minLength: 1, maxLength: 20 }),
    description: optional(text),
    parameters: fc.constant({ type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } }),
  }),
})

const part = fc.oneof(
  { weight: 8, arbitrary: text.map((words) => ({ type: 'text', text: words })) },
  {
    weight: 4,
    arbitrary: data.map((bytes) => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${bytes}` } })),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }) },
)
const chat = fc.record({
  messages: fc.array(
    fc.oneof(
      fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: text }),
      fc.record({ role: fc.constant('user'), content: fc.array(part, { minLength: 1, maxLength: 4 }) }),
      fc.record({ role: fc.constant('tool'), tool_call_id: fc.constant('call_1'), content: text }),
    ),
    { minLength: 1, maxLength: 5 },
  ),
  tools: optional(fc.array(tool, { minLength: 1, maxLength: 3 })),
  n: optional(fc.integer({ min: 1, max: 4 })),
  max_tokens: optional(limit),
  max_completion_tokens: optional(limit),
  prediction: optional(text.map((content) => ({ type: 'content', content }))),
  data_sources: fc.oneof(
    { weight: 15, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant([{ type: 'azure_search' }]) },
  ),
})

const lines = fc.record({
  messages: fc.array(
    fc.record({
      role: fc.constantFrom('system', 'user', 'assistant', 'tool'),
      content: text,
      images: optional(fc.array(data, { maxLength: 8 })),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  tools: optional(fc.array(tool, { minLength: 1, maxLength: 3 })),
  options: optional(fc.record({ num_predict: optional(fc.oneof(limit, fc.constantFrom(-1, -2))) })),
  think: optional(fc.boolean()),
  stream: fc.constant(false),
})
const prompt = fc.record({
  prompt: text,
  system: optional(text),
  suffix: optional(text),
  images: optional(fc.array(data, { maxLength: 8 })),
  context: optional(fc.array(fc.nat(200_000), { maxLength: 50 })),
  options: optional(fc.record({ num_predict: optional(limit) })),
  stream: fc.constant(false),
})

interface Asked {
  readonly path: string
  readonly body: object
}
const asked = (paths: readonly string[], models: readonly string[], body: fc.Arbitrary<object>): fc.Arbitrary<Asked> =>
  fc
    .tuple(fc.constantFrom(...paths), fc.constantFrom(...models), body)
    .map(([path, model, each]) => ({ path: path.replace('MODEL', model), body: { model, ...each } }))

/** What can be reserved for a request, in pico-USD; `null` if nothing bounds it. */
function boundOf(target: string, json: string): bigint | null {
  const [sent = '', query = ''] = target.split('?')
  const { route, path, provider } = routePath(sent)
  const endpoint = route.family.endpoint('POST', path, query)
  if (endpoint.kind !== 'metered') throw new Error(`${target} is ${endpoint.kind}`)
  const request = endpoint.adapter.parse(JSON.parse(json), endpoint.path)
  if (isDenial(request)) throw new Error(request.message)
  const priced = findPrice(prices, policy.provider(provider), request.model, Date.now())
  if (!priced) throw new Error(`no price of ${request.model}`)
  const usage = usageBound(endpoint.adapter.bound(request, Buffer.byteLength(json)), priced)
  return usage && prices.bound(priced, usage, Date.now()) * 1_000n
}

async function neverBelow(t: Test, requests: fc.Arbitrary<Asked>, numRuns: number): Promise<void> {
  const simulator = await simulatorFor(t, {
    recordRequests: false,
    rateCard: { ...CARD, models: [...CARD.models, ...OLLAMA_CARD.models] },
  })
  let bounded = 0
  await fc.assert(
    fc.asyncProperty(
      requests,
      fc.constantFrom('1', '40', '6000'),
      fc.constantFrom(0, 2),
      async (ask, tokens, spaces) => {
        const json = JSON.stringify(ask.body, null, spaces)
        const before = simulator.bill.entries().length
        const response = await fetch(simulator.url + ask.path, {
          method: 'POST',
          headers: { 'api-key': 'any', 'x-sim-output-tokens': tokens },
          body: json,
        })
        const answer = await response.text()
        if (response.status !== 200) throw new Error(`status ${response.status}: ${answer}`)
        const bound = boundOf(ask.path, json)
        if (bound === null) return
        bounded++
        const entries = simulator.bill.entries()
        const cost = BigInt(entries.at(-1)?.costPicoUsd ?? -1)
        if (entries.length === before || cost < 0n) throw new Error('nothing was billed')
        if (bound < cost) throw new Error(`bounded by ${bound}, billed ${cost}`)
      },
    ),
    { numRuns },
  )
  t.ok(bounded > numRuns / 2, `${bounded} of ${numRuns} are bounded`)
}

t.test('the bound of a request to Azure is never below its bill, or nothing bounds it', async (t) => {
  const paths = [
    '/azure/openai/deployments/MODEL/chat/completions?api-version=2024-10-21',
    '/azure/openai/v1/chat/completions',
  ]
  await neverBelow(t, asked(paths, ['chat-prod', 'mini-eu', 'thinker'], chat), 250)
})

t.test('nor is that of a provider that speaks the format in its own way', async (t) => {
  const others = fc.oneof(
    ...[
      ['groq', 'openai/gpt-oss-120b'],
      ['xai', 'grok-4.7'],
      ['deepseek', 'deepseek-v3'],
      ['openrouter', 'openai/o4-mini'],
      ['moonshotai', 'kimi-k2.6'],
    ].map(([name = '', model = '']) => {
      const plain = chat.map(({ prediction: _, data_sources: __, max_completion_tokens: ___, ...rest }) => rest)
      return asked([`/${name}/v1/chat/completions`], [model], plain)
    }),
  )
  await neverBelow(t, others, 150)
})

t.test('nor is that of a request to Ollama', async (t) => {
  const models = ['qwen3:8b', 'llama3.2:3b']
  const requests = fc.oneof(asked(['/ollama/api/chat'], models, lines), asked(['/ollama/api/generate'], models, prompt))
  await neverBelow(t, requests, 250)
})
