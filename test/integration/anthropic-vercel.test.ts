import { createAnthropic } from '@ai-sdk/anthropic'
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { sameAt } from '../support/sdk.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

type Model = ReturnType<ReturnType<typeof createAnthropic>>

const PROMPT = 'Say something about spending.'
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
/** It calls `/messages` below its base URL, which has no version in it for those who set it like the official SDK's. */
const PATHS = { direct: '/anthropic/v1', through: '/anthropic' }

const modelAt = (baseURL: string, tag: string, headers: Readonly<Record<string, string>> = {}): Model =>
  createAnthropic({ baseURL, apiKey: 'sk-ant-test', headers: { ...tagged(tag), ...headers } })('claude-haiku-4-5')

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
    else parts.push({ type: part.type })
  }
  return parts
}

t.test(
  'what the Vercel AI SDK is told by Anthropic is what it is told without us, and its cost is the bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (model: Model) => Promise<T>, headers = {}): Promise<T> =>
      sameAt(t, twins, tag, (baseURL) => ask(modelAt(baseURL, tag, headers)), PATHS)
    const text = async (model: Model, options: object = {}) =>
      toldOf(await generateText({ model, prompt: PROMPT, maxRetries: 0, ...options }))
    const stream = (model: Model, options: object = {}) =>
      partsOf(streamText({ model, prompt: PROMPT, maxRetries: 0, ...options }))

    await t.test('plain and streamed text', async (t) => {
      t.match(await same(t, 'text', text), { text: /\w/, usage: { totalTokens: Number } })
      const parts = await same(t, 'stream', stream)
      t.match(parts.at(-1), { type: 'finish', reason: 'stop', usage: { outputTokens: 40 } })
      t.ok(parts.filter((part) => 'text' in part).length > 10)
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
      t.match(
        parts.filter(({ type }: { type?: string }) => type === 'tool-result'),
        [{ output: /^Rain in / }],
      )
    })

    await t.test('thinking, plain and streamed', async (t) => {
      const options = { providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1_024 } } } }
      const told = await same(t, 'thinking', (model) => text(model, options))
      t.match(told, { steps: [{ content: [{ type: 'reasoning', text: /\w/ }, { type: 'text' }] }] })
      const parts = await same(t, 'streamed thinking', (model) => stream(model, options))
      t.ok(parts.some((part) => 'type' in part && part.type === 'reasoning-delta'))
    })

    await t.test('an image, an object, a cached prompt', async (t) => {
      const image = { type: 'image' as const, image: PIXEL, mediaType: 'image/png' }
      const content = [image, { type: 'text' as const, text: 'What is it?' }]
      await same(t, 'image', (model) => text(model, { prompt: undefined, messages: [{ role: 'user', content }] }))
      const schema = z.object({ title: z.string(), cents: z.int() })
      const made = await same(t, 'object', async (model) => {
        const { object, usage } = await generateObject({ model, schema, prompt: PROMPT, maxRetries: 0 })
        return { object, usage }
      })
      t.ok(schema.safeParse(made.object).success)
      const cacheControl = { anthropic: { cacheControl: { type: 'ephemeral', ttl: '1h' } } }
      const messages = [
        { role: 'system', content: 'Long rules. '.repeat(100), providerOptions: cacheControl },
        { role: 'user', content: PROMPT },
      ]
      for (const tag of ['cache write', 'cache read'])
        await same(t, tag, (model) => text(model, { prompt: undefined, messages, allowSystemInMessages: true }))
      const consumed = (tag: string) => twins.behind.bill.entries().find((entry) => entry.tag === tag)?.consumed
      t.ok((consumed('cache write')?.cacheWrite1h ?? 0) > 0)
      t.equal(consumed('cache read')?.cacheRead, consumed('cache write')?.cacheWrite1h)
    })

    await t.test('a stream that is aborted is ended at the provider and charged no less than its bill', async (t) => {
      const slowly = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
      const model = modelAt(`${twins.sidecar.url}/anthropic`, 'abort', slowly)
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
