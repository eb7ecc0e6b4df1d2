/** Ollama's official client through the sidecar: its own API, and OpenAI's below /v1. */
import type { ChatRequest, ChatResponse, GenerateResponse, Ollama, Tool } from 'ollama'
import OpenAI from 'openai'
import t from 'tap'
import { OLLAMA_CARD, OLLAMA_POLICY, ollamaAt, toldByOllama } from '../support/ollama.ts'
import { sameAt } from '../support/sdk.ts'
import type { Told } from '../support/sdk-errors.ts'
import { AMPLE_BUDGET, budgetYaml, providerYaml, securityYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const POLICIES = { 'budget.yaml': AMPLE_BUDGET, 'ollama.yaml': OLLAMA_POLICY }
const ASK = { model: 'qwen3:8b', messages: [{ role: 'user', content: 'Wie ist das Wetter in Łódź?' }] }
const TOOLS: Tool[] = [
  {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]
const PATHS = { direct: '/ollama', through: '' }

/** Answers carry when they were made. */
const evenedOut = (told: unknown): unknown =>
  JSON.parse(JSON.stringify(told), (key, value: unknown) => (key === 'created_at' ? 0 : value))

async function all<T>(stream: Promise<AsyncIterable<T>>): Promise<readonly T[]> {
  const parts: T[] = []
  for await (const part of await stream) parts.push(part)
  return parts
}
const chatted = (client: Ollama, more: Partial<ChatRequest> = {}): Promise<readonly ChatResponse[]> =>
  all(client.chat({ ...ASK, ...more, stream: true }))
const generated = (client: Ollama): Promise<readonly GenerateResponse[]> =>
  all(client.generate({ model: 'llama3.2:3b', prompt: 'Zähle.', stream: true }))

const thrown = async (asked: Promise<unknown>): Promise<Told> => asked.then(() => ({ thrown: 'nothing' }), toldByOllama)

t.test(
  'Ollama’s client is told the same as without us, and its cost is what the policy’s prices make of it',
  async (t) => {
    const twins = await twinsFor(t, { policies: POLICIES }, { rateCard: OLLAMA_CARD })
    const same = <T>(tag: string, ask: (client: Ollama) => Promise<T>, headers = {}) =>
      sameAt(t, twins, tag, (host) => ask(ollamaAt(host, tag, headers)), PATHS, evenedOut)

    const plain = await same('plain', (client) => client.chat({ ...ASK, stream: false }))
    t.match(plain, { done: true, done_reason: 'stop', message: { role: 'assistant' } })
    t.ok(plain.message.thinking && plain.message.content)
    const [event] = await eventsOf(twins.sidecar, 'plain', 1)
    t.match(event, { operation: 'ollama.chat', path: '/api/chat', streamed: false })
    t.match(event?.attempts[0], { provider: 'ollama', pricedAs: 'policy', responseModel: 'qwen3:8b' })
    t.equal(
      event?.attempts[0]?.costNanoUsd,
      String(BigInt(plain.prompt_eval_count) * 100n + BigInt(plain.eval_count) * 400n),
      'by hand: $0.10 and $0.40 per million',
    )

    const lines = await same('streamed', (client) => chatted(client))
    t.ok(lines.length > 20 && lines.at(-1)?.done)
    await same('generated', (client) => client.generate({ model: 'llama3.2:3b', prompt: 'Zähle.', stream: false }))
    await same('generated-streamed', (client) => generated(client))
    const called = await same('tools', (client) => client.chat({ ...ASK, tools: TOOLS, stream: false }))
    t.match(called.message.tool_calls, [{ function: { name: 'weather', arguments: { city: String } } }])
    await same('tools-streamed', (client) => chatted(client, { tools: TOOLS }))
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } } }
    const shaped = await same('shaped', (client) => client.chat({ ...ASK, format: schema, stream: false }))
    t.match(JSON.parse(shaped.message.content), { ok: Boolean })
    const images = [Buffer.from('a picture').toString('base64')]
    await same('pictures', (client) =>
      client.chat({ ...ASK, messages: [{ role: 'user', content: 'see', images }], stream: false }),
    )
    await same('unthought', (client) => client.chat({ ...ASK, think: false, stream: false }))
    await same('compressed', (client) => chatted(client), { 'x-sim-encoding': 'gzip' })
    await same('embedded', (client) => client.embed({ model: 'llama3.2:3b', input: ['one', 'two words'] }))

    await t.test('a body that says nothing of a stream is answered with one', async (t) => {
      const response = await fetch(`${twins.sidecar.url}/api/chat`, {
        method: 'POST',
        headers: tagged('default'),
        body: JSON.stringify(ASK),
      })
      t.equal(response.headers.get('content-type'), 'application/x-ndjson')
      const [first, ...rest] = (await response.text()).trim().split('\n')
      t.match(JSON.parse(first ?? ''), { done: false })
      t.match(JSON.parse(rest.at(-1) ?? ''), { done: true })
      const [event] = await eventsOf(twins.sidecar, 'default', 1)
      t.match(event, { streamed: true, attempts: [{ precision: 'exact' }] })
    })

    await t.test('OpenAI’s client below /v1', async (t) => {
      const at = (baseURL: string) =>
        new OpenAI({ baseURL, apiKey: 'ollama', maxRetries: 0, defaultHeaders: tagged('v1') })
      const messages = [{ role: 'user' as const, content: 'hello' }]
      await sameAt(t, twins, 'v1', (baseURL) => at(baseURL).chat.completions.create({ model: 'qwen3:8b', messages }), {
        direct: '/ollama/v1',
        through: '/ollama/v1',
      })
    })

    await t.test('what costs nothing at all passes: lists, details, fetching a model, loading one', async (t) => {
      const client = ollamaAt(twins.sidecar.url, 'free')
      t.ok((await client.list()).models.length > 0)
      t.match(await client.show({ model: 'qwen3:8b' }), { details: {} })
      t.match(await client.pull({ model: 'qwen3:8b', stream: false }), {})
      t.match(await client.ps(), { models: [] })
      t.match(await client.version(), { version: /^0/ })
      t.match(await client.chat({ model: 'qwen3:8b', messages: [], stream: false }), { done_reason: 'load' })
      const events = await eventsOf(twins.sidecar, 'free', 6)
      t.equal(chargedOf(events), 0n)
      t.match(events.find(({ operation }) => operation === 'ollama.chat')?.attempts, [{ precision: 'exact' }])
    })
  },
)

