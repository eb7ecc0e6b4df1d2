/** Azure's official client through the sidecar: both shapes of its paths, tools, aborts, each class of error. */
import OpenAI, { type AzureOpenAI } from 'openai'
import t from 'tap'
import { AZURE_POLICY, azureAt, sameDeployment } from '../support/azure.ts'
import { sameAt } from '../support/sdk.ts'
import { type Told, told } from '../support/sdk-errors.ts'
import { AMPLE_BUDGET, budgetYaml, providerYaml, securityYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const POLICIES = { 'budget.yaml': AMPLE_BUDGET, 'azure.yaml': AZURE_POLICY }
const ASK = { model: 'chat-prod', messages: [{ role: 'user' as const, content: 'What is the weather in Łódź?' }] }
const TOOLS: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]

/** Every chunk of a stream. */
async function streamed(client: OpenAI, more: Partial<OpenAI.ChatCompletionCreateParamsStreaming> = {}) {
  const chunks: OpenAI.ChatCompletionChunk[] = []
  for await (const chunk of await client.chat.completions.create({ ...ASK, ...more, stream: true })) chunks.push(chunk)
  return chunks
}

const thrown = async (asked: Promise<unknown>): Promise<Told> => asked.then(() => ({ thrown: 'nothing' }), told)

t.test('Azure’s client is told the same as without us, and its cost is the provider’s bill', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES })

  await t.test('plain', async (t) => {
    const answer = await sameDeployment(t, twins, 'plain', (client) => client.chat.completions.create(ASK))
    t.match(answer, { model: 'gpt-4.1-2025-04-14', prompt_filter_results: [{ prompt_index: 0 }] })
    const [event] = await eventsOf(twins.sidecar, 'plain', 1)
    t.match(event?.attempts[0], { provider: 'azure', requestedModel: 'chat-prod', pricedAs: 'azure/gpt-4.1' })
    t.equal(event?.path, '/openai/deployments/chat-prod/chat/completions')
  })
  await t.test('streamed, whose first chunk has no choices, with and without usage', async (t) => {
    const chunks = await sameDeployment(t, twins, 'streamed', (client) => streamed(client))
    t.match(chunks[0], { choices: [], prompt_filter_results: [{}] })
    t.notOk(chunks.at(-1)?.usage, 'the usage that the sidecar asked for is its own')
    const stream_options = { include_usage: true }
    const counted = await sameDeployment(t, twins, 'counted', (client) => streamed(client, { stream_options }))
    t.ok(counted.at(-1)?.usage?.total_tokens)
    const [event] = await eventsOf(twins.sidecar, 'streamed', 1)
    t.match(event?.attempts[0]?.responseId, /^chatcmpl-/, 'not the empty one of the first chunk')
  })
  await t.test('tools, plain and streamed', async (t) => {
    const answer = await sameDeployment(t, twins, 'tools', (client) =>
      client.chat.completions.create({ ...ASK, tools: TOOLS }),
    )
    t.match(answer.choices[0]?.message.tool_calls, [{ function: { name: 'weather' } }])
    await sameDeployment(t, twins, 'tools-streamed', (client) => streamed(client, { tools: TOOLS }))
  })
  await t.test('a deployment that thinks, and one on another price list', async (t) => {
    await sameDeployment(t, twins, 'thinker', (client) => client.chat.completions.create({ ...ASK, model: 'thinker' }))
    await sameDeployment(t, twins, 'mini', (client) => streamed(client, { model: 'mini-eu' }))
    const [event] = await eventsOf(twins.sidecar, 'mini', 1)
    t.equal(event?.attempts[0]?.pricedAs, 'openai/gpt-4.1-mini')
  })
  await t.test('the deployment of the client, not the model of the body', async (t) => {
    const options = { deployment: 'mini-eu' }
    await sameDeployment(t, twins, 'of-client', (client) => client.chat.completions.create(ASK), options)
    const [event] = await eventsOf(twins.sidecar, 'of-client', 1)
    t.equal(event?.attempts[0]?.requestedModel, 'mini-eu')
  })
  await t.test('a version from before usage could be asked for is not asked', async (t) => {
    const options = { apiVersion: '2024-06-01' }
    await sameDeployment(t, twins, 'older', (client) => client.chat.completions.create(ASK), options)
    const chunks = await streamed(azureAt(twins.sidecar.url, 'older-streamed', options))
    t.ok(chunks.length > 3)
    const [event] = await eventsOf(twins.sidecar, 'older-streamed', 1)
    t.match(event, { outcome: 'completed', attempts: [{ precision: 'estimated' }] })
    const billed = twins.behind.bill.entries().find(({ tag }) => tag === 'older-streamed')
    t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0))
  })
  await t.test('embeddings', async (t) => {
    const input = ['one text', 'another']
    const made = await sameDeployment(t, twins, 'embedded', (client) =>
      client.embeddings.create({ model: 'embedder', input }),
    )
    t.equal(made.data.length, 2)
    const [event] = await eventsOf(twins.sidecar, 'embedded', 1)
    t.match(event, { operation: 'embeddings', attempts: [{ pricedAs: 'azure/text-embedding-3-small' }] })
  })
  await t.test('the v1 shape, where the model is the deployment', async (t) => {
    const paths = { direct: '/azure/openai/v1', through: '/azure/openai/v1' }
    const at = (baseURL: string) => new OpenAI({ baseURL, apiKey: 'k', maxRetries: 0, defaultHeaders: tagged('v1') })
    await sameAt(t, twins, 'v1', (baseURL) => at(baseURL).chat.completions.create(ASK), paths)
  })
  await t.test('with OPENAI_BASE_URL set, the version that the client puts in front is taken out', async (t) => {
    const options = { apiKey: 'k', apiVersion: '2024-10-21', maxRetries: 0, defaultHeaders: tagged('both') }
    const baseURL = `${twins.sidecar.url}/openai/v1`
    // The client takes both, as it does from the environment.
    const client: AzureOpenAI = azureAt('http://127.0.0.1:9', 'both')
    client.baseURL = baseURL
    t.ok((await client.chat.completions.create(ASK)).choices[0]?.message.content, String(options.apiVersion))
    t.match(
      twins.behind.requests().at(-1)?.target,
      /^\/azure\/openai\/deployments\/chat-prod\/chat\/completions\?api-v/,
    )
    t.ok(twins.behind.requests().at(-1)?.rawHeaders.includes('api-key'))
  })
  await t.test('lists pass and are counted', async (t) => {
    const response = await fetch(`${twins.sidecar.url}/azure/openai/v1/models`, { headers: { 'api-key': 'k' } })
    t.equal(response.status, 200)
    t.match(await response.json(), { object: 'list' })
  })
})

