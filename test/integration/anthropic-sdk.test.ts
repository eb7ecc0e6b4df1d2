import type Anthropic from '@anthropic-ai/sdk'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import type { MessageCreateParamsBase, RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { headerValue } from '../../sidecar/answer/headers.ts'
import { anthropicAt, sameMessages } from '../support/anthropic.ts'
import { billedExactly, withoutTimes } from '../support/sdk.ts'
import { providerYaml } from '../support/sidecar.ts'
import { type Twins, twinsFor } from '../support/twins.ts'

const MODEL = 'claude-haiku-4-5'
const HELLO = { role: 'user' as const, content: 'Say something about spending.' }
const hello = () => ({ model: MODEL, max_tokens: 200, messages: [HELLO] })
const WEATHER = {
  name: 'weather',
  description: 'Tells the weather.',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
}

async function eventsOfStream(
  client: Anthropic,
  body: Omit<MessageCreateParamsBase, 'stream'>,
): Promise<readonly RawMessageStreamEvent[]> {
  const events: RawMessageStreamEvent[] = []
  for await (const event of await client.messages.create({ ...body, stream: true })) events.push(event)
  return events
}

t.test(
  'what the SDK is told of a message is what it is told without us, and its cost is the provider’s bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (client: Anthropic) => Promise<T>, headers = {}): Promise<T> =>
      sameMessages(t, twins, tag, ask, { headers })

    await t.test('a plain message, its headers and its request id', async (t) => {
      const told = await same(t, 'plain', async (client) => {
        const { data, response, request_id } = await client.messages.create(hello()).withResponse()
        return { data, request_id, limit: response.headers.get('anthropic-ratelimit-requests-remaining') }
      })
      t.match(told, { request_id: /^req_/, limit: '3999' })
      t.match(told.data, {
        content: [{ type: 'text', text: /\w/ }],
        stop_reason: 'end_turn',
        usage: { output_tokens: 40 },
      })
    })

    await t.test('a stream, event by event, and put together by the helper', async (t) => {
      const events = await same(t, 'stream', (client) => eventsOfStream(client, hello()))
      t.strictSame(
        [...new Set(events.map(({ type }) => type))],
        [
          'message_start',
          'content_block_start',
          'content_block_delta',
          'content_block_stop',
          'message_delta',
          'message_stop',
        ],
      )
      const final = await same(t, 'helper', (client) => client.messages.stream(hello()).finalMessage())
      t.match(final.content, [{ type: 'text', text: /\w/ }])
    })

    await t.test('tools, called and answered, plain and streamed', async (t) => {
      const asked = { ...hello(), tools: [WEATHER] }
      const called = await same(t, 'tool', (client) => client.messages.create(asked))
      t.match(called, {
        stop_reason: 'tool_use',
        content: [{ type: 'tool_use', name: 'weather', input: { city: String } }],
      })
      const streamed = await same(t, 'streamed tool', (client) => client.messages.stream(asked).finalMessage())
      t.strictSame(streamed.content, called.content)
      const [call] = called.content
      const results = [
        { type: 'tool_result' as const, tool_use_id: call?.type === 'tool_use' ? call.id : '', content: 'Rain.' },
      ]
      const messages = [
        HELLO,
        { role: 'assistant' as const, content: called.content },
        { role: 'user' as const, content: results },
      ]
      const answered = await same(t, 'tool result', (client) => client.messages.create({ ...asked, messages }))
      t.match(answered, { stop_reason: 'end_turn', content: [{ type: 'text' }] })
      const choice = { tool_choice: { type: 'tool' as const, name: 'weather', disable_parallel_tool_use: true } }
      t.match(await same(t, 'tool choice', (client) => client.messages.create({ ...asked, ...choice })), {
        content: { length: 1 },
      })
    })

    await t.test('thinking, shown and hidden, and given back as it was signed', async (t) => {
      const thinking = { type: 'enabled' as const, budget_tokens: 1_024 }
      const asked = { ...hello(), max_tokens: 2_000, thinking }
      const thought = await same(t, 'thinking', (client) => client.messages.create(asked))
      t.match(thought, {
        content: [{ type: 'thinking', thinking: /\w/, signature: /\w/ }, { type: 'text' }],
        usage: { output_tokens_details: { thinking_tokens: 32 } },
      })
      const streamed = await same(t, 'streamed thinking', (client) => client.messages.stream(asked).finalMessage())
      t.strictSame(streamed.content, thought.content)
      const messages = [HELLO, { role: 'assistant' as const, content: thought.content }, HELLO]
      await same(t, 'thought before', (client) => client.messages.create({ ...asked, messages }))
      const hidden = { ...asked, thinking: { type: 'adaptive' as const, display: 'omitted' as const } }
      const omitted = await same(t, 'omitted thinking', (client) => client.messages.create(hidden))
      t.match(omitted.content, [{ type: 'thinking', thinking: '', signature: /\w/ }, { type: 'text' }])
    })

    await t.test('a prompt that is cached, for five minutes and for an hour, and read again', async (t) => {
      const system = [
        {
          type: 'text' as const,
          text: 'Long rules. '.repeat(200),
          cache_control: { type: 'ephemeral' as const, ttl: '1h' as const },
        },
        { type: 'text' as const, text: 'Short rules. '.repeat(100), cache_control: { type: 'ephemeral' as const } },
      ]
      const ask = (client: Anthropic) => client.messages.create({ ...hello(), system })
      const written = await same(t, 'cache write', ask)
      t.ok(
        (written.usage.cache_creation?.ephemeral_1h_input_tokens ?? 0) >
          (written.usage.cache_creation?.ephemeral_5m_input_tokens ?? 0),
      )
      const read = await same(t, 'cache read', ask)
      t.match(read.usage, {
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: written.usage.cache_creation_input_tokens,
      })
      const streamed = await same(t, 'streamed cache read', (client) =>
        client.messages.stream({ ...hello(), system }).finalMessage(),
      )
      t.equal(streamed.usage.cache_read_input_tokens, read.usage.cache_read_input_tokens)
    })

    await t.test('structured output, parsed by the SDK', async (t) => {
      const Report = z.object({ title: z.string(), cents: z.int(), tags: z.array(z.enum(['a', 'b'])) })
      const asked = { ...hello(), output_config: { format: zodOutputFormat(Report) } }
      const plain = await same(t, 'parse', (client) => client.messages.parse(asked))
      t.ok(Report.safeParse(plain.parsed_output).success)
      const streamed = await same(t, 'streamed parse', (client) => client.messages.stream(asked).finalMessage())
      t.strictSame(streamed.parsed_output, plain.parsed_output)
    })

    await t.test('a refusal, a stop sequence, and a limit that cuts the text short', async (t) => {
      const refusing = { 'x-sim-fault': 'refusal' }
      t.match(await same(t, 'refusal', (client) => client.messages.create(hello()), refusing), {
        stop_reason: 'refusal',
      })
      const stopping = { ...hello(), stop_sequences: ['e'] }
      t.match(await same(t, 'stop', (client) => client.messages.create(stopping)), {
        stop_reason: 'stop_sequence',
        stop_sequence: 'e',
      })
      t.match(await same(t, 'limit', (client) => client.messages.create({ ...hello(), max_tokens: 5 })), {
        stop_reason: 'max_tokens',
        usage: { output_tokens: 5 },
      })
    })

    await t.test('beta features, and the headers that go with every request', async (t) => {
      const compacting = {
        ...hello(),
        betas: ['compact-2026-01-12' as const],
        context_management: { edits: [{ type: 'clear_tool_uses_20250919' as const }] },
      }
      await same(t, 'beta', (client) => client.beta.messages.create(compacting))
      const { target, rawHeaders = [] } = twins.behind.requests().at(-1) ?? {}
      t.equal(target, '/anthropic/v1/messages')
      t.equal(headerValue(rawHeaders, 'anthropic-beta'), 'compact-2026-01-12')
      t.equal(headerValue(rawHeaders, 'anthropic-version'), '2026-10-21')
      t.equal(headerValue(rawHeaders, 'authorization'), 'Bearer sk-ant-test')
    })

    await t.test('web searches of a bounded number, each with its fee', async (t) => {
      const tools = [{ type: 'web_search_20250305' as const, name: 'web_search' as const, max_uses: 2 }]
      const asked = { ...hello(), model: 'claude-sonnet-5', tools }
      const found = await same(t, 'search', (client) => client.messages.create(asked))
      t.match(found.usage.server_tool_use, { web_search_requests: 2 })
      await same(t, 'streamed search', (client) => client.messages.stream(asked).finalMessage())
    })

    await t.test('a compressed message', async (t) => {
      for (const encoding of ['gzip', 'br', 'deflate']) {
        const headers = { 'x-sim-encoding': encoding }
        await same(t, encoding, (client) => client.messages.create(hello()), headers)
        await same(t, `streamed ${encoding}`, (client) => eventsOfStream(client, hello()), headers)
      }
    })
  },
)

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const picture = (source: Anthropic.ImageBlockParam['source']) => ({
  ...hello(),
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, source },
        { type: 'text' as const, text: 'What is it?' },
      ],
    },
  ],
})
const INLINE = picture({ type: 'base64', media_type: 'image/png', data: PIXEL })
const BY_URL = picture({ type: 'url', url: 'https://example.com/a.png' })

