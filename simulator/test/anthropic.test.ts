import t from 'tap'
import { startSimulator } from '../index.ts'

const starting = startSimulator({ rateCard: new URL('../../seed/rate-card.json', import.meta.url).pathname })
t.teardown(async () => (await starting).close())

const SMALL = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] }

async function ask(body: object, headers: Readonly<Record<string, string>> = {}, path = '/messages') {
  const simulator = await starting
  const response = await fetch(`${simulator.url}/anthropic/v1${path}`, {
    method: 'POST',
    headers: { 'x-api-key': 'any', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify({ ...SMALL, ...body }),
  })
  return { status: response.status, json: JSON.parse(await response.text()) }
}

t.test('what Anthropic refuses is refused in its words, with the request’s id', async (t) => {
  const thinking = (budget_tokens: number) => ({ max_tokens: 2_000, thinking: { type: 'enabled', budget_tokens } })
  const cases: readonly (readonly [object, RegExp, Record<string, string>?])[] = [
    [{ max_tokens: undefined }, /max_tokens: Field required/],
    [{ messages: [] }, /messages: Field required/],
    [{ model: 3 }, /model: Field required/],
    [thinking(1_000), /greater than or equal to 1024/],
    [thinking(2_000), /must be greater than `thinking.budget_tokens`/],
    [{}, /anthropic-version/, { 'anthropic-version': '' }],
    [{}, /does not understand/, { 'x-sim-fault': 'misspelt' }],
  ]
  for (const [body, message, headers] of cases) {
    const { status, json } = await ask(body, headers)
    t.equal(status, 400)
    t.match(json, { type: 'error', error: { type: 'invalid_request_error', message }, request_id: /^req_/ })
  }
  t.match(await ask({}, { 'x-api-key': '' }), { status: 401, json: { error: { type: 'authentication_error' } } })
  t.match(await ask({ model: 'no-such-model' }), { status: 404, json: { error: { type: 'not_found_error' } } })
  t.match(await ask({}, { 'x-sim-fault': 'status-529' }), {
    status: 529,
    json: { error: { type: 'overloaded_error' } },
  })
})

t.test('thinking that comes back must be what was signed', async (t) => {
  const thinking = { type: 'enabled', budget_tokens: 1_024 }
  const { json } = await ask({ max_tokens: 2_000, thinking }, { 'x-sim-thinking': encodeURIComponent('I see.') })
  const [block] = json.content
  t.match(block, { type: 'thinking', thinking: 'I see.', signature: /\w/ })
  const back = (content: object) => ask({ messages: [...SMALL.messages, { role: 'assistant', content: [content] }] })
  t.equal((await back(block)).status, 200)
  t.match(await back({ ...block, thinking: 'I saw.' }), {
    status: 400,
    json: { error: { message: /Invalid `signature`/ } },
  })
})

t.test('a prompt is written to the cache up to its marks, then read', async (t) => {
  const system = (text: string, ttl: string) => ({
    type: 'text',
    text: `${text} `.repeat(20),
    cache_control: { type: 'ephemeral', ttl },
  })
  const body = { system: [system('first', '1h'), system('second', '5m')] }
  const [written, read] = [(await ask(body)).json.usage, (await ask(body)).json.usage]
  t.match(written, { cache_read_input_tokens: 0 })
  const { ephemeral_1h_input_tokens: long, ephemeral_5m_input_tokens: short } = written.cache_creation
  t.ok(long > 20 && short > 20)
  t.equal(written.cache_creation_input_tokens, long + short)
  t.match(read, {
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: long + short,
    input_tokens: written.input_tokens,
  })
  const longer = { system: [system('first', '1h'), system('third', '5m')] }
  t.match((await ask(longer)).json.usage, {
    cache_read_input_tokens: long,
    cache_creation: { ephemeral_1h_input_tokens: 0 },
  })
})

t.test('the output limit is honoured, and nothing is answered to a limit of nothing', async (t) => {
  t.match((await ask({ max_tokens: 7 })).json, { stop_reason: 'max_tokens', usage: { output_tokens: 7 } })
  t.match((await ask({ max_tokens: 0 })).json, { content: [], usage: { output_tokens: 0 } })
  t.match((await ask({ max_tokens: 7 }, { 'x-sim-fault': 'overrun' })).json.usage, { output_tokens: 14 })
})

t.test('counting counts what a message would be billed for', async (t) => {
  const { json } = await ask({ tools: [{ name: 'f', input_schema: {} }] }, {}, '/messages/count_tokens')
  t.equal(json.input_tokens, (await ask({ tools: [{ name: 'f', input_schema: {} }] })).json.usage.input_tokens)
})
