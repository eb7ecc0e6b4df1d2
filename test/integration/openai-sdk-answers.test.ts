import type OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import type { ChatCompletionChunk, ChatCompletionCreateParamsStreaming } from 'openai/resources'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { headerValue } from '../../sidecar/answer/headers.ts'
import { billedExactly, openaiAt, sameBothWays, withoutTimes } from '../support/sdk.ts'
import { providerYaml } from '../support/sidecar.ts'
import { type Twins, twinsFor } from '../support/twins.ts'

const MINI = 'gpt-4.1-mini'
const HELLO = { role: 'user' as const, content: 'Say something about spending.' }
const hello = () => ({ model: MINI, messages: [HELLO] })

async function chunksOf(
  client: OpenAI,
  body: Omit<ChatCompletionCreateParamsStreaming, 'stream'>,
): Promise<readonly ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = []
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) chunks.push(chunk)
  return chunks
}

const textOf = (chunks: readonly ChatCompletionChunk[], index = 0): string =>
  chunks
    .flatMap(({ choices }) => choices.filter((each) => each.index === index))
    .reduce((all, { delta }) => all + (delta.content ?? ''), '')

t.test(
  'what the SDK is told of an answer is what it is told without us, and its cost is the provider’s bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (client: OpenAI) => Promise<T>, headers = {}): Promise<T> =>
      sameBothWays(t, twins, tag, ask, { headers })

    await t.test('a plain answer, its headers and its request id', async (t) => {
      const told = await same(t, 'plain', async (client) => {
        const { data, response, request_id } = await client.chat.completions.create(hello()).withResponse()
        const limit = response.headers.get('x-ratelimit-remaining-requests')
        return {
          data,
          request_id,
          limit,
          cookies: response.headers.getSetCookie(),
          own: Reflect.get(data, '_request_id'),
        }
      })
      t.match(told, { request_id: /^req_/, limit: '9999', cookies: [/^__cf_bm=/, /^_cfuvid=/] })
      t.match(told.data.choices, [{ message: { content: /\w/ }, finish_reason: 'stop' }])
    })

    await t.test('a stream without a usage report has none', async (t) => {
      const chunks = await same(t, 'stream', (client) => chunksOf(client, hello()))
      t.ok(textOf(chunks).length > 10)
      t.notOk(chunks.some((chunk) => 'usage' in chunk || chunk.choices.length === 0))
    })

    await t.test('nor has one that says that it wants none', async (t) => {
      const chunks = await same(t, 'stream without usage', (client) =>
        chunksOf(client, { ...hello(), stream_options: { include_usage: false } }),
      )
      t.notOk(chunks.some((chunk) => 'usage' in chunk || chunk.choices.length === 0))
    })

    await t.test('a stream with a usage report has it in its last chunk', async (t) => {
      const chunks = await same(t, 'stream with usage', (client) =>
        chunksOf(client, { ...hello(), stream_options: { include_usage: true } }),
      )
      t.match(chunks.at(-1), { choices: [], usage: { total_tokens: Number, completion_tokens_details: Object } })
      t.ok(chunks.slice(0, -1).every(({ usage }) => usage === null))
    })

    await t.test('the stream helper puts the same completion together', async (t) => {
      const told = await same(t, 'helper', async (client) => {
        const stream = client.chat.completions.stream({ ...hello(), stream_options: { include_usage: true } })
        return { final: await stream.finalChatCompletion(), usage: await stream.totalUsage() }
      })
      t.ok(told.usage.total_tokens > 0)
    })

    await t.test('several choices, plain and streamed', async (t) => {
      const plain = await same(t, 'choices', (client) => client.chat.completions.create({ ...hello(), n: 3 }))
      t.equal(plain.choices.length, 3)
      const chunks = await same(t, 'streamed choices', (client) => chunksOf(client, { ...hello(), n: 3 }))
      t.strictSame(
        [0, 1, 2].map((index) => textOf(chunks, index)),
        plain.choices.map(({ message }) => message.content),
      )
    })

    await t.test('log probabilities, plain and streamed', async (t) => {
      const asked = { ...hello(), logprobs: true, top_logprobs: 2 }
      const plain = await same(t, 'logprobs', (client) => client.chat.completions.create(asked))
      t.match(plain.choices[0]?.logprobs?.content?.[0], { token: String, bytes: Array, top_logprobs: { length: 2 } })
      const chunks = await same(t, 'streamed logprobs', (client) => chunksOf(client, asked))
      t.ok(chunks.some(({ choices }) => choices[0]?.logprobs?.content?.length === 1))
    })

    await t.test('a spoken answer, plain and streamed', async (t) => {
      const asked = {
        ...hello(),
        modalities: ['text' as const, 'audio' as const],
        audio: { voice: 'alloy', format: 'pcm16' as const },
      }
      const plain = await same(t, 'audio', (client) => client.chat.completions.create(asked))
      t.match(plain.choices[0]?.message, { content: null, audio: { id: /^audio_/, data: /\w/, transcript: /\w/ } })
      t.ok((plain.usage?.completion_tokens_details?.audio_tokens ?? 0) > 0)
      const chunks = await same(t, 'streamed audio', (client) => chunksOf(client, asked))
      const spoken = chunks.map(({ choices }) => choices[0]?.delta.audio?.transcript ?? '').join('')
      t.equal(spoken, plain.choices[0]?.message.audio?.transcript)
    })

    await t.test('a refusal, plain and streamed', async (t) => {
      const refusing = { 'x-sim-fault': 'refusal' }
      const plain = await same(t, 'refusal', (client) => client.chat.completions.create(hello()), refusing)
      t.match(plain.choices[0]?.message, { content: null, refusal: /\w/ })
      const chunks = await same(t, 'streamed refusal', (client) => chunksOf(client, hello()), refusing)
      t.equal(chunks.map(({ choices }) => choices[0]?.delta.refusal ?? '').join(''), plain.choices[0]?.message.refusal)
    })

    await t.test('structured output, parsed by the SDK', async (t) => {
      const Report = z.object({
        title: z.string(),
        cents: z.int(),
        tags: z.array(z.enum(['a', 'b'])),
        note: z.string().nullable(),
      })
      const asked = { ...hello(), response_format: zodResponseFormat(Report, 'report') }
      const plain = await same(t, 'parse', (client) => client.chat.completions.parse(asked))
      t.ok(Report.safeParse(plain.choices[0]?.message.parsed).success)
      const streamed = await same(t, 'streamed parse', (client) =>
        client.chat.completions.stream(asked).finalChatCompletion(),
      )
      t.strictSame(streamed.choices[0]?.message.parsed, plain.choices[0]?.message.parsed)
    })

    await t.test('structured output that the limit cut short is the SDK’s error, and billed', async (t) => {
      const asked = {
        ...hello(),
        max_completion_tokens: 3,
        response_format: zodResponseFormat(z.object({ long: z.string() }), 'cut'),
      }
      const told = await same(t, 'cut parse', (client) =>
        client.chat.completions.parse(asked).catch((error: Error) => [error.constructor.name, error.message]),
      )
      t.match(told, ['LengthFinishReasonError', /length limit/])
    })

    await t.test('JSON mode, a reasoning model, a service tier, a predicted output', async (t) => {
      await same(t, 'json mode', (client) =>
        client.chat.completions.create({ ...hello(), response_format: { type: 'json_object' } }),
      )
      const reasoned = await same(t, 'reasoning', (client) =>
        client.chat.completions.create({
          ...hello(),
          model: 'gpt-5',
          reasoning_effort: 'low',
          service_tier: 'flex',
          max_completion_tokens: 400,
        }),
      )
      t.match(reasoned, { service_tier: 'flex', usage: { completion_tokens_details: { reasoning_tokens: 32 } } })
      const predicted = await same(t, 'prediction', (client) =>
        client.chat.completions.create({
          ...hello(),
          prediction: { type: 'content', content: 'one two three four five six' },
        }),
      )
      t.ok((predicted.usage?.completion_tokens_details?.rejected_prediction_tokens ?? 0) > 0)
    })

    await t.test('an answer from the web has its citations, and the search is in the cost', async (t) => {
      for (const [tag, model, options] of [
        ['search', 'gpt-4o-search-preview', {}],
        ['search always', 'gpt-4o-mini-search-preview', undefined],
      ] as const) {
        const asked = { model, messages: [HELLO], ...(options ? { web_search_options: options } : {}) }
        const plain = await same(t, tag, (client) => client.chat.completions.create(asked))
        t.match(plain.choices[0]?.message.annotations, [{ url_citation: { url: /^https/ } }])
        const chunks = await same(t, `streamed ${tag}`, (client) => chunksOf(client, asked))
        t.ok(chunks.some(({ choices }) => choices[0] && 'annotations' in choices[0].delta))
      }
      t.ok(BigInt(twins.behind.bill.entries().find(({ tag }) => tag === 'search')?.costPicoUsd ?? 0) > 35_000_000_000n)
    })

    await t.test('a compressed answer', async (t) => {
      for (const encoding of ['gzip', 'br', 'deflate']) {
        await same(t, encoding, (client) => client.chat.completions.create(hello()), { 'x-sim-encoding': encoding })
        await same(t, `streamed ${encoding}`, (client) => chunksOf(client, hello()), { 'x-sim-encoding': encoding })
      }
    })
  },
)