t.test('figures that are absent are not zero: what is not told is charged at its bound', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES }, { rateCard: OLLAMA_CARD })
  const cases = [
    { tag: 'cached', headers: { 'x-sim-usage': '{"prompt_eval_count":null}' } },
    { tag: 'uncounted', headers: { 'x-sim-usage': '{"eval_count":null}' } },
    { tag: 'none', headers: { 'x-sim-fault': 'no-usage' } },
    { tag: 'senseless', headers: { 'x-sim-fault': 'malformed-usage' } },
    { tag: 'half', headers: { 'x-sim-fault': 'end-mid-stream' } },
  ]
  for (const { tag, headers } of cases) {
    for (const stream of tag === 'half' ? [true] : [false, true]) {
      const name = `${tag}-${stream}`
      const client = ollamaAt(twins.sidecar.url, name, headers)
      await (stream ? chatted(client) : client.chat({ ...ASK, stream: false })).catch(() => {})
      const [event] = await eventsOf(twins.sidecar, name, 1)
      const [attempt] = event?.attempts ?? []
      t.equal(attempt?.precision, 'estimated', name)
      const billed = twins.behind.bill.entries().find((each) => each.tag === name)
      t.ok(BigInt(attempt?.chargedNanoUsd ?? 0) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0), `${name} is covered`)
      t.ok(BigInt(attempt?.chargedNanoUsd ?? 0) > 0n, `${name} is not free`)
      // The bound of the output alone would be 40 960 tokens: where all of it was seen, what was seen counts.
      if (stream) t.ok(BigInt(attempt?.chargedNanoUsd ?? 0) < 1_000_000n, `${name}: ${attempt?.chargedNanoUsd}`)
    }
  }
})

t.test('errors are raised as without us', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES }, { rateCard: OLLAMA_CARD })
  for (const fault of [
    ...[400, 401, 404, 429, 500, 503].map((status) => `status-${status}`),
    'error-event',
    'cut-mid-stream',
    'end-mid-stream',
    'reset-before-headers',
  ]) {
    for (const stream of [false, true]) {
      const ask = async (host: string): Promise<Told> => {
        const client = ollamaAt(host, fault, { 'x-sim-fault': fault })
        return stream ? thrown(chatted(client)) : thrown(client.chat({ ...ASK, stream: false }))
      }
      const [direct, through] = [await ask(`${twins.direct.url}/ollama`), await ask(twins.sidecar.url)]
      t.strictSame(through, direct, `${fault} ${stream ? 'streamed' : 'plain'}`)
      if (fault.startsWith('status')) t.match(through, { class: 'ResponseError', status: Number(fault.slice(7)) })
    }
  }
  const unknown = await thrown(ollamaAt(twins.sidecar.url, 'x').chat({ ...ASK, model: 'no-such-model' }))
  t.match(unknown, { class: 'ResponseError', status: 404, message: "model 'no-such-model' not found" })
})

