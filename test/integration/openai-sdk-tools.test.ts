import type OpenAI from 'openai'
import { zodFunction } from 'openai/helpers/zod'
import type { ChatCompletionChunk, ChatCompletionTool } from 'openai/resources'
import t from 'tap'
import { z } from 'zod'
import { sameBothWays } from '../support/sdk.ts'
import { securityYaml } from '../support/sidecar.ts'
import { twinsFor } from '../support/twins.ts'

const ASK = { model: 'gpt-4.1-mini', messages: [{ role: 'user' as const, content: 'How much is left of the budget?' }] }

const functionTool = (name: string): ChatCompletionTool => ({
  type: 'function',
  function: {
    name,
    description: `Reads ${name}`,
    parameters: {
      type: 'object',
      properties: { team: { type: 'string' }, days: { type: 'integer' } },
      required: ['team'],
    },
  },
})
const customTool: ChatCompletionTool = {
  type: 'custom',
  custom: {
    name: 'query',
    description: 'Runs a query',
    format: { type: 'grammar', grammar: { syntax: 'regex', definition: '[a-z ]+' } },
  },
}
const TOOLS = [functionTool('spend_of'), functionTool('limit_of')]

type Delta = NonNullable<ChatCompletionChunk.Choice.Delta['tool_calls']>[number]

/** The calls of a stream, put together as the documentation says: by index. */
async function streamedCalls(client: OpenAI, asked: object) {
  const calls: { id: string; name: string; text: string }[] = []
  const add = ({ index, id, function: called, custom }: Delta): void => {
    calls[index] ??= { id: '', name: '', text: '' }
    const call = calls[index]
    call.id += id ?? ''
    call.name += called?.name ?? custom?.name ?? ''
    call.text += called?.arguments ?? custom?.input ?? ''
  }
  for await (const { choices } of await client.chat.completions.create({ ...ASK, ...asked, stream: true }))
    for (const delta of choices[0]?.delta.tool_calls ?? []) add(delta)
  return calls
}

async function plainCalls(client: OpenAI, asked: object) {
  const { choices } = await client.chat.completions.create({ ...ASK, ...asked, stream: false })
  const calls = choices[0]?.message.tool_calls ?? []
  return calls.map((call) =>
    call.type === 'custom'
      ? { id: call.id, name: call.custom.name, text: call.custom.input }
      : { id: call.id, name: call.function.name, text: call.function.arguments },
  )
}

const CASES: readonly (readonly [name: string, asked: object, calls: readonly string[]])[] = [
  ['parallel', { tools: TOOLS }, ['spend_of', 'limit_of']],
  ['one at a time', { tools: TOOLS, parallel_tool_calls: false }, ['spend_of']],
  ['a required call', { tools: TOOLS, tool_choice: 'required' }, ['spend_of', 'limit_of']],
  ['a named call', { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'limit_of' } } }, ['limit_of']],
  ['custom', { tools: [customTool] }, ['query']],
  ['both kinds', { tools: [customTool, ...TOOLS] }, ['query', 'spend_of']],
  [
    'a named custom call',
    { tools: [...TOOLS, customTool], tool_choice: { type: 'custom', custom: { name: 'query' } } },
    ['query'],
  ],
  ['no call where none is wanted', { tools: TOOLS, tool_choice: 'none' }, []],
]

t.test('tool calls reach the SDK as without us, in each of its ways, and cost what the provider bills', async (t) => {
  const twins = await twinsFor(t)
  for (const [name, asked, expected] of CASES) {
    await t.test(name, async (t) => {
      const plain = await sameBothWays(t, twins, name, (client) => plainCalls(client, asked))
      t.strictSame(
        plain.map((call) => call.name),
        expected,
      )
      const streamed = await sameBothWays(t, twins, `streamed ${name}`, (client) => streamedCalls(client, asked))
      t.strictSame(streamed, plain)
    })
  }

  await t.test('a run of tools to its end, plain and streamed', async (t) => {
    const answers: unknown[] = []
    const parameters = z.object({ team: z.string(), days: z.int().nullable() })
    const tools = ['spend_of', 'limit_of'].map((name) =>
      zodFunction({
        name,
        parameters,
        function: (called) => {
          answers.push(called)
          return { cents: 1234 }
        },
      }),
    )
    for (const stream of [false, true]) {
      const run = await sameBothWays(t, twins, `run ${stream}`, async (client) => {
        const runner = stream
          ? client.chat.completions.runTools({ ...ASK, tools, stream: true })
          : client.chat.completions.runTools({ ...ASK, tools })
        return { said: await runner.finalContent(), messages: runner.messages }
      })
      t.match(run, { said: /\w/, messages: { length: 5 } })
    }
    t.equal(answers.length, 8)
  })

  await t.test('a call that the output limit breaks off', async (t) => {
    const asked = { tools: TOOLS, max_completion_tokens: 6 }
    const plain = await sameBothWays(t, twins, 'cut call', (client) => plainCalls(client, asked))
    t.throws(() => JSON.parse(plain.at(-1)?.text ?? ''), SyntaxError)
  })
})

t.test('tool calls that a detector holds until they are judged reach the SDK as without us', async (t) => {
  const twins = await twinsFor(t, { policies: { 'security.yaml': securityYaml({ response: 'redact' }) } })
  for (const [name, asked] of CASES) {
    await sameBothWays(t, twins, name, (client) => plainCalls(client, asked))
    await sameBothWays(t, twins, `streamed ${name}`, (client) => streamedCalls(client, asked))
  }
})
