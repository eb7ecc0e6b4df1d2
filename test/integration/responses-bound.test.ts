import { readFileSync } from 'node:fs'
import { createPriceBook, readRateCard } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import { isDenial } from '../../sidecar/exchange.ts'
import { openaiResponses } from '../../sidecar/providers/openai/responses/responses.ts'
import { usageBound } from '../../sidecar/providers/provider.ts'
import { inCheckout } from '../support/paths.ts'
import { simulatorFor } from '../support/simulator.ts'

const prices = createPriceBook(readRateCard(readFileSync(inCheckout('seed/rate-card.json'), 'utf8')))

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 })
const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
  fc.string({ minLength: 1, maxLength: 400 }),
)
const inputText = fc.record({ type: fc.constant('input_text'), text })
const image = fc.record({
  type: fc.constant('input_image'),
  image_url: fc.base64String({ minLength: 4, maxLength: 4_000 }).map((data) => `data:image/png;base64,${data}`),
  detail: fc.constantFrom('auto', 'high'),
})
const unseen = fc.constantFrom(
  { type: 'input_image', image_url: 'https://example.com/a.png' },
  { type: 'input_file', file_id: 'file-1' },
  { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
)
const message = fc.record({
  type: optional(fc.constant('message')),
  role: fc.constantFrom('user', 'system', 'developer'),
  content: fc.oneof(
    text,
    fc.array(fc.oneof({ weight: 12, arbitrary: fc.oneof(inputText, image) }, { weight: 1, arbitrary: unseen }), {
      minLength: 1,
      maxLength: 4,
    }),
  ),
})
const answered = fc.record({
  type: fc.constant('message'),
  id: fc.constant('msg_1'),
  role: fc.constant('assistant'),
  status: fc.constant('completed'),
  content: fc.array(fc.record({ type: fc.constant('output_text'), text, annotations: fc.constant([]) }), {
    maxLength: 2,
  }),
})
const call = fc.oneof(
  fc.record({ type: fc.constant('function_call'), call_id: fc.constant('c'), name: text, arguments: text }),
  fc.record({ type: fc.constant('custom_tool_call'), call_id: fc.constant('c'), name: text, input: text }),
)
const result = fc.record({
  type: fc.constant('function_call_output'),
  call_id: fc.constant('c'),
  output: fc.oneof(text, fc.array(fc.oneof(inputText, image), { maxLength: 3 })),
})
const screenshot = fc.record({
  type: fc.constant('computer_call_output'),
  call_id: fc.constant('c'),
  output: image.map(({ image_url }) => ({ type: 'computer_screenshot', image_url })),
})
/** Reasoning as it is sealed, and by an id that the provider knows (`KNOWN` below). */
const reasoning = fc.oneof(
  fc.nat(200).map((tokens) => ({
    type: 'reasoning',
    id: 'rs_1',
    summary: [],
    encrypted_content: Buffer.from('thought '.repeat(tokens)).toString('base64'),
  })),
  fc.constant({ type: 'reasoning', id: 'KNOWN', summary: [] }),
)
const item = fc.oneof(
  { weight: 6, arbitrary: message },
  { weight: 1, arbitrary: answered },
  { weight: 1, arbitrary: call },
  { weight: 1, arbitrary: result },
  { weight: 1, arbitrary: screenshot },
  { weight: 1, arbitrary: reasoning },
)
const ownTool = fc.oneof(
  fc.record({
    type: fc.constant('function'),
    name: fc.string({ minLength: 1, maxLength: 20 }),
    description: optional(text),
    parameters: fc.constant({ type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } }),
  }),
  fc.constantFrom(
    { type: 'custom', name: 'note' },
    { type: 'apply_patch' },
    { type: 'local_shell' },
    { type: 'computer_use_preview', display_width: 1_024, display_height: 768, environment: 'linux' },
  ),
)
const hostedTool = fc.constantFrom(
  { type: 'web_search' },
  { type: 'web_search_preview_2025_03_11' },
  { type: 'file_search', vector_store_ids: ['vs_1'] },
  { type: 'mcp', server_label: 'a', server_url: 'https://example.com/mcp' },
  { type: 'code_interpreter', container: { type: 'auto' } },
)
const body = fc.record({
  model: fc.constantFrom('gpt-4.1-mini', 'gpt-5-mini', 'gpt-5.4', 'gpt-5.6-terra', 'o4-mini'),
  input: fc.oneof(text, fc.array(item, { minLength: 1, maxLength: 5 })),
  instructions: optional(text),
  max_output_tokens: optional(fc.integer({ min: 16, max: 3_000 })),
  max_tool_calls: optional(fc.integer({ min: 1, max: 4 })),
  stream: fc.boolean(),
  tools: optional(
    fc.array(fc.oneof({ weight: 4, arbitrary: ownTool }, { weight: 2, arbitrary: hostedTool }), { maxLength: 3 }),
  ),
  tool_choice: optional(fc.constantFrom('auto', 'none', 'required')),
  text: optional(
    fc.constant({
      format: { type: 'json_schema', name: 'r', schema: { type: 'object', properties: { a: { type: 'string' } } } },
    }),
  ),
  reasoning: optional(fc.constantFrom({ effort: 'none' }, { summary: 'auto' })),
  service_tier: optional(fc.constantFrom('auto', 'default', 'flex', 'priority', 'fast')),
  prompt_cache_options: optional(fc.constantFrom({ ttl: '12h' }, { ttl: '30m' })),
  previous_response_id: fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant('KNOWN') },
  ),
})
const EarlierResponse = z.object({ id: z.string(), output: z.tuple([z.object({ id: z.string() })]).rest(z.unknown()) })
/** What a client has in its hands besides the JSON: how it writes it, and how long the answer would be. */
const asked = fc.record({ body, spaces: fc.constantFrom(0, 2), tokens: fc.constantFrom('1', '40', '9000') })

