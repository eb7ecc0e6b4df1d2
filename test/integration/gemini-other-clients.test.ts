import { createGoogle } from '@ai-sdk/google'
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages'
import { tool as langchainTool } from '@langchain/core/tools'
import { ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings } from '@langchain/google-genai'
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { GEMINI_BASE } from '../support/gemini.ts'
import { type BasePaths, sameAt } from '../support/sdk.ts'
import { toldByAi } from '../support/sdk-errors.ts'
import { budgetYaml, readEvents, securityYaml } from '../support/sidecar.ts'
import { chargedOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const FLASH = 'gemini-2.5-flash'
const PROMPT = 'Say something about spending.'
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII='
/** The Vercel AI SDK's base URL holds the version. */
const WITH_VERSION: BasePaths = { direct: '/google/v1beta', through: '/google/v1beta' }

type Headers = Readonly<Record<string, string>>
const vercelAt = (baseURL: string, tag: string, headers: Headers = {}) =>
  createGoogle({ baseURL, apiKey: 'any', headers: { ...tagged(tag), ...headers } })

t.test(
  'what the Vercel AI SDK is told is what it is told without us, and its cost is the provider’s bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (google: ReturnType<typeof vercelAt>) => Promise<T>): Promise<T> =>
      sameAt(t, twins, tag, (baseURL) => ask(vercelAt(baseURL, tag)), WITH_VERSION)
    const toldBy = async (options: Parameters<typeof generateText>[0]) => {
      const { text, usage, finishReason, reasoningText, toolCalls, steps } = await generateText(options)
      return {
        text,
        usage,
        finishReason,
        reasoningText,
        calls: toolCalls.map(({ toolName, input }) => [toolName, input]),
        steps: steps.length,
      }
    }

    await t.test('plain and streamed text, thoughts, an image', async (t) => {
      const thinking = { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 64 } } }
      const plain = await same(t, 'text', (google) =>
        toldBy({ model: google(FLASH), prompt: PROMPT, providerOptions: thinking }),
      )
      t.match(plain, { text: /\w/, reasoningText: /Weighing/, usage: { outputTokenDetails: { reasoningTokens: 64 } } })
      const streamed = await same(t, 'stream', async (google) => {
        const result = streamText({ model: google(FLASH), prompt: PROMPT })
        let text = ''
        for await (const piece of result.textStream) text += piece
        return { text, usage: await result.usage, finishReason: await result.finishReason }
      })
      t.match(streamed, { text: /\w/, finishReason: 'stop' })
      const content = [
        { type: 'text' as const, text: 'What is this?' },
        { type: 'file' as const, mediaType: 'image/png', data: PIXEL },
      ]
      await same(t, 'image', (google) => toldBy({ model: google(FLASH), messages: [{ role: 'user', content }] }))
    })

    await t.test('tools run to the end, and objects', async (t) => {
      const inputSchema = z.object({ team: z.string(), days: z.number() })
      const tools = {
        spendOf: tool({ description: 'What was spent', inputSchema, execute: async () => ({ cents: 1_234 }) }),
      }
      const ran = await same(t, 'tools', (google) =>
        toldBy({ model: google(FLASH), prompt: PROMPT, tools, stopWhen: stepCountIs(3) }),
      )
      t.match(ran, { steps: 2, text: /\w/ })
      const schema = z.object({ title: z.string(), cents: z.int() })
      const made = await same(t, 'object', async (google) => {
        const { object, usage } = await generateObject({ model: google(FLASH), schema, prompt: PROMPT })
        return { object, usage }
      })
      t.ok(schema.safeParse(made.object).success)
    })

    await t.test('a search, and embeddings', async (t) => {
      const searched = await same(t, 'search', async (google) => {
        const tools = { google_search: google.tools.googleSearch({}) }
        const { sources, text } = await generateText({ model: google(FLASH), prompt: PROMPT, tools })
        return { text, urls: sources.map((source) => (source.sourceType === 'url' ? source.url : '')) }
      })
      t.match(searched.urls, [/^https/])
      await same(t, 'embeddings', async (google) => {
        const { embeddings, usage } = await embedMany({
          model: google.embedding('gemini-embedding-2'),
          values: ['a', 'b'],
        })
        return { embeddings, usage }
      })
    })
  },
)