t.test('each class of error is raised as without us', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES })
  const STATUSES = {
    400: 'BadRequestError',
    401: 'AuthenticationError',
    403: 'PermissionDeniedError',
    404: 'NotFoundError',
    409: 'ConflictError',
    422: 'UnprocessableEntityError',
    429: 'RateLimitError',
    500: 'InternalServerError',
    503: 'InternalServerError',
  }
  for (const [status, raises] of Object.entries(STATUSES)) {
    for (const stream of [false, true]) {
      const options = { headers: { 'x-sim-fault': `status-${status}` } }
      const ask = (endpoint: string) =>
        thrown(azureAt(endpoint, `s${status}`, options).chat.completions.create({ ...ASK, stream }))
      const [direct, through] = [await ask(`${twins.direct.url}/azure`), await ask(twins.sidecar.url)]
      t.strictSame(through, direct, `${status} ${stream ? 'streamed' : 'plain'}`)
      t.equal(through.class, raises)
    }
  }
  for (const [fault, raises] of [
    ['error-event', 'APIError'],
    ['cut-mid-stream', 'TypeError'],
    ['reset-before-headers', 'APIConnectionError'],
  ] as const) {
    const ask = (endpoint: string) => thrown(streamed(azureAt(endpoint, fault, { headers: { 'x-sim-fault': fault } })))
    const [direct, through] = [await ask(`${twins.direct.url}/azure`), await ask(twins.sidecar.url)]
    t.strictSame(through, direct, fault)
    t.equal(through.class, raises)
  }
  await t.test('a prompt that its filter refuses costs nothing', async (t) => {
    const ask = (endpoint: string) =>
      thrown(azureAt(endpoint, 'filtered', { headers: { 'x-sim-fault': 'refusal' } }).chat.completions.create(ASK))
    const [direct, through] = [await ask(`${twins.direct.url}/azure`), await ask(twins.sidecar.url)]
    t.strictSame(through, direct)
    t.match(through, { class: 'BadRequestError', code: 'content_filter', param: 'prompt' })
    t.match(through.body, { innererror: { code: 'ResponsibleAIPolicyViolation' } })
    const [event] = await eventsOf(twins.sidecar, 'filtered', 1)
    t.equal(chargedOf(event ? [event] : []), 0n)
  })
})