t.test('the bound of a request is never below its bill, or nothing bounds it', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const ask = (json: string, tokens: string): Promise<Response> =>
    fetch(`${simulator.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: 'any', 'x-sim-output-tokens': tokens },
      body: json,
    })
  // What stands elsewhere: a long response of a model that reasons.
  const long = JSON.stringify({ model: 'gpt-5-mini', input: 'long '.repeat(20_000), reasoning: { summary: 'auto' } })
  const known = EarlierResponse.parse(await (await ask(long, '40')).json())
  const named = (json: string): string =>
    json
      .replaceAll('"id":"KNOWN"', `"id":${JSON.stringify(known.output[0].id)}`)
      .replaceAll('"id": "KNOWN"', `"id": ${JSON.stringify(known.output[0].id)}`)
      .replace('"KNOWN"', JSON.stringify(known.id))
  const kinds = { bounded: 0, contexts: 0, nothing: 0 }
  await fc.assert(
    fc.asyncProperty(asked, async ({ body, spaces, tokens }) => {
      const json = named(JSON.stringify(body, null, spaces))
      const response = await ask(json, tokens)
      await response.text()
      if (response.status !== 200) throw new Error(`status ${response.status}`)
      const request = openaiResponses.parse(JSON.parse(json), { model: null, stream: false })
      if (isDenial(request)) throw new Error(request.message)
      const priced = prices.find('openai', request.model, Date.now())
      if (!priced) throw new Error(`no price of ${request.model}`)
      const asks = openaiResponses.bound(request, Buffer.byteLength(json))
      const usage = usageBound(asks, priced)
      kinds[usage === null ? 'nothing' : asks.kind === 'bounded' ? 'bounded' : 'contexts']++
      if (usage === null) return
      const cost = BigInt(simulator.bill.entries().at(-1)?.costPicoUsd ?? 0)
      const bound = prices.bound(priced, usage, Date.now()) * 1_000n
      if (bound < cost) throw new Error(`bounded by ${bound}, billed ${cost}`)
    }),
    { numRuns: 400 },
  )
  t.ok(kinds.bounded > 80 && kinds.contexts > 40 && kinds.nothing > 10, JSON.stringify(kinds))
})
