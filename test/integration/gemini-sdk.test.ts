import {
  type Content,
  FunctionCallingConfigMode,
  type GenerateContentParameters,
  type GenerateContentResponse,
  GoogleGenAI,
  type HttpOptions,
  Type,
} from '@google/genai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { geminiAt, sameContent } from '../support/gemini.ts'
import { billedExactly } from '../support/sdk.ts'
import { tagged, twinsFor } from '../support/twins.ts'

const FLASH = 'gemini-2.5-flash'
const hello = (): GenerateContentParameters => ({ model: FLASH, contents: 'Say something about spending.' })
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII='
const spendOf = {
  name: 'spend_of',
  description: 'Tells what a team spent.',
  parameters: {
    type: Type.OBJECT,
    properties: { team: { type: Type.STRING }, days: { type: Type.INTEGER } },
    required: ['team'],
  },
}

async function chunksOf(
  client: GoogleGenAI,
  parameters: GenerateContentParameters,
): Promise<readonly GenerateContentResponse[]> {
  const chunks: GenerateContentResponse[] = []
  for await (const chunk of await client.models.generateContentStream(parameters)) chunks.push(chunk)
  return chunks
}

const textOf = (chunks: readonly GenerateContentResponse[]): string => chunks.map(({ text }) => text ?? '').join('')