t.test('a stream that its client aborts is ended at the provider and charged at least its bill', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES })
  for (const model of ['chat-prod', 'thinker']) {
    const headers = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
    const client = azureAt(twins.sidecar.url, model, { headers })
    const stream = await client.chat.completions.create({ ...ASK, model, max_completion_tokens: 4_000, stream: true })
    let left = 100
    for await (const _ of stream) if (--left === 0) stream.controller.abort()
    const entry = await until(`the end of ${model} at the provider`, () => {
      const found = twins.behind.bill.entries().find(({ tag }) => tag === model)
      return found && found.ended !== 'open' ? found : null
    })
    const [event] = await eventsOf(twins.sidecar, model, 1)
    t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
    t.equal(entry.ended, 'aborted')
    const charged = chargedOf(event ? [event] : [])
    t.ok(charged * 1_000n >= BigInt(entry.costPicoUsd ?? 0), `${model}: ${charged} cover ${entry.costPicoUsd}`)
    const bound = BigInt(event?.attempts[0]?.boundNanoUsd ?? 0)
    // What a deployment does is what its model does: only of the one that hides no thoughts is what was seen enough.
    t.equal(charged < bound / 2n, model === 'chat-prod', `${model}: ${charged} of ${bound}`)
  }
})

t.test('a deployment that nobody maps is a model without a price: refused, or the dearest', async (t) => {
  const strict = await twinsFor(t, { policies: { 'budget.yaml': AMPLE_BUDGET } })
  for (const model of ['chat-prod', 'gpt-4.1']) {
    const error = await thrown(azureAt(strict.sidecar.url, model).chat.completions.create({ ...ASK, model }))
    t.match(
      error,
      { class: 'PermissionDeniedError', code: 'acc_model_unpriced' },
      'also one that is named like a model',
    )
    t.match(error.message, /state it under models in the ProviderConfig "azure"/)
  }
  t.equal(strict.behind.requests().length, 0)
  const policies = { 'azure.yaml': providerYaml({ onUnpricedModel: 'worstCase' }, 'azure') }
  const lenient = await twinsFor(t, { policies })
  await azureAt(lenient.sidecar.url, 'unmapped').chat.completions.create({ ...ASK, max_completion_tokens: 20 })
  const [event] = await eventsOf(lenient.sidecar, 'unmapped', 1)
  t.match(event?.attempts[0], { precision: 'exact', responseModel: 'gpt-4.1-2025-04-14' }, 'the answer names its model')
})

t.test('refusals of the sidecar are raised as Azure’s would be', async (t) => {
  const twins = await twinsFor(t, {
    policies: {
      'budget.yaml': budgetYaml({ name: 'small', limit: '0.002' }),
      'azure.yaml': AZURE_POLICY,
      'security.yaml': securityYaml({ request: 'block' }),
    },
  })
  const client = azureAt(twins.sidecar.url, 'refused')
  const secret = `AKIA${'Q7LZ3X5VNM2KPD4T'}`
  const leaking = [{ role: 'user' as const, content: `use ${secret}` }]
  t.match(await thrown(client.chat.completions.create({ ...ASK, messages: leaking })), {
    class: 'PermissionDeniedError',
    code: 'acc_security_blocked',
  })
  const { response, data } = await client.chat.completions.create(ASK).withResponse()
  const limit = Number(response.headers.get('x-acc-output-limit'))
  t.ok(limit > 0 && (data.usage?.completion_tokens ?? 1e9) <= limit, 'the limit is lowered in its own field')
  const spent = { 'x-sim-usage': JSON.stringify({ prompt_tokens: 900 }) }
  await azureAt(twins.sidecar.url, 'spending', { headers: spent }).chat.completions.create(ASK)
  const error = await thrown(client.chat.completions.create(ASK))
  t.match(error, { class: 'RateLimitError', code: 'acc_budget_exceeded', type: 'insufficient_quota' })
})

t.test('with data of one’s own nothing bounds the prompt but its window, and usage is not asked for', async (t) => {
  const twins = await twinsFor(t, { policies: POLICIES })
  const data_sources = [{ type: 'azure_search', parameters: {} }]
  const body = JSON.stringify({ ...ASK, stream: true, data_sources, max_tokens: 50 })
  const path = '/openai/deployments/chat-prod/chat/completions?api-version=2024-10-21'
  const response = await fetch(twins.sidecar.url + path, {
    method: 'POST',
    headers: { 'api-key': 'k', ...tagged('own-data') },
    body,
  })
  t.equal(response.status, 200)
  await response.text()
  t.equal(String(twins.behind.requests().at(-1)?.body), body)
  const [event] = await eventsOf(twins.sidecar, 'own-data', 1)
  t.equal(event?.attempts[0]?.boundNanoUsd, String(1_047_576n * 2_000n + 50n * 8_000n), 'the whole window')
})