t.test('errors of the provider and refusals of the sidecar are the Vercel AI SDK’s API errors', async (t) => {
  const twins = await twinsFor(t, {
    policies: {
      'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
      'security.yaml': securityYaml({ request: 'block' }),
    },
  })
  const ask = async (baseURL: string, headers: Headers, prompt = 'hello') =>
    generateText({ model: vercelAt(baseURL, 'errors', headers)(FLASH), prompt, maxRetries: 0 }).then(
      () => ({}),
      toldByAi,
    )
  for (const statusCode of [400, 401, 403, 404, 429, 500, 503]) {
    const headers = { 'x-sim-fault': `status-${statusCode}` }
    const through = await ask(twins.sidecar.url + WITH_VERSION.through, headers)
    t.match(through, { name: 'AI_APICallError', statusCode, data: { error: { status: /^[A-Z_]+$/ } } })
    t.strictSame(through, await ask(twins.direct.url + WITH_VERSION.direct, headers))
  }
  const spent = await ask(twins.sidecar.url + WITH_VERSION.through, { 'x-acc-agent': 'poor' })
  const [info] = [{ reason: 'ACC_BUDGET_EXCEEDED' }]
  t.match(spent, { statusCode: 429, data: { error: { status: 'RESOURCE_EXHAUSTED', details: [info] } } })
  const key = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`
  const blocked = await ask(twins.sidecar.url + WITH_VERSION.through, {}, `my key is ${key}`)
  t.match(blocked, {
    statusCode: 403,
    isRetryable: false,
    data: { error: { details: [{ reason: 'ACC_SECURITY_BLOCKED' }] } },
  })
  t.notMatch(JSON.stringify(blocked), key)
})

t.test('what LangChain is told is what it is told without us, and its cost is the provider’s bill', async (t) => {
  const twins = await twinsFor(t)
  const same = <T>(t: Test, tag: string, ask: (model: ChatGoogleGenerativeAI) => Promise<T>): Promise<T> =>
    sameAt(
      t,
      twins,
      tag,
      (baseUrl) =>
        ask(
          new ChatGoogleGenerativeAI({
            model: FLASH,
            apiKey: 'any',
            baseUrl,
            maxRetries: 0,
            customHeaders: tagged(tag),
          }),
        ),
      GEMINI_BASE,
    )
  await t.test('plain and streamed messages', async (t) => {
    const messages = [new SystemMessage('Be brief.'), new HumanMessage(PROMPT)]
    const plain = await same(t, 'lc-plain', async (model) => {
      const { text, usage_metadata } = await model.invoke(messages)
      return { text, usage_metadata }
    })
    t.match(plain, { text: /\w/, usage_metadata: { input_tokens: Number } })
    const streamed = await same(t, 'lc-stream', async (model) => {
      let text = ''
      for await (const chunk of await model.stream(messages)) text += chunk.text
      return text
    })
    t.equal(streamed, plain.text)
  })
  await t.test('a tool that is called and answered', async (t) => {
    const spendOf = langchainTool(async () => '1234', {
      name: 'spend_of',
      description: 'What was spent',
      schema: z.object({ team: z.string() }),
    })
    const told = await same(t, 'lc-tools', async (model) => {
      const bound = model.bindTools([spendOf])
      const called = await bound.invoke([new HumanMessage(PROMPT)])
      const [call] = called.tool_calls ?? []
      const answer = new ToolMessage({ content: '1234', tool_call_id: call?.id ?? '', name: 'spend_of' })
      const after = await bound.invoke([new HumanMessage(PROMPT), called, answer])
      return { name: call?.name, args: call?.args, text: after.text }
    })
    t.match(told, { name: 'spend_of', args: { team: /\w/ } })
  })
  await t.test('embeddings, which tell no usage: charged at least what the provider bills', async (t) => {
    const embeddings = new GoogleGenerativeAIEmbeddings({
      model: 'gemini-embedding-001',
      apiKey: 'any',
      baseUrl: `${twins.sidecar.url}/google`,
      maxRetries: 0,
    })
    t.equal((await embeddings.embedDocuments(['a', 'b'])).length, 2)
    const bill = twins.behind.bill.entries().filter(({ model }) => model === 'gemini-embedding-001')
    const events = await until('its event', () => {
      const found = readEvents(twins.sidecar.dataDir).filter(({ operation }) => operation === 'batchEmbedContents')
      return found.length > 0 ? found : null
    })
    t.match(events, [{ attempts: [{ precision: 'estimated', usage: { outputVisible: 0 } }] }])
    t.ok(chargedOf(events) * 1_000n >= BigInt(bill[0]?.costPicoUsd ?? 0) && chargedOf(events) > 0n)
  })
})
