import { readFileSync } from 'node:fs'
import { createPriceBook, readRateCard } from '@agentcostcontrol/policy'
import type { Simulator } from '@agentcostcontrol/simulator'
import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../../sidecar/exchange.ts'
import { anthropicMessages } from '../../sidecar/providers/anthropic/messages.ts'
import { usageBound } from '../../sidecar/providers/provider.ts'
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
const cacheControl = optional(fc.record({ type: fc.constant('ephemeral'), ttl: fc.constantFrom('5m', '1h') }))
const textBlock = fc.record({ type: fc.constant('text'), text, cache_control: cacheControl })
const image = fc.record({
  type: fc.constant('image'),
  source: fc.record({
    type: fc.constant('base64'),
    media_type: fc.constant('image/png'),
    data: fc.base64String({ minLength: 4, maxLength: 4_000 }),
  }),
  cache_control: cacheControl,
})
const unseen = fc.constantFrom(
  { type: 'image', source: { type: 'url', url: 'https://example.com/a' } },
  { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' } },
)
const page = fc.record({
  type: fc.constant('document'),
  source: fc.record({ type: fc.constant('text'), media_type: fc.constant('text/plain'), data: text }),
})
const call = fc.record({
  type: fc.constant('tool_use'),
  id: fc.constant('toolu_1'),
  name: text,
  input: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
})
const result = fc.record({
  type: fc.constant('tool_result'),
  tool_use_id: fc.constant('toolu_1'),
  content: fc.oneof(text, fc.array(fc.oneof(textBlock, image), { maxLength: 3 })),
})
const message = fc.oneof(
  fc.record({
    role: fc.constant('user'),
    content: fc.oneof(
      text,
      fc.array(
        fc.oneof({ weight: 8, arbitrary: fc.oneof(textBlock, image, result, page) }, { weight: 1, arbitrary: unseen }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
    ),
  }),
  fc.record({
    role: fc.constant('assistant'),
    content: fc.array(fc.oneof(textBlock, call), { minLength: 1, maxLength: 3 }),
  }),
)
const ownTool = fc.record({
  name: fc.string({ minLength: 1, maxLength: 20 }),
  description: optional(text),
  input_schema: fc.constant({ type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } }),
  cache_control: cacheControl,
})
const providersTool = fc.constantFrom(
  { type: 'bash_20250124', name: 'bash' },
  { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
  { type: 'web_search_20250305', name: 'web_search', max_uses: 1 },
  { type: 'web_search_20250305', name: 'web_search', max_uses: 3 },
  { type: 'web_search_20260209', name: 'web_search', max_uses: 1 },
)
const body = fc.record({
  model: fc.constantFrom(
    'claude-haiku-4-5',
    'claude-sonnet-4-20250514',
    'claude-haiku-5-5',
    'claude-fable-5-2',
    'claude-opus-4-1',
  ),
  max_tokens: fc.oneof(fc.nat(200), fc.integer({ min: 1_100, max: 6_000 })),
  stream: fc.boolean(),
  system: optional(fc.oneof(text, fc.array(textBlock, { maxLength: 3 }))),
  messages: fc.array(message, { minLength: 1, maxLength: 5 }),
  tools: optional(
    fc.array(fc.oneof({ weight: 4, arbitrary: ownTool }, { weight: 1, arbitrary: providersTool }), { maxLength: 4 }),
  ),
  tool_choice: optional(fc.constantFrom({ type: 'any' }, { type: 'auto' }, { type: 'none' })),
  thinking: optional(
    fc.constantFrom({ type: 'enabled', budget_tokens: 1_024 }, { type: 'adaptive' }, { type: 'disabled' }),
  ),
  output_config: optional(
    fc.constant({ format: { type: 'json_schema', schema: { type: 'object', properties: { a: { type: 'string' } } } } }),
  ),
  cache_control: cacheControl,
  service_tier: optional(fc.constantFrom('auto', 'standard_only')),
  stop_sequences: optional(fc.array(text, { maxLength: 2 })),
  context_management: fc.oneof(
    { weight: 19, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant({ edits: [{ type: 'compact_20260112' }] }) },
  ),
})
/** What a client has in its hands besides the JSON: how it writes it, and how long the answer would be. */
const asked = fc.record({ body, spaces: fc.constantFrom(0, 2), tokens: fc.constantFrom('1', '40', '9000') })

/** What a request is billed, and what can be reserved for it, in pico-USD; `null` if nothing bounds it, or it is refused. */
async function billOf(simulator: Simulator, json: string, tokens: string) {
  const response = await fetch(`${simulator.url}/anthropic/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'any', 'anthropic-version': '2023-06-01', 'x-sim-output-tokens': tokens },
    body: json,
  })
  await response.text()
  if (response.status !== 200) return null
  const cost = BigInt(simulator.bill.entries().at(-1)?.costPicoUsd ?? 0)
  const request = anthropicMessages.parse(JSON.parse(json), { model: null, stream: false })
  if (isDenial(request)) throw new Error(request.message)
  const priced = prices.find('anthropic', request.model, Date.now())
  if (!priced) throw new Error(`no price of ${request.model}`)
  const usage = usageBound(anthropicMessages.bound(request, Buffer.byteLength(json)), priced)
  const bound = usage && prices.bound(priced, usage, Date.now()) * 1_000n
  if (bound !== null && bound < cost) throw new Error(`bounded by ${bound}, billed ${cost}`)
  return { cost, bound, usage }
}

t.test('the bound of a request is never below its bill, or nothing bounds it', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  let bounded = 0
  let billed = 0
  await fc.assert(
    fc.asyncProperty(asked, async ({ body, spaces, tokens }) => {
      const bill = await billOf(simulator, JSON.stringify(body, null, spaces), tokens)
      if (bill === null) return
      billed++
      if (bill.bound !== null) bounded++
    }),
    { numRuns: 400 },
  )
  t.ok(billed > 250 && bounded > 150, `${billed} billed, ${bounded} of them bounded`)
})

/** Short questions with short answers, so that what the searches cost is nearly all. */
const searching = fc.record({
  model: fc.constantFrom('claude-haiku-4-5', 'claude-haiku-5-5'),
  max_tokens: fc.integer({ min: 300, max: 400 }),
  messages: text.map((content) => [{ role: 'user', content }]),
  tools: fc
    .integer({ min: 1, max: 5 })
    .map((uses) => [{ type: 'web_search_20250305', name: 'web_search', max_uses: uses }]),
})

t.test('nor is that of one that searches: each search has a fee, and the prompt is read again behind it', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  let searched = 0
  await fc.assert(
    fc.asyncProperty(searching, async (body) => {
      const bill = await billOf(simulator, JSON.stringify(body), '40')
      if (bill === null || bill.bound === null) throw new Error('it must be answered, and bounded')
      const uses = body.tools[0]?.max_uses ?? 0
      if (bill.usage?.hostedToolCallsMax !== uses) throw new Error(`${uses} searches are not reserved`)
      const { server_tool_use: tools } = readTools(simulator.bill.entries().at(-1)?.usage)
      searched += tools?.web_search_requests ?? 0
    }),
    { numRuns: 60 },
  )
  t.ok(searched > 60, `${searched} searches were billed`)
})

/** The part of a usage that tells of the provider's own tools. */
const readTools = (
  usage: object | undefined,
): { readonly server_tool_use?: { readonly web_search_requests: number } | null } => usage ?? {}
