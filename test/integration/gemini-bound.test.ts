import { readFileSync } from 'node:fs'
import { createPriceBook, readRateCard } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../../sidecar/exchange.ts'
import { batchEmbedContents, generateContent } from '../../sidecar/providers/gemini/content.ts'
import { type ProviderAdapter, usageBound } from '../../sidecar/providers/provider.ts'
import { inCheckout } from '../support/paths.ts'
import { simulatorFor } from '../support/simulator.ts'

const prices = createPriceBook(readRateCard(readFileSync(inCheckout('seed/rate-card.json'), 'utf8')))

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 })
const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 40 }))
    .map(([word, times]) => `${word} `.repeat(times)),
)
const data = fc.base64String({ minLength: 4, maxLength: 4_000 })
const image = fc.oneof(
  data.map((bytes) => ({ inlineData: { mimeType: 'image/png', data: bytes } })),
  data.map((bytes) => ({ inline_data: { mime_type: 'image/webp', data: bytes } })),
)
const unseen = fc.constantFrom(
  { fileData: { fileUri: 'https://example.com/a', mimeType: 'image/png' } },
  { inline_data: { mime_type: 'application/pdf', data: 'AAAA' } },
)
const args = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
const usersPart = fc.oneof(
  { weight: 12, arbitrary: text.map((words) => ({ text: words })) },
  { weight: 4, arbitrary: image },
  { weight: 4, arbitrary: args.map((response) => ({ functionResponse: { name: 'f', response } })) },
  { weight: 1, arbitrary: unseen },
)
const modelsPart = fc.oneof(
  text.map((words) => ({ text: words, thought: true })),
  args.map((each) => ({ functionCall: { name: 'f', args: each }, thoughtSignature: 'AAAA' })),
)
const content = fc.oneof(
  fc.record({ role: fc.constant('user'), parts: fc.array(usersPart, { minLength: 1, maxLength: 4 }) }),
  fc.record({ role: fc.constant('model'), parts: fc.array(modelsPart, { minLength: 1, maxLength: 3 }) }),
  text.map((words) => ({ parts: { text: words } })),
  // So many that their tokens are more than the text around them.
  fc.array(image, { minLength: 10, maxLength: 30 }).map((parts) => ({ role: 'user', parts })),
)
const declaration = fc.record({
  name: fc.string({ minLength: 1, maxLength: 20 }),
  description: optional(text),
  parameters: fc.constant({ type: 'OBJECT', properties: { city: { type: 'STRING' }, days: { type: 'INTEGER' } } }),
})
const tool = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(declaration, { maxLength: 3 }).map((functionDeclarations) => ({ functionDeclarations })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ googleSearch: {} }, { google_search: {} }, { codeExecution: {} }, { urlContext: {} }),
  },
)
const limit = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1_000, max: 6_000 }), fc.constant('77'))
const config = fc.oneof(
  fc.record({
    maxOutputTokens: optional(limit),
    candidateCount: optional(fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant('3'))),
    thinkingConfig: optional(fc.record({ thinkingBudget: fc.constantFrom(-1, 0, 100), includeThoughts: fc.boolean() })),
    stopSequences: optional(fc.array(text, { maxLength: 2 })),
    responseMimeType: optional(fc.constant('application/json')),
  }),
  fc.record({ max_output_tokens: optional(limit), candidate_count: optional(fc.integer({ min: 1, max: 4 })) }),
)
const body = fc
  .record({
    contents: fc.array(content, { minLength: 1, maxLength: 5 }),
    systemInstruction: optional(text.map((words) => ({ parts: [{ text: words }] }))),
    tools: optional(fc.array(tool, { maxLength: 3 })),
    toolConfig: optional(fc.constantFrom('ANY', 'NONE').map((mode) => ({ functionCallingConfig: { mode } }))),
    serviceTier: optional(fc.constantFrom('flex', 'priority', 'standard')),
    cachedContent: fc.oneof(
      { weight: 15, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constant('cachedContents/a') },
    ),
  })
  .chain((each) =>
    fc
      .tuple(fc.constantFrom('generationConfig', 'generation_config'), optional(config))
      .map(([key, value]) => ({ ...each, [key]: value })),
  )