/** One pixel, as a picture. */
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const picture = (url: string) => ({
  model: MINI,
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: 'What is this?' },
        { type: 'image_url' as const, image_url: { url } },
      ],
    },
  ],
})

t.test('images pass inline, and by URL as the policy says', async (t) => {
  const withChoice = (onUnbounded: string): Promise<Twins> =>
    twinsFor(t, { policies: { 'provider.yaml': providerYaml({ onUnbounded }) } })
  const reserving = await withChoice('contextWindow')
  await sameBothWays(t, reserving, 'inline', (client) => client.chat.completions.create(picture(PIXEL)))
  await sameBothWays(t, reserving, 'by url', (client) =>
    client.chat.completions.create(picture('https://example.com/a.png')),
  )

  const counting = await withChoice('allowCounted')
  await sameBothWays(t, counting, 'counted', (client) =>
    client.chat.completions.create(picture('https://example.com/a.png')),
  )

  const denying = await withChoice('deny')
  await sameBothWays(t, denying, 'inline', (client) => client.chat.completions.create(picture(PIXEL)))
  const refused = openaiAt(`${denying.sidecar.url}/v1`, 'refused').chat.completions.create(
    picture('https://example.com/a.png'),
  )
  await t.rejects(refused, { status: 403, code: 'acc_request_unbounded', message: /an image by URL/ })
})

