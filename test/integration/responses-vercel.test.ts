import { createOpenAI } from '@ai-sdk/openai'
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { sameAt } from '../support/sdk.ts'
import { toldByAi } from '../support/sdk-errors.ts'
import { budgetYaml, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

type Model = ReturnType<ReturnType<typeof createOpenAI>>

const PROMPT = 'Say something about spending.'
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`

/** The provider's default model, which speaks Responses. */
const modelAt = (
  baseURL: string,
  tag: string,
  headers: Readonly<Record<string, string>> = {},
  name = 'gpt-4.1-mini',
): Model => createOpenAI({ baseURL, apiKey: 'sk-test', headers: { ...tagged(tag), ...headers } })(name)

/** What `generateText` tells of its steps, without the ids and times that it makes itself. */
const toldOf = ({ steps, text, usage }: Awaited<ReturnType<typeof generateText>>): object => ({
  text,
  usage,
  steps: steps.map(({ content, finishReason, usage: own, warnings, providerMetadata, response }) => ({
    content: content.map((part) => ({ ...part, ...('id' in part ? { id: '' } : {}) })),
    finishReason,
    usage: own,
    warnings,
    providerMetadata,
    model: response.modelId,
  })),
})

/** What `streamText` tells, part by part. */
async function partsOf(result: ReturnType<typeof streamText>): Promise<readonly object[]> {
  const parts: object[] = []
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta' || part.type === 'reasoning-delta') parts.push({ type: part.type, text: part.text })
    else if (part.type === 'tool-call') parts.push({ type: part.type, name: part.toolName, input: part.input })
    else if (part.type === 'tool-result') parts.push({ type: part.type, output: part.output })
    else if (part.type === 'finish') parts.push({ type: part.type, reason: part.finishReason, usage: part.totalUsage })
    else if (part.type === 'source') parts.push({ type: part.type, url: part.sourceType === 'url' ? part.url : '' })
    else parts.push({ type: part.type })
  }
  return parts
}

const ofType = (parts: readonly object[], type: string): readonly object[] =>
  parts.filter((part) => 'type' in part && part.type === type)

t.test(
  'what the Vercel AI SDK is told of a response is what it is told without us, and its cost is the bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(
      t: Test,
      tag: string,
      ask: (model: Model) => Promise<T>,
      { headers = {}, model = 'gpt-4.1-mini' } = {},
    ): Promise<T> => sameAt(t, twins, tag, (baseURL) => ask(modelAt(baseURL, tag, headers, model)))
    const text = async (model: Model, options: object = {}) =>
      toldOf(await generateText({ model, prompt: PROMPT, maxRetries: 0, ...options }))
    const stream = (model: Model, options: object = {}) =>
      partsOf(streamText({ model, prompt: PROMPT, maxRetries: 0, ...options }))

    await t.test('plain and streamed text', async (t) => {
      t.match(await same(t, 'text', text), { text: /\w/, usage: { outputTokens: 40 } })
      const parts = await same(t, 'stream', stream)
      t.match(parts.at(-1), { type: 'finish', reason: 'stop', usage: { outputTokens: 40 } })
      t.ok(ofType(parts, 'text-delta').length > 10)
      t.ok(twins.behind.requests().every(({ target }) => target.endsWith('/responses')))
    })

    await t.test('a tool in two steps, plain and streamed', async (t) => {
      const weather = tool({
        description: 'Tells the weather.',
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => `Rain in ${city}.`,
      })
      const options = { tools: { weather }, stopWhen: stepCountIs(2) }
      const told = await same(t, 'tool', (model) => text(model, options))
      t.match(told, { steps: [{ finishReason: 'tool-calls' }, { finishReason: 'stop' }] })
      const parts = await same(t, 'streamed tool', (model) => stream(model, options))
      t.match(ofType(parts, 'tool-result'), [{ output: /^Rain in / }])
    })

    await t.test('reasoning, an image, objects and a hosted search', async (t) => {
      const thinking = { providerOptions: { openai: { reasoningSummary: 'auto' } } }
      const thought = await same(t, 'reasoning', (model) => stream(model, thinking), { model: 'gpt-5-mini' })
      t.ok(ofType(thought, 'reasoning-delta').length > 1)
      const image = { type: 'image' as const, image: PIXEL, mediaType: 'image/png' }
      const content = [image, { type: 'text' as const, text: 'What is it?' }]
      await same(t, 'image', (model) => text(model, { prompt: undefined, messages: [{ role: 'user', content }] }))
      const schema = z.object({ title: z.string(), cents: z.int() })
      const made = await same(t, 'object', async (model) => {
        const { object, usage } = await generateObject({ model, schema, prompt: PROMPT, maxRetries: 0 })
        return { object, usage }
      })
      t.ok(schema.safeParse(made.object).success)
      const grown = await same(t, 'streamed object', async (model) => {
        const result = streamObject({ model, schema, prompt: PROMPT, maxRetries: 0 })
        for await (const _ of result.partialObjectStream);
        return result.object
      })
      t.ok(schema.safeParse(grown).success)
      const { tools } = createOpenAI({ apiKey: 'any' })
      const search = {
        tools: { web_search: tools.webSearch({}) },
        providerOptions: { openai: { maxToolCalls: 1 } },
      }
      const found = await same(t, 'search', (model) => stream(model, search))
      t.match(ofType(found, 'source'), [{ url: /simulated/ }])
    })

    await t.test('a prompt that is cached', async (t) => {
      const system = 'Long rules. '.repeat(600)
      await same(t, 'fills the cache', (model) => text(model, { system }))
      const told = await same(t, 'reads the cache', (model) => text(model, { system }))
      t.match(told, { usage: { inputTokenDetails: { cacheReadTokens: Number } } })
      const [event] = await eventsOf(twins.sidecar, 'reads the cache', 1)
      t.ok((event?.attempts[0]?.usage?.cacheRead ?? 0) > 1_000)
    })

    await t.test('errors of every class, plain and in a stream', async (t) => {
      const faults = ['status-400', 'status-401', 'status-404', 'status-429', 'status-500', 'truncated-json']
      for (const fault of faults) {
        const headers = { 'x-sim-fault': fault }
        const ask = (url: string) =>
          text(modelAt(url, fault, headers)).then(
            () => ({}),
            (error: unknown) => toldByAi(error),
          )
        const direct = await ask(`${twins.direct.url}/v1`)
        const even = (told: object): object => JSON.parse(JSON.stringify(told).replaceAll(/created_at\\?":\d+/g, ''))
        t.strictSame(even(await ask(`${twins.sidecar.url}/v1`)), even(direct), fault)
        t.match(direct, { name: 'AI_APICallError' })
      }
      const broken = async (url: string): Promise<unknown> => {
        const errors: unknown[] = []
        const model = modelAt(url, 'error-event', { 'x-sim-fault': 'error-event' })
        const result = streamText({
          model,
          prompt: PROMPT,
          maxRetries: 0,
          onError: ({ error }) => void errors.push(error),
        })
        for await (const _ of result.fullStream);
        return errors
      }
      const direct = await broken(`${twins.direct.url}/v1`)
      t.strictSame(JSON.stringify(await broken(`${twins.sidecar.url}/v1`)), JSON.stringify(direct))
    })

    await t.test('a stream that is aborted is ended at the provider and charged no less than its bill', async (t) => {
      const slowly = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
      const model = modelAt(`${twins.sidecar.url}/v1`, 'abort', slowly)
      const controller = new AbortController()
      const result = streamText({ model, prompt: PROMPT, maxRetries: 0, abortSignal: controller.signal })
      let left = 50
      for await (const part of result.fullStream) if (part.type === 'text-delta' && --left === 0) controller.abort()
      const [event] = await eventsOf(twins.sidecar, 'abort', 1)
      t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
      const entry = await until('the end at the provider', () => {
        const found = twins.behind.bill.entries().find(({ tag }) => tag === 'abort')
        return found && found.ended !== 'open' ? found : null
      })
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
    })
  },
)

t.test('a refusal is the Vercel AI SDK’s error, also in a stream', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: {
      'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
      'security.yaml': securityYaml({ request: 'block', response: 'block' }),
    },
  })
  const refused = (tag: string, headers: Readonly<Record<string, string>>, prompt = PROMPT) =>
    generateText({ model: modelAt(`${sidecar.url}/v1`, tag, headers), prompt, maxRetries: 0 }).then(
      () => ({}),
      (error: unknown) => toldByAi(error),
    )
  const spent = await refused('poor', { 'x-acc-agent': 'poor' })
  t.match(spent, { statusCode: 429, isRetryable: true, data: { error: { code: 'acc_budget_exceeded' } } })
  t.match(await refused('secret', {}, `my key is ${KEY}`), {
    statusCode: 403,
    isRetryable: false,
    data: { error: { code: 'acc_security_blocked' } },
  })
  t.equal(simulator.requests().length, 0)

  const errors: unknown[] = []
  const reply = { 'x-sim-reply': encodeURIComponent(`it is ${KEY} and ${'so on '.repeat(50)}`) }
  const model = modelAt(`${sidecar.url}/v1`, 'leak', reply)
  const result = streamText({ model, prompt: PROMPT, maxRetries: 0, onError: ({ error }) => void errors.push(error) })
  let text = ''
  for await (const part of result.fullStream) if (part.type === 'text-delta') text += part.text
  t.match(JSON.stringify(errors), /acc_security_blocked/)
  t.notMatch(text, KEY.slice(4, 20))
})
