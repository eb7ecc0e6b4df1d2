import { createOpenAI } from '@ai-sdk/openai'
import { generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from 'ai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { sameAt } from '../support/sdk.ts'
import { endToEnd } from '../support/sdk-errors.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

type Model = ReturnType<ReturnType<typeof createOpenAI>['chat']>

const PROMPT = 'Say something about spending.'
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const chatAt = (
  baseURL: string,
  tag: string,
  headers: Readonly<Record<string, string>> = {},
  name = 'gpt-4.1-mini',
): Model => createOpenAI({ baseURL, apiKey: 'sk-test', headers: { ...tagged(tag), ...headers } }).chat(name)

/** What `generateText` tells of its steps, without the ids and times that it makes itself. */
function toldOf({ steps, text, usage }: Awaited<ReturnType<typeof generateText>>): object {
  return {
    text,
    usage,
    steps: steps.map((step) => ({
      content: step.content.map((part) => ({ ...part, ...('id' in part ? { id: '' } : {}) })),
      finishReason: step.finishReason,
      usage: step.usage,
      warnings: step.warnings,
      metadata: step.providerMetadata,
      model: step.response.modelId,
      headers: endToEnd(Object.entries(step.response.headers ?? {})),
    })),
  }
}

/** What `streamText` tells, part by part, without the ids and times that it makes itself. */
async function partsOf(result: ReturnType<typeof streamText>): Promise<readonly object[]> {
  const parts: object[] = []
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') parts.push({ type: part.type, text: part.text })
    else if (part.type === 'tool-call')
      parts.push({ type: part.type, name: part.toolName, input: part.input, id: part.toolCallId })
    else if (part.type === 'tool-result') parts.push({ type: part.type, output: part.output })
    else if (part.type === 'finish-step') {
      const { finishReason, usage, providerMetadata, response } = part
      parts.push({
        type: part.type,
        finishReason,
        usage,
        providerMetadata,
        headers: endToEnd(Object.entries(response.headers ?? {})),
      })
    } else if (part.type === 'finish')
      parts.push({ type: part.type, finishReason: part.finishReason, usage: part.totalUsage })
    else if (part.type === 'source') parts.push({ type: part.type, url: part.sourceType === 'url' ? part.url : '' })
    else parts.push({ type: part.type })
  }
  return parts
}