t.test('images pass inline, and by URL as the policy says', async (t) => {
  const withChoice = (onUnbounded: string): Promise<Twins> =>
    twinsFor(t, { policies: { 'provider.yaml': providerYaml({ onUnbounded }, 'anthropic') } })
  const reserving = await withChoice('contextWindow')
  await sameMessages(t, reserving, 'inline', (client) => client.messages.create(INLINE))
  await sameMessages(t, reserving, 'by url', (client) => client.messages.create(BY_URL))
  const counting = await withChoice('allowCounted')
  await sameMessages(t, counting, 'counted', (client) => client.messages.create(BY_URL))
  await sameMessages(t, counting, 'compaction', (client) =>
    client.beta.messages.create({
      ...hello(),
      betas: ['compact-2026-01-12'],
      context_management: { edits: [{ type: 'compact_20260112' }] },
    }),
  )
  const denying = await withChoice('deny')
  await sameMessages(t, denying, 'inline', (client) => client.messages.create(INLINE))
  const refused = anthropicAt(`${denying.sidecar.url}/anthropic`, 'refused').messages.create(BY_URL)
  await t.rejects(refused, { status: 403, errorCode: 'acc_request_unbounded', message: /an image by URL/ })
})

t.test('every way to write the base URL and the key reaches the provider', async (t) => {
  const twins = await twinsFor(t)
  const direct = await anthropicAt(`${twins.direct.url}/anthropic`, 'direct').messages.create(hello())
  for (const base of ['/anthropic', '', '/anthropic/']) {
    const tag = `base:${base}`
    const answer = await anthropicAt(twins.sidecar.url + base, tag).messages.create(hello())
    t.strictSame(withoutTimes(answer), withoutTimes(direct), tag)
    t.equal(twins.behind.requests().at(-1)?.target, '/anthropic/v1/messages')
    await billedExactly(t, twins, tag)
  }
  for (const path of ['/messages', '/anthropic/messages', '/v1/messages?beta=true']) {
    const response = await fetch(twins.sidecar.url + path, {
      method: 'POST',
      headers: {
        'x-api-key': 'key',
        'anthropic-version': '2023-06-01',
        'x-sim-tag': path,
        'x-acc-task': path,
      },
      body: JSON.stringify(hello()),
    })
    t.match(await response.json(), { type: 'message' })
    t.equal(headerValue(twins.behind.requests().at(-1)?.rawHeaders ?? [], 'x-api-key'), 'key')
    await billedExactly(t, twins, path)
  }
})

