import type Anthropic from '@anthropic-ai/sdk'
import type { MessageCreateParamsNonStreaming, MessageParam } from '@anthropic-ai/sdk/resources/messages'
import t from 'tap'
import { anthropicAt, toldByAnthropic } from '../support/anthropic.ts'
import { recordedFetch } from '../support/sdk.ts'
import { budgetYaml, providerYaml, securityYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, type Twins, twinsFor } from '../support/twins.ts'

const ASK = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello' }] }
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`
const THINKING = { type: 'enabled' as const, budget_tokens: 2_000 }

/** A request that the sidecar refuses, and how the SDK must tell of it. */
interface Refused {
  readonly name: string
  readonly agent?: string
  readonly asked?: object
  readonly told: Readonly<Record<string, unknown>>
}

const REFUSALS: readonly Refused[] = [
  {
    name: 'a spent budget',
    agent: 'poor',
    told: {
      class: 'RateLimitError',
      status: 429,
      type: 'rate_limit_error',
      errorCode: 'acc_budget_exceeded',
      apiMessage: /budget "poor" of \$0\.00/,
      details: { budget: 'poor', limit_usd: String, remaining_usd: String, requested_usd: String, resets_at: null },
      body: { type: 'error', request_id: /^[0-9a-f-]{36}$/ },
    },
  },
  {
    name: 'a secret in the prompt',
    agent: 'guarded',
    asked: { messages: [{ role: 'user', content: `my key is ${KEY}` }] },
    told: { class: 'PermissionDeniedError', type: 'permission_error', errorCode: 'acc_security_blocked' },
  },
  {
    name: 'a secret in a tool’s result',
    agent: 'guarded',
    asked: {
      messages: [
        ...ASK.messages,
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'read', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: KEY }] },
      ],
    },
    told: { class: 'PermissionDeniedError', errorCode: 'acc_security_blocked' },
  },
  {
    name: 'a model without a price',
    asked: { model: 'claude-nobody-knows' },
    told: { class: 'PermissionDeniedError', errorCode: 'acc_model_unpriced', message: /claude-nobody-knows/ },
  },
  {
    name: 'a tool that nothing limits',
    asked: { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    told: {
      class: 'PermissionDeniedError',
      errorCode: 'acc_request_unbounded',
      message: /web search without max_uses/,
    },
  },
  {
    name: 'a request without a model',
    asked: { model: '' },
    told: { class: 'BadRequestError', type: 'invalid_request_error', errorCode: 'acc_model_missing' },
  },
  {
    name: 'a body beyond the limit',
    asked: { messages: [{ role: 'user', content: 'long '.repeat(10_000) }] },
    told: { class: 'ContentTooLargeError', type: 'request_too_large', errorCode: 'acc_body_too_large' },
  },
]

const RULED: Parameters<typeof twinsFor>[1] = {
  env: { ACC_BODY_BYTES_MAX: '20000' },
  policies: {
    'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
    'blocks.yaml': securityYaml({ request: 'block', response: 'block', extra: '  selector: { agent: guarded }\n' }),
  },
}

t.test('a refusal is the SDK’s error for its status, told at the first attempt, and costs nothing', async (t) => {
  const { sidecar, behind } = await twinsFor(t, RULED)
  for (const { name, agent = 'other', asked, told } of REFUSALS) {
    for (const stream of [false, true]) {
      await t.test(`${name}${stream ? ', streamed' : ''}`, async (t) => {
        const recorded = recordedFetch()
        const client = anthropicAt(`${sidecar.url}/anthropic`, `${name} ${stream}`.replace('’', ''), {
          maxRetries: 2,
          fetch: recorded.fetch,
          headers: { 'x-acc-agent': agent },
        })
        const error = await client.messages.create({ ...ASK, ...asked, stream }).then(() => ({}), toldByAnthropic)
        t.match(error, told)
        t.notMatch(JSON.stringify(error), KEY.slice(4), 'and never the text')
        t.equal(recorded.attempts.length, 1, 'no attempt is wasted')
      })
    }
  }
  t.equal(behind.requests().length, 0, 'nothing was sent')
  const events = await sidecar.events(REFUSALS.length * 2)
  t.ok(events.every(({ outcome, attempts }) => outcome === 'denied' && attempts.length === 0))
})

t.test('a secret in an answer: blocked, or cut where it is streamed, by the SDK’s own error', async (t) => {
  const { sidecar, behind } = await twinsFor(t, RULED)
  const client = (tag: string, reply: string) =>
    anthropicAt(`${sidecar.url}/anthropic`, tag, {
      headers: { 'x-acc-agent': 'guarded', 'x-sim-reply': encodeURIComponent(reply) },
    })
  const plain = client('plain', `it is ${KEY}`).messages.create({ ...ASK, max_tokens: 1_000 })
  t.match(await plain.then(() => ({}), toldByAnthropic), {
    class: 'PermissionDeniedError',
    errorCode: 'acc_security_blocked',
  })

  let text = ''
  const reading = async (): Promise<void> => {
    const leaking = client('leak', `it is ${KEY} and ${'so on '.repeat(50)}`)
    for await (const event of await leaking.messages.create({ ...ASK, max_tokens: 1_000, stream: true }))
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text
  }
  const error = await reading().then(() => ({}), toldByAnthropic)
  t.match(error, { class: 'APIError', type: 'permission_error', errorCode: 'acc_security_blocked' })
  t.match(text, /^it is /)
  t.notMatch(text, KEY.slice(4, 20))
  for (const tag of ['plain', 'leak']) {
    const [event] = await eventsOf(sidecar, tag, 1)
    t.match(event, { outcome: 'cut', code: 'acc_security_blocked' })
    const billed = behind.bill.entries().find((entry) => entry.tag === tag)
    t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0), 'what was discarded is paid')
  }
})

/** A client of a sidecar that redacts in both directions. */
const redacting = ({ sidecar }: Twins, tag: string, headers: Readonly<Record<string, string>> = {}): Anthropic =>
  anthropicAt(`${sidecar.url}/anthropic`, tag, { headers })
const said = (text: string): Readonly<Record<string, string>> => ({ 'x-sim-reply': encodeURIComponent(text) })
const thought = (text: string): Readonly<Record<string, string>> => ({ 'x-sim-thinking': encodeURIComponent(text) })

t.test('redaction takes secrets out of texts, calls and results, and leaves signed thinking alone', async (t) => {
  const twins = await twinsFor(t, {
    policies: { 'redacts.yaml': securityYaml({ request: 'redact', response: 'redact' }) },
  })
  const asked: MessageCreateParamsNonStreaming = { ...ASK, max_tokens: 4_000, thinking: THINKING }

  await t.test('in a request', async (t) => {
    const messages: readonly MessageParam[] = [
      { role: 'user', content: `my key is ${KEY}` },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'read', input: { key: KEY } }] },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: KEY }] }],
      },
    ]
    await redacting(twins, 'request').messages.create({ ...ASK, messages: [...messages] })
    const sent = twins.behind.requests().at(-1)?.body.toString() ?? ''
    t.notMatch(sent, KEY)
    t.equal(sent.replaceAll(/\[REDACTED:[\w:-]+\]/g, KEY), JSON.stringify({ ...ASK, messages }), 'every other byte')
  })

  await t.test('in an answer, whose thinking the provider still knows for its own', async (t) => {
    const client = redacting(twins, 'answer', said(`it is ${KEY}.`))
    for (const answer of [await client.messages.create(asked), await client.messages.stream(asked).finalMessage()]) {
      t.match(answer.content, [{ type: 'thinking' }, { type: 'text', text: /^it is \[REDACTED:[\w:-]+\]\.$/ }])
      const messages = [...ASK.messages, { role: 'assistant' as const, content: answer.content }, ...ASK.messages]
      t.match(await client.messages.create({ ...asked, messages }), { type: 'message' })
    }
  })

  await t.test('a secret in thinking cannot be taken out: the answer is blocked, or cut', async (t) => {
    const client = redacting(twins, 'thought', thought(`it is ${KEY}, I think`))
    const plain = await client.messages.create(asked).then(() => ({}), toldByAnthropic)
    t.match(plain, { class: 'PermissionDeniedError', errorCode: 'acc_security_blocked' })
    const streamed = await client.messages
      .stream(asked)
      .finalMessage()
      .then(() => ({}), toldByAnthropic)
    t.match(streamed, { type: 'permission_error', errorCode: 'acc_security_blocked' })
    t.notMatch(JSON.stringify(streamed), KEY.slice(4))
  })

  await t.test('nor out of thinking that comes back: the request is blocked', async (t) => {
    const requests = twins.behind.requests().length
    const content = [{ type: 'thinking' as const, thinking: `it is ${KEY}`, signature: 'c2ln' }]
    const messages = [...ASK.messages, { role: 'assistant' as const, content }, ...ASK.messages]
    const error = await redacting(twins, 'back')
      .messages.create({ ...asked, messages })
      .then(() => ({}), toldByAnthropic)
    t.match(error, { class: 'PermissionDeniedError', errorCode: 'acc_security_blocked' })
    t.equal(twins.behind.requests().length, requests, 'nothing was sent')
  })
})

t.test('a budget that is nearly spent lowers the limit and the thinking with it, or refuses', async (t) => {
  const twins = await twinsFor(t, {
    policies: {
      // 20 000 of output at $5 a million, and what the prompt may cost, are too much; 10 000 are not.
      'narrow.yaml': budgetYaml({ name: 'narrow', limit: '0.06', agent: 'narrow' }),
      'poor.yaml': budgetYaml({ name: 'poor', limit: '0.005', agent: 'poor' }),
      'provider.yaml': providerYaml({ minOutputTokens: 16 }, 'anthropic'),
    },
  })
  const asked = {
    ...ASK,
    max_tokens: 20_000,
    thinking: { type: 'enabled' as const, budget_tokens: 16_000 },
    stream: true as const,
  }
  const as = (agent: string) =>
    anthropicAt(`${twins.sidecar.url}/anthropic`, agent, { headers: { 'x-acc-agent': agent } })

  const { data, response } = await as('narrow').messages.create(asked).withResponse()
  for await (const _ of data);
  const limit = Number(response.headers.get('x-acc-output-limit'))
  t.ok(limit > 5_000 && limit < 20_000, `${limit}`)
  const sent = JSON.parse(twins.behind.requests().at(-1)?.body.toString() ?? '')
  t.equal(sent.max_tokens, limit)
  t.ok(sent.thinking.budget_tokens >= 1_024 && sent.thinking.budget_tokens < limit)

  // 900 tokens or so could be paid: enough for an answer, too few to think.
  const error = await as('poor')
    .messages.create(asked)
    .then(() => ({}), toldByAnthropic)
  t.match(error, { class: 'RateLimitError', errorCode: 'acc_budget_exceeded' })
  const plain = await as('poor')
    .messages.create({ ...asked, thinking: { type: 'disabled' } })
    .withResponse()
  for await (const _ of plain.data);
  const fewer = Number(plain.response.headers.get('x-acc-output-limit'))
  t.ok(fewer >= 16 && fewer < 1_024, `${fewer}`)
})