t.test(
  'what the Vercel AI SDK is told is what it is told without us, and its cost is the provider’s bill',
  async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(
      t: Test,
      tag: string,
      ask: (model: Model) => Promise<T>,
      {
        headers = {},
        model = 'gpt-4.1-mini',
      }: { readonly headers?: Readonly<Record<string, string>>; readonly model?: string } = {},
    ): Promise<T> => sameAt(t, twins, tag, (baseURL) => ask(chatAt(baseURL, tag, headers, model)))
    const text = async (model: Model, options: object = {}) =>
      toldOf(await generateText({ model, prompt: PROMPT, maxRetries: 0, ...options }))
    const stream = (model: Model, options: object = {}) =>
      partsOf(streamText({ model, prompt: PROMPT, maxRetries: 0, ...options }))

    await t.test('plain and streamed text', async (t) => {
      t.match(await same(t, 'text', text), { text: /\w/, usage: { totalTokens: Number } })
      const parts = await same(t, 'stream', stream)
      t.match(parts.at(-1), { type: 'finish', finishReason: 'stop', usage: { outputTokens: Number } })
      t.ok(parts.filter((part) => 'text' in part).length > 10)
    })

    await t.test('a reasoning model, log probabilities, a predicted output', async (t) => {
      const reasoned = await same(t, 'reasoning', text, { model: 'gpt-5-mini' })
      t.match(reasoned, { usage: { outputTokenDetails: { reasoningTokens: 32 } } })
      const options = {
        providerOptions: { openai: { logprobs: 2, prediction: { type: 'content', content: 'one two three' } } },
      }
      const logged = await same(t, 'logprobs', (model) => text(model, options))
      t.match(logged, { steps: [{ metadata: { openai: { logprobs: Array, rejectedPredictionTokens: Number } } }] })
      await same(t, 'streamed logprobs', (model) => stream(model, options))
    })

    await t.test('a refusal and citations', async (t) => {
      const refusing = { headers: { 'x-sim-fault': 'refusal' } }
      t.match(await same(t, 'refusal', text, refusing), { steps: [{ finishReason: 'content-filter' }] })
      await same(t, 'streamed refusal', stream, refusing)
      const searching = { model: 'gpt-4o-search-preview' }
      t.match(await same(t, 'search', text, searching), {
        steps: [{ content: [{}, { type: 'source', url: /^https/ }] }],
      })
      t.ok((await same(t, 'streamed search', stream, searching)).some((part) => 'url' in part))
    })

    await t.test('images, inline and by URL', async (t) => {
      for (const [tag, image] of [
        ['inline', PIXEL],
        ['by-url', 'https://example.com/a.png'],
      ] as const) {
        const messages = [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'file', mediaType: 'image/png', data: image },
            ],
          },
        ]
        await same(t, tag, (model) => text(model, { prompt: undefined, messages }))
        t.match(twins.behind.requests().at(-1)?.body.toString(), image, 'as it was given')
      }
    })

    await t.test('tools, run to the end', async (t) => {
      const inputSchema = z.object({ team: z.string(), days: z.number() })
      const tools = {
        spendOf: tool({
          description: 'What was spent',
          inputSchema,
          execute: async ({ team }) => ({ team, cents: 1_234 }),
        }),
        limitOf: tool({ description: 'What may be spent', inputSchema, execute: async () => 5_000 }),
      }
      const options = { tools, stopWhen: stepCountIs(4) }
      const plain = await same(t, 'tools', (model) => text(model, options))
      t.match(plain, { steps: { length: 2 }, text: /\w/ })
      const parts = await same(t, 'streamed tools', (model) => stream(model, options))
      t.equal(parts.filter((part) => 'output' in part).length, 2)
      const once = { ...options, toolChoice: { type: 'tool', toolName: 'limitOf' }, stopWhen: stepCountIs(1) }
      t.match(await same(t, 'named tool', (model) => text(model, once)), {
        steps: [{ content: [{ type: 'tool-call', toolName: 'limitOf' }, { type: 'tool-result' }] }],
      })
    })

    await t.test('objects, plain and streamed', async (t) => {
      const schema = z.object({ title: z.string(), cents: z.int(), tags: z.array(z.enum(['a', 'b'])) })
      const output = Output.object({ schema })
      const written = await same(
        t,
        'output',
        async (model) => (await generateText({ model, output, prompt: PROMPT })).output,
      )
      t.ok(schema.safeParse(written).success)
      const plain = await same(t, 'object', async (model) => {
        const { object, usage, finishReason } = await generateObject({ model, schema, prompt: PROMPT })
        return { object, usage, finishReason }
      })
      t.ok(schema.safeParse(plain.object).success)
      const streamed = await same(t, 'streamed object', async (model) => {
        const result = streamObject({ model, schema, prompt: PROMPT })
        const partial: unknown[] = []
        for await (const part of result.partialObjectStream) partial.push(part)
        return { object: await result.object, usage: await result.usage, partial }
      })
      t.strictSame(streamed.object, plain.object)
      t.ok(streamed.partial.length > 1)
    })

    await t.test(
      'a stream that is aborted ends the call, and is charged at least what the provider bills',
      async (t) => {
        const leaving = new AbortController()
        const headers = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
        const model = chatAt(`${twins.sidecar.url}/openai/v1`, 'aborted', headers)
        const parts: string[] = []
        for await (const { type } of streamText({
          model,
          prompt: PROMPT,
          maxOutputTokens: 4_000,
          abortSignal: leaving.signal,
        }).fullStream) {
          parts.push(type)
          if (parts.length === 150) leaving.abort()
        }
        t.equal(parts.at(-1), 'abort')
        const [event] = await eventsOf(twins.sidecar, 'aborted', 1)
        const entry = await until('the end at the provider', () => {
          const found = twins.behind.bill.entries().find(({ tag }) => tag === 'aborted')
          return found && found.ended !== 'open' ? found : null
        })
        t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
        t.equal(entry.ended, 'aborted')
        t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
      },
    )
  },
)
