import { ChatAnthropic } from '@langchain/anthropic'
import { HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { ANTHROPIC_BASE } from '../support/anthropic.ts'
import { sameAt } from '../support/sdk.ts'
import { tagged, twinsFor } from '../support/twins.ts'

const PROMPT = 'Say something about spending.'

const modelAt = (anthropicApiUrl: string, tag: string, options: object = {}): ChatAnthropic =>
  new ChatAnthropic({
    model: 'claude-haiku-4-5',
    maxTokens: 2_000,
    apiKey: 'sk-ant-test',
    maxRetries: 0,
    anthropicApiUrl,
    clientOptions: { defaultHeaders: tagged(tag) },
    ...options,
  })

const weather = tool(async ({ city }: { city: string }) => `Rain in ${city}.`, {
  name: 'weather',
  description: 'Tells the weather.',
  schema: z.object({ city: z.string() }),
})

t.test('what LangChain is told by Anthropic is what it is told without us, and its cost is the bill', async (t) => {
  const twins = await twinsFor(t)
  const same = <T>(t: Test, tag: string, ask: (model: ChatAnthropic) => Promise<T>, options: object = {}): Promise<T> =>
    sameAt(t, twins, tag, (url) => ask(modelAt(url, tag, options)), ANTHROPIC_BASE)

  await t.test('plain and streamed', async (t) => {
    const plain = await same(t, 'plain', (model) => model.invoke(PROMPT))
    t.match(plain, { content: /\w/, usage_metadata: { output_tokens: 40 } })
    const chunks = await same(t, 'stream', async (model) => {
      const all: string[] = []
      for await (const { text } of await model.stream(PROMPT)) all.push(text)
      return all
    })
    t.equal(chunks.join(''), plain.text)
  })

  await t.test('a tool, called and answered', async (t) => {
    const told = await same(t, 'tool', async (model) => {
      const bound = model.bindTools([weather])
      const asked = [new HumanMessage(PROMPT)]
      const called = await bound.invoke(asked)
      const results = (called.tool_calls ?? []).map(
        (call) => new ToolMessage({ content: 'Rain.', tool_call_id: call.id ?? '' }),
      )
      return { called: called.tool_calls, answer: (await bound.invoke([...asked, called, ...results])).text }
    })
    t.match(told, { called: [{ name: 'weather', args: { city: String } }], answer: /\w/ })
  })

  await t.test('structured output and thinking', async (t) => {
    const Report = z.object({ title: z.string(), cents: z.int() })
    const made = await same(t, 'structured', (model) => model.withStructuredOutput(Report).invoke(PROMPT))
    t.ok(Report.safeParse(made).success)
    const thinking = { thinking: { type: 'enabled', budget_tokens: 1_024 } }
    const thought = await same(t, 'thinking', (model) => model.invoke(PROMPT), thinking)
    t.match(thought.content, [{ type: 'thinking', thinking: /\w/ }, { type: 'text' }])
  })
})
