/** Groq's official client through the sidecar: plain, streamed, tools, an aborted stream, each class of error. */
import Groq from 'groq-sdk'
import t from 'tap'
import { sameAt } from '../support/sdk.ts'
import { endToEnd, type Told } from '../support/sdk-errors.ts'
import { budgetYaml, securityYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const ASK = {
  model: 'llama-3.3-70b-versatile',
  messages: [{ role: 'user' as const, content: 'Say something about spending.' }],
}
const TOOLS: Groq.Chat.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]
/** Its client puts `/openai/v1` behind this, as GROQ_BASE_URL. */
const PATHS = { direct: '/groq', through: '/groq' }

const groqAt = (baseURL: string, tag: string, headers: Readonly<Record<string, string>> = {}): Groq =>
  new Groq({
    baseURL,
    apiKey: 'gsk_test',
    maxRetries: 0,
    timeout: 20_000,
    defaultHeaders: { ...tagged(tag), ...headers },
  })

async function streamed(client: Groq, more: object = {}): Promise<readonly Groq.Chat.ChatCompletionChunk[]> {
  const chunks: Groq.Chat.ChatCompletionChunk[] = []
  for await (const chunk of await client.chat.completions.create({ ...ASK, ...more, stream: true })) chunks.push(chunk)
  return chunks
}

function told(error: unknown): Told {
  if (!(error instanceof Error)) return { thrown: error }
  if (!(error instanceof Groq.APIError)) return { class: error.constructor.name, message: error.message }
  const { message, status, error: body, headers } = error
  return { class: error.constructor.name, message, status, body, headers: endToEnd(headers ?? []) }
}
const thrown = async (asked: Promise<unknown>): Promise<Told> => asked.then(() => ({ thrown: 'nothing' }), told)

t.test('Groq’s client is told the same as without us, and its cost is the provider’s bill', async (t) => {
  const twins = await twinsFor(t)
  const same = <T>(tag: string, ask: (client: Groq) => Promise<T>) =>
    sameAt(t, twins, tag, (baseURL) => ask(groqAt(baseURL, tag)), PATHS)
  const answer = await same('plain', (client) => client.chat.completions.create(ASK))
  t.match(answer.usage, { queue_time: Number, total_tokens: Number })
  const chunks = await same('streamed', (client) => streamed(client))
  t.match(chunks.at(-1), { x_groq: { usage: { completion_tokens: 40 } } }, 'its own report stays in its place')
  const sent = JSON.parse(String(twins.behind.requests().at(-1)?.body))
  t.notOk('stream_options' in sent, 'nothing is asked for that comes unasked')
  const called = await same('tools', (client) => client.chat.completions.create({ ...ASK, tools: TOOLS }))
  t.match(called.choices[0]?.message.tool_calls, [{ function: { name: 'weather' } }])
  await same('tools-streamed', (client) => streamed(client, { tools: TOOLS }))
  const thinks = { ...ASK, model: 'openai/gpt-oss-120b' }
  await same('thinking', (client) => client.chat.completions.create(thinks))
  const shaped = await same('shaped', (client) =>
    client.chat.completions.create({ ...ASK, response_format: { type: 'json_object' } }),
  )
  t.match(JSON.parse(shaped.choices[0]?.message.content ?? ''), { ok: true })
})

t.test('each class of error is raised as without us', async (t) => {
  const twins = await twinsFor(t)
  const FAULTS = {
    'status-400': 'BadRequestError',
    'status-401': 'AuthenticationError',
    'status-403': 'PermissionDeniedError',
    'status-404': 'NotFoundError',
    'status-409': 'ConflictError',
    'status-422': 'UnprocessableEntityError',
    'status-429': 'RateLimitError',
    'status-500': 'InternalServerError',
    'status-503': 'InternalServerError',
    'reset-before-headers': 'APIConnectionError',
    'error-event': 'APIError',
    'cut-mid-stream': 'TypeError',
  }
  for (const [fault, raises] of Object.entries(FAULTS)) {
    const ask = (baseURL: string) => thrown(streamed(groqAt(baseURL, fault, { 'x-sim-fault': fault })))
    const [direct, through] = [await ask(`${twins.direct.url}/groq`), await ask(`${twins.sidecar.url}/groq`)]
    t.strictSame(through, direct, fault)
    t.equal(through.class, raises, fault)
  }
})

t.test('a stream that its client aborts is read to its end, since that is what Groq bills', async (t) => {
  const twins = await twinsFor(t)
  const slowly = { 'x-sim-output-tokens': '1500', 'x-sim-chunk-delay-ms': '1' }
  const client = groqAt(`${twins.sidecar.url}/groq`, 'abort', slowly)
  const stream = await client.chat.completions.create({ ...ASK, stream: true })
  let left = 50
  for await (const _ of stream) if (--left === 0) stream.controller.abort()
  const entry = await until('the end at the provider', () => {
    const found = twins.behind.bill.entries().find(({ tag }) => tag === 'abort')
    return found && found.ended !== 'open' ? found : null
  })
  t.equal(entry.ended, 'completed')
  const [event] = await eventsOf(twins.sidecar, 'abort', 1)
  t.match(event, { outcome: 'aborted', clientStatus: null, attempts: [{ precision: 'exact' }] })
  t.equal(chargedOf(event ? [event] : []), (BigInt(entry.costPicoUsd ?? 0) + 999n) / 1_000n)
})

t.test('refusals of the sidecar are raised as Groq’s would be', async (t) => {
  const policies = {
    'budget.yaml': budgetYaml({ name: 'small', limit: '0.000001' }),
    'security.yaml': securityYaml({ request: 'block' }),
  }
  const twins = await twinsFor(t, { policies })
  const client = groqAt(`${twins.sidecar.url}/groq`, 'refused')
  const budget = await thrown(client.chat.completions.create(ASK))
  t.match(budget, { class: 'RateLimitError', status: 429, body: { error: { code: 'acc_budget_exceeded' } } })
  const messages = [{ role: 'user' as const, content: `use AKIA${'Q7LZ3X5VNM2KPD4T'}` }]
  const blocked = await thrown(client.chat.completions.create({ ...ASK, messages }))
  t.match(blocked, { class: 'PermissionDeniedError', body: { error: { code: 'acc_security_blocked' } } })
  t.equal(twins.behind.requests().length, 0)
})