const MODELS = ['gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-2.5-pro', 'gemini-3.5-flash', 'gemini-3.1-pro-preview']
/** What a client has in its hands besides the JSON: how it writes it, how long the answer would be, what a cache holds. */
const asked = fc.record({
  model: fc.constantFrom(...MODELS),
  body,
  spaces: fc.constantFrom(0, 2),
  tokens: fc.constantFrom('1', '40', '9000'),
  cached: fc.constantFrom('{}', '{"cachedContentTokenCount":1}'),
})

/** What can be reserved for a request, in pico-USD; `null` if nothing bounds it. */
function boundOf(adapter: ProviderAdapter, model: string, json: string): bigint | null {
  const request = adapter.parse(JSON.parse(json), { model, stream: false })
  if (isDenial(request)) throw new Error(request.message)
  const priced = prices.find('google', model, Date.now())
  if (!priced) throw new Error(`no price of ${model}`)
  const usage = usageBound(adapter.bound(request, Buffer.byteLength(json)), priced)
  return usage && prices.bound(priced, usage, Date.now()) * 1_000n
}

t.test('the bound of a request is never below its bill, or nothing bounds it', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  let bounded = 0
  let billed = 0
  await fc.assert(
    fc.asyncProperty(asked, async ({ model, body, spaces, tokens, cached }) => {
      const json = JSON.stringify(body, null, spaces)
      const response = await fetch(`${simulator.url}/google/v1beta/models/${model}:generateContent`, {
        method: 'POST',
        headers: { 'x-goog-api-key': 'any', 'x-sim-output-tokens': tokens, 'x-sim-usage': cached },
        body: json,
      })
      await response.text()
      if (response.status !== 200) throw new Error(`status ${response.status}`)
      billed++
      const bound = boundOf(generateContent, model, json)
      if (bound === null) return
      bounded++
      const cost = BigInt(simulator.bill.entries().at(-1)?.costPicoUsd ?? 0)
      if (bound < cost) throw new Error(`bounded by ${bound}, billed ${cost}`)
    }),
    { numRuns: 400 },
  )
  t.ok(billed === 400 && bounded > 250, `${billed} billed, ${bounded} of them bounded`)
})

/** Short questions with short answers, so that what a search costs is nearly all. */
const searching = fc.record({
  model: fc.constantFrom('gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-2.5-pro'),
  tool: fc.constantFrom({ googleSearch: {} }, { google_search: {} }),
  words: fc.string({ minLength: 1, maxLength: 20 }),
})

t.test('nor is that of one that searches, which has a fee and brings what is billed as input', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  await fc.assert(
    fc.asyncProperty(searching, async ({ model, tool, words }) => {
      const generationConfig = { maxOutputTokens: 50 }
      const json = JSON.stringify({ contents: [{ parts: [{ text: words }] }], tools: [tool], generationConfig })
      const response = await fetch(`${simulator.url}/google/v1beta/models/${model}:generateContent`, {
        method: 'POST',
        headers: { 'x-goog-api-key': 'any' },
        body: json,
      })
      await response.text()
      const { costPicoUsd, consumed } = simulator.bill.entries().at(-1) ?? {}
      if (consumed?.searchCalls !== 1) throw new Error('it must search')
      const bound = boundOf(generateContent, model, json)
      if (bound === null || bound < BigInt(costPicoUsd ?? 0))
        throw new Error(`bounded by ${bound}, billed ${costPicoUsd}`)
    }),
    { numRuns: 40 },
  )
  t.pass()
})

t.test('nor is that of a batch of embeddings', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const request = text.map((words) => ({ model: 'models/gemini-embedding-2', content: { parts: [{ text: words }] } }))
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 20 }), async (requests) => {
      const json = JSON.stringify({ requests })
      const response = await fetch(`${simulator.url}/google/v1beta/models/gemini-embedding-2:batchEmbedContents`, {
        method: 'POST',
        headers: { 'x-goog-api-key': 'any' },
        body: json,
      })
      await response.text()
      const cost = BigInt(simulator.bill.entries().at(-1)?.costPicoUsd ?? 0)
      const bound = boundOf(batchEmbedContents, 'gemini-embedding-2', json)
      if (cost === 0n || bound === null || bound < cost) throw new Error(`bounded by ${bound}, billed ${cost}`)
    }),
    { numRuns: 100 },
  )
  t.pass()
})
