import type OpenAI from 'openai'
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import type {
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseInput,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { openaiAt, sameBothWays } from '../support/sdk.ts'
import { eventsOf, twinsFor } from '../support/twins.ts'

type Asked = ResponseCreateParamsNonStreaming

const MINI = 'gpt-4.1-mini'
const hello = (): Asked => ({ model: MINI, input: 'Say something about spending.' })
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const WEATHER = {
  type: 'function' as const,
  name: 'weather',
  description: 'Tells the weather.',
  strict: true,
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
}
const REFUSING = { 'x-sim-fault': 'refusal' }

async function eventsFrom(client: OpenAI, body: Asked): Promise<readonly ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = []
  for await (const event of await client.responses.create({ ...body, stream: true })) events.push(event)
  return events
}

/** An answer as the next request's input: as the client keeps it. */
const kept = ({ output }: Response): ResponseInput =>
  output.flatMap((item) =>
    item.type === 'message' ||
    item.type === 'reasoning' ||
    item.type === 'function_call' ||
    item.type === 'custom_tool_call'
      ? [item]
      : [],
  )

const textOf = (events: readonly ResponseStreamEvent[], type: string): string =>
  events.map((event) => (event.type === type && 'delta' in event ? event.delta : '')).join('')

t.test('what the SDK is told of a response is what it is told without us, and its cost is the bill', async (t) => {
  const twins = await twinsFor(t)
  const same = <T>(t: Test, tag: string, ask: (client: OpenAI) => Promise<T>, headers = {}): Promise<T> =>
    sameBothWays(t, twins, tag, ask, { headers })

  await t.test('plain, its headers and its request id', async (t) => {
    const told = await same(t, 'plain', async (client) => {
      const { data, response, request_id } = await client.responses.create(hello()).withResponse()
      return { data, request_id, limit: response.headers.get('x-ratelimit-remaining-requests') }
    })
    t.match(told, { request_id: /^req_/, limit: '9999', data: { status: 'completed', output_text: /\w/ } })
  })

  await t.test('streamed, with every event and its number', async (t) => {
    const events = await same(t, 'stream', (client) => eventsFrom(client, { ...hello(), instructions: 'Be brief.' }))
    t.strictSame(
      events.map(({ sequence_number }) => sequence_number),
      [...events.keys()],
    )
    t.strictSame(
      [...new Set(events.map(({ type }) => type))],
      [
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        'response.completed',
      ],
    )
    t.ok(textOf(events, 'response.output_text.delta').length > 10)
  })

  await t.test('the stream helper puts the same response together', async (t) => {
    const told = await same(t, 'helper', (client) =>
      client.responses.stream({ ...hello(), stream: true }).finalResponse(),
    )
    t.match(told, { status: 'completed', output_text: /\w/, usage: { output_tokens: 40 } })
  })

  await t.test('a limit that breaks it off, plain and streamed', async (t) => {
    const asked = { ...hello(), max_output_tokens: 16 }
    const plain = await same(t, 'limit', (client) => client.responses.create(asked))
    t.match(plain, {
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { output_tokens: 16 },
    })
    const events = await same(t, 'streamed limit', (client) => eventsFrom(client, asked))
    t.equal(events.at(-1)?.type, 'response.incomplete')
  })

  await t.test('tools of both kinds, called and answered, plain and streamed', async (t) => {
    const tools: Asked['tools'] = [WEATHER, { type: 'custom', name: 'note' }]
    const told = await same(t, 'tools', async (client) => {
      const called = await client.responses.create({ ...hello(), tools })
      const results: ResponseInput = called.output.flatMap(
        (item): ResponseInput =>
          item.type === 'function_call'
            ? [{ type: 'function_call_output' as const, call_id: item.call_id, output: 'Rain.' }]
            : item.type === 'custom_tool_call'
              ? [{ type: 'custom_tool_call_output' as const, call_id: item.call_id, output: 'Noted.' }]
              : [],
      )
      const input = [{ role: 'user' as const, content: 'Say something.' }, ...kept(called), ...results]
      return { called, answer: await client.responses.create({ model: MINI, tools, input }) }
    })
    t.match(told.called.output, [
      { type: 'function_call', name: 'weather' },
      { type: 'custom_tool_call', name: 'note', input: /\w/ },
    ])
    t.match(told.answer, { output_text: /\w/ })
    const events = await same(t, 'streamed tools', (client) => eventsFrom(client, { ...hello(), tools }))
    t.match(JSON.parse(textOf(events, 'response.function_call_arguments.delta')), { city: String })
    t.ok(textOf(events, 'response.custom_tool_call_input.delta').length > 5)
  })

  await t.test('structured output and parsed calls', async (t) => {
    const Report = z.object({ title: z.string(), cents: z.int() })
    const format = { text: { format: zodTextFormat(Report, 'report') } }
    const made = await same(t, 'parsed', (client) => client.responses.parse({ ...hello(), ...format }))
    t.ok(Report.safeParse(made.output_parsed).success)
    const streamed = await same(t, 'parsed stream', (client) =>
      client.responses.stream({ ...hello(), ...format, stream: true }).finalResponse(),
    )
    t.ok(Report.safeParse(streamed.output_parsed).success)
    const tools = [zodResponsesFunction({ name: 'report', parameters: Report })]
    const called = await same(t, 'parsed call', (client) => client.responses.parse({ ...hello(), tools }))
    t.match(called.output, [{ type: 'function_call', parsed_arguments: { title: String, cents: Number } }])
  })

  await t.test('an image in the request, and in what a tool gives back', async (t) => {
    const image = { type: 'input_image' as const, image_url: PIXEL, detail: 'auto' as const }
    const input: Asked['input'] = [
      { role: 'user', content: [{ type: 'input_text', text: 'What is it?' }, image] },
      { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_1', output: [image] },
    ]
    t.match(await same(t, 'image', (client) => client.responses.create({ model: MINI, input })), { output_text: /\w/ })
  })

  await t.test('a refusal, plain and streamed', async (t) => {
    const plain = await same(t, 'refusal', (client) => client.responses.create(hello()), REFUSING)
    t.match(plain.output, [{ content: [{ type: 'refusal', refusal: /\w/ }] }])
    const events = await same(t, 'streamed refusal', (client) => eventsFrom(client, hello()), REFUSING)
    t.ok(textOf(events, 'response.refusal.delta').length > 10)
  })

  await t.test('reasoning, summarised and sealed, and gone on with', async (t) => {
    const asked: Asked = {
      model: 'gpt-5-mini',
      input: 'Think.',
      store: false,
      reasoning: { summary: 'auto' },
      include: ['reasoning.encrypted_content'],
    }
    const told = await same(t, 'reasoning', async (client) => {
      const first = await client.responses.create(asked)
      return {
        first,
        next: await client.responses.create({ ...asked, input: [...kept(first), { role: 'user', content: 'And?' }] }),
      }
    })
    t.match(told.first, {
      output: [{ type: 'reasoning', summary: [{ text: /\w/ }], encrypted_content: /\w/ }, { type: 'message' }],
      usage: { output_tokens_details: { reasoning_tokens: 32 } },
    })
    const events = await same(t, 'streamed reasoning', (client) => eventsFrom(client, asked))
    t.ok(textOf(events, 'response.reasoning_summary_text.delta').length > 5)
    const [event] = await eventsOf(twins.sidecar, 'streamed reasoning', 1)
    t.match(event?.attempts, [{ usage: { outputReasoning: 32, outputVisible: 40 } }])
  })

  await t.test('a prompt that is cached, read and written', async (t) => {
    const instructions = 'Long rules. '.repeat(600)
    const cached = await same(t, 'cached', async (client) => {
      await client.responses.create({ ...hello(), instructions })
      return client.responses.create({ ...hello(), instructions })
    })
    t.ok((cached.usage?.input_tokens_details.cached_tokens ?? 0) > 1_000)
    const asked: Asked = { ...hello(), model: 'gpt-5.6-terra', instructions, prompt_cache_options: { ttl: '12h' } }
    const written = await same(t, 'written', (client) => client.responses.create(asked))
    t.ok((written.usage?.input_tokens_details.cache_write_tokens ?? 0) > 1_000)
    const [event] = await eventsOf(twins.sidecar, 'written', 1)
    t.ok((event?.attempts[0]?.usage?.cacheWrite1h ?? 0) > 1_000)
  })

  await t.test('an earlier response and a conversation, by their ids', async (t) => {
    const told = await same(t, 'earlier', async (client) => {
      const first = await client.responses.create({ ...hello(), input: 'A long story. '.repeat(40) })
      return client.responses.create({ ...hello(), previous_response_id: first.id })
    })
    t.ok((told.usage?.input_tokens ?? 0) > 100, 'what came before is billed')
    const talk = await same(t, 'conversation', async (client) => {
      const { id } = await client.conversations.create({}, { headers: { 'x-acc-task': 'talk' } })
      await client.responses.create({ ...hello(), conversation: id })
      return client.responses.create({ ...hello(), conversation: { id } })
    })
    t.ok((talk.usage?.input_tokens ?? 0) > 40)
  })

  await t.test('hosted searches, with their fees', async (t) => {
    const tools: Asked['tools'] = [{ type: 'web_search' }]
    const plain = await same(t, 'search', (client) => client.responses.create({ ...hello(), tools, max_tool_calls: 2 }))
    t.match(plain.output, [{ type: 'web_search_call' }, { type: 'web_search_call' }, { type: 'message' }])
    const events = await same(t, 'streamed search', (client) =>
      eventsFrom(client, { ...hello(), tools, max_tool_calls: 1 }),
    )
    t.ok(events.some(({ type }) => type === 'response.web_search_call.searching'))
    const [event] = await eventsOf(twins.sidecar, 'streamed search', 1)
    t.match(event?.attempts, [{ usage: { hostedToolCalls: 1 } }])
  })

  await t.test('service tiers', async (t) => {
    for (const service_tier of ['flex', 'priority', 'fast', 'auto'] as const) {
      const asked = { ...hello(), model: 'gpt-5-mini', service_tier }
      const told = await same(t, service_tier, (client) => client.responses.create(asked))
      t.equal(
        told.service_tier,
        service_tier === 'fast' ? 'priority' : service_tier === 'auto' ? 'default' : service_tier,
      )
    }
  })
})

t.test('what costs nothing passes, and is counted', async (t) => {
  const twins = await twinsFor(t)
  const ask = async (url: string): Promise<object> => {
    const client = openaiAt(url, 'free')
    const made = await client.responses.create(hello())
    const counted = await client.responses.inputTokens.count({ model: MINI, input: 'hello' })
    const again = await client.responses.retrieve(made.id)
    const items = await client.responses.inputItems.list(made.id)
    await client.responses.delete(made.id)
    const gone = await client.responses.retrieve(made.id).catch(({ status }) => status)
    return { counted, output: again.output, items: items.data, gone }
  }
  const through = await ask(`${twins.sidecar.url}/v1`)
  t.strictSame(through, await ask(`${twins.direct.url}/v1`))
  t.match(through, { counted: { input_tokens: Number }, items: [{ role: 'user' }], gone: 404 })
  const events = await eventsOf(twins.sidecar, 'free', 6)
  t.equal(events.filter(({ attempts }) => attempts.some(({ precision }) => precision === 'exact')).length, 1)
})