t.test(
  'what the SDK is told of content is what it is told without us, and its cost is the provider’s bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (client: GoogleGenAI) => Promise<T>, headers = {}): Promise<T> =>
      sameContent(t, twins, tag, ask, { headers })
    const plain = (t: Test, tag: string, parameters: Partial<GenerateContentParameters>, headers = {}) =>
      same(t, tag, async (client) => client.models.generateContent({ ...hello(), ...parameters }), headers)
    const stream = (t: Test, tag: string, parameters: Partial<GenerateContentParameters>, headers = {}) =>
      same(t, tag, (client) => chunksOf(client, { ...hello(), ...parameters }), headers)

    await t.test('plain content, and its headers', async (t) => {
      const told = await plain(t, 'plain', {})
      t.match(told, {
        candidates: [{ content: { parts: [{ text: /\w/ }], role: 'model' }, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: Number, candidatesTokenCount: 40, thoughtsTokenCount: 32 },
        modelVersion: FLASH,
        responseId: /\w/,
        sdkHttpResponse: { headers: { 'server-timing': /gfet4t7/ } },
      })
    })

    await t.test('a stream, whose usage is told with every event and counts once', async (t) => {
      const chunks = await stream(t, 'stream', {})
      t.equal(textOf(chunks), (await plain(t, 'the same plain', {})).text)
      t.ok(chunks.every(({ usageMetadata }) => (usageMetadata?.promptTokenCount ?? 0) > 0))
      t.match(chunks.at(-1), { candidates: [{ finishReason: 'STOP' }], usageMetadata: { candidatesTokenCount: 40 } })
    })

    await t.test('usage in the last event alone, or told twice', async (t) => {
      await stream(t, 'usage at the end', {}, { 'x-sim-usage-in': 'last-choice' })
      await stream(t, 'usage twice', {}, { 'x-sim-usage-in': 'twice' })
    })

    await t.test('several candidates, plain and streamed', async (t) => {
      const config = { candidateCount: 3 }
      t.equal((await plain(t, 'candidates', { config })).candidates?.length, 3)
      await stream(t, 'streamed candidates', { config })
    })

    await t.test('an output limit, which thoughts count into', async (t) => {
      const told = await plain(t, 'limit', { config: { maxOutputTokens: 20 } })
      t.match(told, { candidates: [{ finishReason: 'MAX_TOKENS' }], usageMetadata: { thoughtsTokenCount: 10 } })
    })

    await t.test('thoughts that are shown, asked to be few, and left out', async (t) => {
      const shown = await stream(t, 'thoughts', {
        model: 'gemini-2.5-pro',
        config: { thinkingConfig: { includeThoughts: true, thinkingBudget: 128 } },
      })
      t.ok(shown.some(({ candidates }) => candidates?.[0]?.content?.parts?.[0]?.thought === true))
      t.equal(shown.at(-1)?.usageMetadata?.thoughtsTokenCount, 128)
      const none = await plain(t, 'no thoughts', { config: { thinkingConfig: { thinkingBudget: 0 } } })
      t.equal(none.usageMetadata?.thoughtsTokenCount, undefined)
    })

    await t.test('functions: called, allowed by name, answered, plain and streamed', async (t) => {
      const config = { tools: [{ functionDeclarations: [spendOf, { ...spendOf, name: 'limit_of' }] }] }
      const called = await plain(t, 'functions', { config, model: 'gemini-3.5-flash' })
      t.match(called.functionCalls, [
        { name: 'spend_of', args: { team: /\w/ } },
        { name: 'limit_of', args: { days: Number } },
      ])
      const [first] = called.functionCalls ?? []
      const contents: Content[] = [
        { role: 'user', parts: [{ text: 'What did they spend?' }] },
        ...(called.candidates?.[0]?.content ? [called.candidates[0].content] : []),
        {
          role: 'user',
          parts: [{ functionResponse: { id: first?.id ?? '', name: 'spend_of', response: { usd: '3.20' } } }],
        },
      ]
      t.match(await plain(t, 'answered', { config, model: 'gemini-3.5-flash', contents }), { text: /\w/ })
      const streamed = await stream(t, 'streamed functions', { config })
      t.equal(streamed.flatMap(({ functionCalls = [] }) => functionCalls).length, 2)
      const allowed = { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['limit_of'] }
      const one = await plain(t, 'allowed', { config: { ...config, toolConfig: { functionCallingConfig: allowed } } })
      t.match(one.functionCalls, [{ name: 'limit_of' }])
    })

    await t.test('structured output by a schema of the API and by a JSON schema', async (t) => {
      const shape = z.object({ title: z.string(), cents: z.int() })
      const schema = { type: Type.OBJECT, properties: { title: { type: Type.STRING }, cents: { type: Type.INTEGER } } }
      const json = { responseMimeType: 'application/json' }
      const own = await plain(t, 'schema', { config: { ...json, responseSchema: schema } })
      t.ok(shape.safeParse(JSON.parse(own.text ?? '')).success)
      const standard = { ...json, responseJsonSchema: z.toJSONSchema(shape) }
      t.ok(shape.safeParse(JSON.parse(textOf(await stream(t, 'JSON schema', { config: standard })))).success)
    })

    await t.test('an image, and a system instruction', async (t) => {
      const contents = [{ inlineData: { mimeType: 'image/png', data: PIXEL } }, { text: 'What is this?' }]
      const told = await plain(t, 'image', { contents, config: { systemInstruction: 'Be brief.' } })
      t.match(told.usageMetadata?.promptTokensDetails, [{ modality: 'TEXT' }, { modality: 'IMAGE', tokenCount: 258 }])
    })

    await t.test('a cache that is named, and one that was hit unasked', async (t) => {
      const named = await plain(t, 'cached', { config: { cachedContent: 'cachedContents/abc' } })
      t.equal(named.usageMetadata?.cachedContentTokenCount, 2_048)
      await stream(t, 'streamed cached', { config: { cachedContent: 'cachedContents/abc' } })
      await plain(t, 'implicit', {}, { 'x-sim-usage': '{"promptTokenCount":3000,"cachedContentTokenCount":2048}' })
    })

    await t.test('a prompt above 200k tokens reprices all of it', async (t) => {
      const usage = JSON.stringify({ promptTokenCount: 250_000, cachedContentTokenCount: 100_000 })
      await plain(t, 'long', { model: 'gemini-2.5-pro' }, { 'x-sim-usage': usage })
    })

    await t.test('a prompt that is refused costs its input', async (t) => {
      const told = await plain(t, 'refused', {}, { 'x-sim-fault': 'refusal' })
      t.match(told, { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } })
      t.match(await stream(t, 'streamed refusal', {}, { 'x-sim-fault': 'refusal' }), { length: 1 })
    })

    await t.test('service tiers, and a name that stands for another model', async (t) => {
      const model = 'gemini-3.5-flash'
      await plain(t, 'priority', { model, config: { serviceTier: 'priority' } } as Partial<GenerateContentParameters>)
      await plain(t, 'another', { model: 'gemini-flash-latest' }, { 'x-sim-answer-model': model })
    })

    await t.test('compressed answers, and events cut where readers stumble', async (t) => {
      for (const encoding of ['gzip', 'br', 'deflate']) {
        await plain(t, `plain ${encoding}`, {}, { 'x-sim-encoding': encoding })
        await stream(t, `stream ${encoding}`, {}, { 'x-sim-encoding': encoding })
      }
      for (const fault of ['one-byte-chunks', 'split-utf8', 'split-lines'])
        await stream(
          t,
          fault,
          {},
          { 'x-sim-fault': fault, 'x-sim-reply': encodeURIComponent('dépenses, 支出 🙂 '.repeat(9)) },
        )
    })

    await t.test('a chat that grows', async (t) => {
      const told = await same(t, 'chat', async (client) => {
        const chat = client.chats.create({ model: FLASH })
        const first = await chat.sendMessage({ message: 'hello' })
        let second = ''
        for await (const chunk of await chat.sendMessageStream({ message: 'and more' })) second += chunk.text ?? ''
        return { first: first.text, second, history: chat.getHistory() }
      })
      t.equal(told.history.length > 3, true)
    })

    await t.test('embeddings, one and many', async (t) => {
      const model = 'gemini-embedding-2'
      const one = await same(t, 'embedding', (client) => client.models.embedContent({ model, contents: 'a text' }))
      t.equal(one.embeddings?.length, 1)
      const contents = ['a', 'b', 'c']
      const many = await same(t, 'embeddings', (client) => client.models.embedContent({ model, contents }))
      t.ok((many.embeddings?.length ?? 0) > 0)
    })
  },
)