t.test('every way to write the base URL and the key reaches the provider', async (t) => {
  const twins = await twinsFor(t)
  const direct = await openaiAt(`${twins.direct.url}/v1`, 'direct').chat.completions.create(hello())
  for (const base of ['/openai/v1', '/openai', '/v1', '', '/openai/v1/']) {
    const tag = `base:${base}`
    const answer = await openaiAt(twins.sidecar.url + base, tag).chat.completions.create(hello())
    t.strictSame(withoutTimes(answer), withoutTimes(direct), tag)
    t.equal(twins.behind.requests().at(-1)?.target, '/v1/chat/completions')
    await billedExactly(t, twins, tag)
  }
  const byApiKey = { headers: { 'api-key': 'azure-style', authorization: null } }
  const answer = await openaiAt(`${twins.sidecar.url}/openai/v1`, 'api-key').chat.completions.create(hello(), byApiKey)
  t.strictSame(withoutTimes(answer), withoutTimes(direct))
  const { rawHeaders = [] } = twins.behind.requests().at(-1) ?? {}
  t.equal(headerValue(rawHeaders, 'api-key'), 'azure-style')
  t.equal(headerValue(rawHeaders, 'authorization'), null)
  await billedExactly(t, twins, 'api-key')
})

t.test('endpoints without a price pass as they are, and are counted', async (t) => {
  const twins = await twinsFor(t)
  const ways = [`${twins.direct.url}/v1`, `${twins.sidecar.url}/openai/v1`].map((url) => openaiAt(url, 'unpriced'))
  const [direct, through] = await Promise.all(
    ways.map(async (client) => ({
      models: (await client.models.list()).data,
      model: await client.models.retrieve(MINI),
      unknown: await client.models.retrieve('no-such-model').catch((error: Error) => error.message),
      moderation: await client.moderations.create({ input: 'hello' }),
      files: await client.files.list().catch((error: Error) => [error.constructor.name, error.message]),
    })),
  )
  t.strictSame(through, direct)
  t.match(through, { models: { length: 9 }, model: { id: MINI }, unknown: /^404/, files: ['NotFoundError', /^404/] })
  const events = await twins.sidecar.events(5)
  t.strictSame(events.map(({ operation, outcome }) => [operation, outcome]).sort(), [
    ['files', 'completed'],
    ['models', 'completed'],
    ['models', 'completed'],
    ['models', 'completed'],
    ['moderations', 'completed'],
  ])
  t.ok(events.every(({ attempts }) => attempts[0]?.chargedNanoUsd === '0'))
})
