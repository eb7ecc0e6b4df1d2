/** The Vercel AI SDK's providers for Azure, Mistral and Groq through the sidecar. */
import { createAzure } from '@ai-sdk/azure'
import { createGroq } from '@ai-sdk/groq'
import { createMistral } from '@ai-sdk/mistral'
import { generateObject, generateText, type LanguageModel, streamText, tool } from 'ai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { AZURE_POLICY } from '../support/azure.ts'
import { type BasePaths, sameAt } from '../support/sdk.ts'
import { toldByAi } from '../support/sdk-errors.ts'
import { AMPLE_BUDGET } from '../support/sidecar.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const PROMPT = 'Say something about spending.'

interface Client {
  readonly name: string
  readonly paths: BasePaths
  at(baseURL: string, headers: Readonly<Record<string, string>>): LanguageModel
}
const CLIENTS: readonly Client[] = [
  {
    name: 'Azure, v1',
    paths: { direct: '/azure/openai/v1', through: '/azure/openai/v1' },
    at: (baseURL, headers) => createAzure({ baseURL, apiKey: 'k', headers }).chat('mini-eu'),
  },
  {
    name: 'Azure, by deployment',
    paths: { direct: '/azure/openai', through: '/openai' },
    at: (baseURL, headers) =>
      createAzure({ baseURL, apiKey: 'k', headers, useDeploymentBasedUrls: true, apiVersion: '2024-10-21' }).chat(
        'mini-eu',
      ),
  },
  {
    name: 'Mistral',
    paths: { direct: '/mistral/v1', through: '/mistral/v1' },
    at: (baseURL, headers) => createMistral({ baseURL, apiKey: 'k', headers })('mistral-large-2512'),
  },
  {
    name: 'Groq',
    paths: { direct: '/groq/openai/v1', through: '/groq/openai/v1' },
    at: (baseURL, headers) => createGroq({ baseURL, apiKey: 'k', headers })('llama-3.3-70b-versatile'),
  },
]

const tools = {
  weather: tool({
    description: 'Tells the weather.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `Rain in ${city}.`,
  }),
}

interface Generated {
  readonly text: string
  readonly finishReason: string
  readonly totalUsage: object
  readonly toolCalls: readonly { readonly toolName: string; readonly input: unknown }[]
}
const toldOf = ({ text, finishReason, totalUsage, toolCalls }: Generated) => ({
  text,
  finishReason,
  totalUsage,
  calls: toolCalls.map(({ toolName, input }) => ({ toolName, input })),
})

/** What a stream tells, and how it ends. */
async function streamed(model: LanguageModel, more: object = {}) {
  let error: unknown
  const result = streamText({
    model,
    prompt: PROMPT,
    maxRetries: 0,
    ...more,
    onError: (event) => {
      error = event.error
    },
  })
  const parts: object[] = []
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') parts.push({ type: part.type, text: part.text })
    else if (part.type === 'tool-call') parts.push({ type: part.type, name: part.toolName, input: part.input })
    else if (part.type === 'finish') parts.push({ type: part.type, reason: part.finishReason, usage: part.totalUsage })
    else parts.push({ type: part.type })
  }
  return { parts, error: error === undefined ? null : toldByAi(error) }
}

for (const client of CLIENTS) {
  t.test(`what ${client.name} tells the Vercel AI SDK is the same without us, and its cost is the bill`, async (t) => {
    const twins = await twinsFor(t, { policies: { 'budget.yaml': AMPLE_BUDGET, 'azure.yaml': AZURE_POLICY } })
    const same = <T>(t: Test, tag: string, ask: (model: LanguageModel) => Promise<T>): Promise<T> =>
      sameAt(t, twins, tag, (baseURL) => ask(client.at(baseURL, tagged(tag))), client.paths)
    const plain = await same(t, 'plain', async (model) => toldOf(await generateText({ model, prompt: PROMPT })))
    t.match(plain, { text: /\w/, totalUsage: { outputTokens: 40 } })
    const stream = await same(t, 'stream', (model) => streamed(model))
    t.match(stream.parts.at(-1), { type: 'finish', usage: { outputTokens: Number } }, 'the usage reaches the client')
    const called = await same(t, 'tool', async (model) => toldOf(await generateText({ model, prompt: PROMPT, tools })))
    t.match(called.calls[0], { toolName: 'weather' })
    await same(t, 'tool-stream', (model) => streamed(model, { tools }))
    const schema = z.object({ title: z.string(), cents: z.int() })
    const shaped = await same(
      t,
      'shaped',
      async (model) => (await generateObject({ model, prompt: PROMPT, schema })).object,
    )
    t.ok(schema.safeParse(shaped).success)

    await t.test('errors', async (t) => {
      for (const fault of ['status-400', 'status-401', 'status-429', 'status-500']) {
        const ask = (url: string) => streamed(client.at(url, { ...tagged(fault), 'x-sim-fault': fault }))
        const direct = await ask(twins.direct.url + client.paths.direct)
        const through = await ask(twins.sidecar.url + client.paths.through)
        t.ok(direct.error, fault)
        t.strictSame(through, direct, fault)
      }
    })
    await t.test('an aborted stream', async (t) => {
      const slowly = { 'x-sim-output-tokens': '1500', 'x-sim-chunk-delay-ms': '1' }
      const model = client.at(twins.sidecar.url + client.paths.through, { ...tagged('abort'), ...slowly })
      const leaving = new AbortController()
      const { textStream } = streamText({
        model,
        prompt: PROMPT,
        maxRetries: 0,
        abortSignal: leaving.signal,
        onError: () => {},
      })
      let left = 50
      for await (const _ of textStream) if (--left === 0) leaving.abort()
      const entry = await until('the end at the provider', () => {
        const found = twins.behind.bill.entries().find(({ tag }) => tag === 'abort')
        return found && found.ended !== 'open' ? found : null
      })
      t.equal(entry.ended, client.name.startsWith('Azure') ? 'aborted' : 'completed', 'as the provider bills it')
      const [event] = await eventsOf(twins.sidecar, 'abort', 1)
      t.match(event, { outcome: 'aborted' })
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
    })
  })
}
