import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { sameAt } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { budgetYaml, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const PROMPT = 'Say something about spending.'
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`

const modelAt = (baseURL: string, tag: string, options: object = {}, headers = {}): ChatOpenAI =>
  new ChatOpenAI({
    model: 'gpt-4.1-mini',
    apiKey: 'sk-test',
    maxRetries: 0,
    configuration: { baseURL, defaultHeaders: { ...tagged(tag), ...headers } },
    ...options,
  })

const weather = tool(async ({ city }: { city: string }) => `Rain in ${city}.`, {
  name: 'weather',
  description: 'Tells the weather.',
  schema: z.object({ city: z.string() }),
})

async function textsOf(model: ChatOpenAI): Promise<readonly string[]> {
  const all: string[] = []
  for await (const { text } of await model.stream(PROMPT)) all.push(text)
  return all
}

for (const useResponsesApi of [false, true]) {
  const api = useResponsesApi ? 'Responses' : 'chat completions'
  t.test(`what LangChain is told by ${api} is what it is told without us, and its cost is the bill`, async (t) => {
    const twins = await twinsFor(t)
    const same = <T>(t: Test, tag: string, ask: (model: ChatOpenAI) => Promise<T>, options: object = {}): Promise<T> =>
      sameAt(t, twins, tag, (url) => ask(modelAt(url, tag, { useResponsesApi, ...options })))

    await t.test('plain and streamed', async (t) => {
      const plain = await same(t, 'plain', (model) => model.invoke(PROMPT))
      t.match(plain, { usage_metadata: { output_tokens: 40 } })
      t.equal((await same(t, 'stream', textsOf)).join(''), plain.text)
      const path = useResponsesApi ? '/responses' : '/chat/completions'
      t.ok(twins.behind.requests().every(({ target }) => target.endsWith(path)))
    })

    await t.test('a tool, called and answered', async (t) => {
      const told = await same(t, 'tool', async (model) => {
        const bound = model.bindTools([weather])
        const asked = [new HumanMessage(PROMPT)]
        const called = await bound.invoke(asked)
        const results = (called.tool_calls ?? []).map(
          (call) => new ToolMessage({ content: 'Rain.', tool_call_id: call.id ?? '' }),
        )
        const again = new AIMessage({ content: '', tool_calls: called.tool_calls ?? [] })
        return { called: called.tool_calls, answer: (await bound.invoke([...asked, again, ...results])).text }
      })
      t.match(told, { called: [{ name: 'weather', args: { city: String } }], answer: /\w/ })
    })

    await t.test('structured output, an image, reasoning and a cached prompt', async (t) => {
      const Report = z.object({ title: z.string(), cents: z.int() })
      const made = await same(t, 'structured', (model) => model.withStructuredOutput(Report).invoke(PROMPT))
      t.ok(Report.safeParse(made).success)
      const image = { type: 'image_url' as const, image_url: { url: PIXEL } }
      const asked = [new HumanMessage({ content: [{ type: 'text', text: 'What is it?' }, image] })]
      t.match((await same(t, 'image', (model) => model.invoke(asked))).text, /\w/)
      const thought = await same(t, 'reasoning', (model) => model.invoke(PROMPT), { model: 'gpt-5-mini' })
      t.match(thought, { usage_metadata: { output_token_details: { reasoning: 32 } } })
      const rules = 'Long rules. '.repeat(600)
      const read = await same(t, 'cached', async (model) => {
        await model.invoke(rules)
        return model.invoke(rules)
      })
      if (useResponsesApi) t.match(JSON.stringify(read), /"cache_read":[1-9]\d{3}/)
    })

    await t.test('each class of error', async (t) => {
      for (const status of [400, 401, 403, 404, 429, 500]) {
        const fault = `status-${status}`
        const ask = (url: string) =>
          modelAt(url, fault, { useResponsesApi }, { 'x-sim-fault': fault })
            .invoke(PROMPT)
            .then(() => ({}), told)
        const direct = await ask(`${twins.direct.url}/v1`)
        t.strictSame(await ask(`${twins.sidecar.url}/v1`), direct, fault)
        t.match(direct, { class: /Error$/ })
      }
    })

    await t.test('a stream that is aborted is charged no less than its bill', async (t) => {
      const slowly = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
      const model = modelAt(`${twins.sidecar.url}/v1`, 'abort', { useResponsesApi }, slowly)
      let left = 50
      for await (const _ of await model.stream(PROMPT)) if (--left === 0) break
      const [event] = await eventsOf(twins.sidecar, 'abort', 1)
      t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
      const entry = await until('the end at the provider', () => {
        const found = twins.behind.bill.entries().find(({ tag }) => tag === 'abort')
        return found && found.ended !== 'open' ? found : null
      })
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
    })
  })

  t.test(`a refusal of ${api} is the error that LangChain raises for its status`, async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      policies: {
        'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
        'security.yaml': securityYaml({ request: 'block', response: 'block' }),
      },
    })
    const refused = (tag: string, headers: object, prompt = PROMPT) =>
      modelAt(`${sidecar.url}/v1`, tag, { useResponsesApi }, headers)
        .invoke(prompt)
        .then(() => ({}), told)
    t.match(await refused('poor', { 'x-acc-agent': 'poor' }), { status: 429, code: 'acc_budget_exceeded' })
    t.match(await refused('secret', {}, `my key is ${KEY}`), { status: 403, code: 'acc_security_blocked' })
    t.equal(simulator.requests().length, 0)
  })
}