t.test('what the provider’s own tools do is reserved as far as it is bounded, and billed by the call', async (t) => {
  const twins = await twinsFor(t)
  for (const [tag, model, tools, calls] of [
    ['search', FLASH, [{ googleSearch: {} }], 1],
    ['code', FLASH, [{ codeExecution: {} }], 0],
    ['urls', FLASH, [{ urlContext: {} }], 0],
    ['all', 'gemini-2.5-pro', [{ urlContext: {} }, { googleSearch: {} }], 1],
  ] as const) {
    for (const way of ['plain', 'streamed']) {
      await sameContent<unknown>(t, twins, `${way} ${tag}`, (client) =>
        way === 'plain'
          ? client.models.generateContent({ ...hello(), model, config: { tools: [...tools] } })
          : chunksOf(client, { ...hello(), model, config: { tools: [...tools] } }),
      )
      const [attempt] = (await twins.sidecar.events(1)).at(-1)?.attempts ?? []
      t.equal(attempt?.usage?.hostedToolCalls, calls, `${way} ${tag}`)
    }
  }
})

t.test(
  'the SDK finds its way by the environment, without a prefix, with the other name, in each version',
  async (t) => {
    const { sidecar, behind } = await twinsFor(t)
    const byEnvironment = (GOOGLE_GEMINI_BASE_URL: string, httpOptions: HttpOptions): GoogleGenAI => {
      Object.assign(process.env, { GOOGLE_GEMINI_BASE_URL })
      try {
        return new GoogleGenAI({ apiKey: 'any', httpOptions })
      } finally {
        Reflect.deleteProperty(process.env, 'GOOGLE_GEMINI_BASE_URL')
      }
    }
    for (const prefix of ['', '/google', '/gemini']) {
      for (const apiVersion of ['v1', 'v1beta', 'v1alpha']) {
        const tag = `${prefix}${apiVersion}`
        const client = byEnvironment(sidecar.url + prefix, { apiVersion, headers: tagged(tag) })
        t.match((await client.models.generateContent(hello())).text, /\w/)
        await billedExactly(t, { behind, sidecar }, tag)
        t.match(await client.models.countTokens({ model: FLASH, contents: 'hello' }), { totalTokens: Number })
      }
    }
    const names: string[] = []
    for await (const { name } of await geminiAt(`${sidecar.url}/google`, 'list').models.list()) names.push(name ?? '')
    t.ok(names.includes(`models/${FLASH}`))
    const events = await sidecar.events(19)
    t.match(
      events.slice(-2),
      [{ operation: 'models' }, { operation: 'models' }],
      'counting and lists pass, and are counted',
    )
  },
)

t.test('a key in the query reaches the provider, and stands in no event, no log line and no refusal', async (t) => {
  const { sidecar, behind } = await twinsFor(t)
  const key = 'AIzaSyKeyOfTheUser'
  const ask = (target: string, body: object) =>
    fetch(`${sidecar.url}/google/v1beta/${target}${target.includes('?') ? '&' : '?'}key=${key}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
  const contents = [{ parts: [{ text: 'hello' }] }]
  for (const [target, body, status] of [
    [`models/${FLASH}:generateContent`, { contents }, 200],
    [`models/${FLASH}:streamGenerateContent?alt=sse`, { contents }, 200],
    [`models/${FLASH}:batchGenerateContent`, {}, 403],
    ['models/gemini-nobody-knows:generateContent', { contents }, 403],
    [`models/${FLASH}:generateContent`, [], 400],
  ] as const) {
    const answer = await ask(target, body)
    t.equal(answer.status, status)
    t.notMatch(await answer.text(), key)
    t.notMatch(JSON.stringify([...answer.headers]), key)
  }
  t.match(
    behind.requests().map(({ target }) => target),
    [/key=AIza/, /key=AIza/],
    'those that were let through',
  )
  t.notMatch(JSON.stringify(await sidecar.events(5)), key)
  await sidecar.stop()
  t.notMatch(JSON.stringify(sidecar.log), key)
})