t.test('endpoints without a price pass as they are, and are counted; a batch does not', async (t) => {
  const twins = await twinsFor(t)
  const [direct, through] = await Promise.all(
    [`${twins.direct.url}/anthropic`, `${twins.sidecar.url}/anthropic`].map(async (url) => {
      const client = anthropicAt(url, 'unpriced')
      return {
        models: (await client.models.list()).data,
        model: await client.models.retrieve(MODEL),
        unknown: await client.models.retrieve('no-such-model').catch((error: Error) => error.message),
        tokens: await client.messages.countTokens({ model: MODEL, messages: [HELLO] }),
      }
    }),
  )
  t.strictSame(through, direct)
  t.match(through, { model: { id: MODEL }, unknown: /^404/, tokens: { input_tokens: 15 } })
  await anthropicAt(twins.sidecar.url, 'unpriced').messages.countTokens({ model: MODEL, messages: [HELLO] })
  const events = await twins.sidecar.events(5)
  t.strictSame(
    events.map(({ operation, outcome }) => `${operation} ${outcome}`).sort(),
    ['messages.count_tokens', 'messages.count_tokens', 'models', 'models', 'models'].map((name) => `${name} completed`),
  )
  t.ok(events.every(({ attempts }) => attempts[0]?.chargedNanoUsd === '0' && attempts[0].provider === 'anthropic'))
  const batch = anthropicAt(`${twins.sidecar.url}/anthropic`, 'batch').messages.batches.create({
    requests: [{ custom_id: 'a', params: hello() }],
  })
  await t.rejects(batch, { status: 403, errorCode: 'acc_endpoint_denied', message: /./ })
})