t.test('a stream that its client aborts is ended at Ollama and charged at least its bill', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES }, { rateCard: OLLAMA_CARD })
  const slowly = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
  for (const options of [{ num_predict: 4_000 }, { num_predict: -1 }]) {
    const tag = `abort${options.num_predict}`
    const client = ollamaAt(twins.sidecar.url, tag, slowly)
    const stream = await client.chat({ ...ASK, options, stream: true })
    let left = 100
    await (async () => {
      for await (const _ of stream) if (--left === 0) client.abort()
    })().catch(() => {})
    const entry = await until(`the end of ${tag} at the provider`, () => {
      const found = twins.behind.bill.entries().find((each) => each.tag === tag)
      return found && found.ended !== 'open' ? found : null
    })
    t.equal(entry.ended, 'aborted')
    const [event] = await eventsOf(twins.sidecar, tag, 1)
    t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
    const charged = chargedOf(event ? [event] : [])
    t.ok(charged * 1_000n >= BigInt(entry.costPicoUsd ?? 0), `${charged} cover ${entry.costPicoUsd}`)
    t.ok(charged < BigInt(event?.attempts[0]?.boundNanoUsd ?? 0), 'what was seen, not the bound')
  }
})

t.test('a budget lowers num_predict, then refuses; a secret is blocked, and taken out of an answer', async (t) => {
  const policies = {
    ...POLICIES,
    'budget.yaml': budgetYaml({ name: 'small', limit: '0.001' }),
    'security.yaml': securityYaml({ request: 'block', response: 'redact' }),
  }
  const twins = await twinsFor(t, { policies }, { rateCard: OLLAMA_CARD })
  const secret = `AKIA${'Q7LZ3X5VNM2KPD4T'}`
  const blocked = await thrown(
    ollamaAt(twins.sidecar.url, 'leak').chat({ ...ASK, messages: [{ role: 'user', content: `use ${secret}` }] }),
  )
  t.match(blocked, { class: 'ResponseError', status: 403, message: /secret|policy/i })
  t.equal(twins.behind.requests().length, 0)

  for (const [name, more, found] of [
    ['options', { options: { num_predict: -1, seed: 7 } }, { num_predict: Number, seed: 7 }],
    ['none', {}, { num_predict: Number }],
  ] as const) {
    const client = ollamaAt(twins.sidecar.url, name, { 'x-sim-output-tokens': '300' })
    const { eval_count } = await client.chat({ ...ASK, ...more, stream: false })
    const sent = JSON.parse(String(twins.behind.requests().at(-1)?.body))
    t.match(sent.options, found, 'the limit stands in Ollama’s own field')
    t.ok(eval_count <= sent.options.num_predict && sent.options.num_predict < 2_500)
  }
  const leaking = { 'x-sim-reply': encodeURIComponent(`the key is ${secret} and so on`) }
  for (const stream of [false, true]) {
    const client = ollamaAt(twins.sidecar.url, `redacted-${stream}`, leaking)
    const parts = stream ? await chatted(client) : [await client.chat({ ...ASK, stream: false })]
    const text = parts.map(({ message }) => message.content).join('')
    t.notMatch(text, secret)
    t.match(text, /the key is .+ and so on/)
    t.ok(parts.at(-1)?.done)
  }
  let refused: Told = {}
  await until('the budget is spent', async () => {
    const client = ollamaAt(twins.sidecar.url, 'spending', { 'x-sim-output-tokens': '900' })
    refused = await thrown(client.chat({ ...ASK, stream: false }))
    return refused.class === 'ResponseError' ? true : null
  })
  t.match(refused, { status: 429, message: /the budget "small" of \$0.001/ })
  const free = await ollamaAt(twins.sidecar.url, 'free').chat({ ...ASK, model: 'gemma3:4b', stream: false })
  t.ok(free.done, 'a model that costs nothing needs no budget')
})

t.test('a stream with a secret in a tool’s arguments is cut with an error of Ollama’s', async (t) => {
  const policies = { ...POLICIES, 'security.yaml': securityYaml({ response: 'block' }) }
  const twins = await twinsFor(t, { policies }, { rateCard: OLLAMA_CARD })
  const secret = `AKIA${'Q7LZ3X5VNM2KPD4T'}`
  const client = ollamaAt(twins.sidecar.url, 'cut', {
    'x-sim-tool-call': encodeURIComponent(JSON.stringify({ city: secret })),
  })
  const error = await thrown(chatted(client, { tools: TOOLS }))
  t.match(error, { class: 'Error', message: /policy/ })
  const [event] = await eventsOf(twins.sidecar, 'cut', 1)
  t.match(event, { outcome: 'cut', code: 'acc_security_blocked' })
})

t.test('without a price its models are unpriced, and an endpoint that may cost is refused', async (t) => {
  const twins = await twinsFor(t, { policies: { 'p.yaml': providerYaml({ minOutputTokens: 1 }, 'ollama') } })
  t.match(await thrown(ollamaAt(twins.sidecar.url, 'unpriced').chat({ ...ASK, stream: false })), {
    status: 403,
    message: /state it under models in the ProviderConfig "ollama"/,
  })
  const response = await fetch(`${twins.sidecar.url}/ollama/api/web_search`, { method: 'POST', body: '{}' })
  t.equal(response.headers.get('x-acc-code'), 'acc_endpoint_denied')
  t.match(await response.json(), { error: String, code: 'acc_endpoint_denied' })
})
