import fc from 'fast-check'
import t from 'tap'
import { simulatorFor } from '../../test/support/simulator.ts'
import { ask, askJson, askStream, contentOf } from './support/ask.ts'

const TOOL = (name: string) => ({
  type: 'function',
  function: {
    name,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' }, unit: { enum: ['c', 'f'] } },
    },
  },
})

t.test('what it says depends on its seed and the request alone', async (t) => {
  const [first, same, other] = [
    await simulatorFor(t, { seed: 7 }),
    await simulatorFor(t, { seed: 7 }),
    await simulatorFor(t, { seed: 8 }),
  ]
  const said = async (simulator: typeof first, chat = {}) => ({ ...(await askJson(simulator, chat)), created: 0 })
  t.same(await said(first), await said(first), 'again')
  t.same(await said(first), await said(same), 'another process')
  t.not((await said(first)).choices[0].message.content, (await said(other)).choices[0].message.content, 'another seed')
  const question = { messages: [{ role: 'user', content: 'Something else?' }] }
  t.not((await said(first)).choices[0].message.content, (await said(first, question)).choices[0].message.content)
})

t.test('a stream says, calls and reports what the plain answer does', async (t) => {
  const simulator = await simulatorFor(t)
  for (const chat of [{}, { n: 3 }, { model: 'gpt-5' }, { max_completion_tokens: 5 }]) {
    const plain = await askJson(simulator, chat)
    const events = await askStream(simulator, chat)
    plain.choices.forEach(({ message }: { message: { content: string } }, at: number) => {
      t.equal(contentOf(events, at), message.content)
    })
    t.same(events.at(-2).usage, plain.usage)
    t.equal(events.at(-1), '[DONE]')
  }
  const tools = [TOOL('weather'), TOOL('map')]
  const plain = await askJson(simulator, { tools })
  const calls: { id: string; function: { name: string; arguments: string } }[] = []
  for (const event of await askStream(simulator, { tools }))
    for (const call of event.choices?.[0]?.delta.tool_calls ?? []) {
      if (call.id) calls[call.index] = { ...call, function: { ...call.function } }
      else if (calls[call.index]) Object.assign(calls[call.index]?.function ?? {}, joined(calls[call.index], call))
    }
  t.same(
    calls.map(({ id, function: called }) => ({ id, called })),
    plain.choices[0].message.tool_calls.map(({ id, function: called }: (typeof calls)[number]) => ({ id, called })),
  )
})

const joined = (
  known: { readonly function: { readonly arguments: string } } | undefined,
  more: { readonly function: { readonly arguments: string } },
) => ({ arguments: (known?.function.arguments ?? '') + more.function.arguments })

t.test('no answer has more output than the limit that it was told, reasoning included', async (t) => {
  const simulator = await simulatorFor(t)
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        model: fc.constantFrom('gpt-4.1-mini', 'gpt-5', 'o3'),
        limit: fc.integer({ min: 1, max: 90 }),
        field: fc.constantFrom('max_tokens', 'max_completion_tokens'),
        n: fc.integer({ min: 1, max: 3 }),
        shape: fc.constantFrom(
          {},
          { tools: [TOOL('weather'), TOOL('map')] },
          { response_format: { type: 'json_object' } },
        ),
        asked: fc.integer({ min: 1, max: 200 }),
      }),
      async ({ model, limit, field, n, shape, asked }) => {
        const chat = { model, n, [field]: limit, ...shape }
        const { usage, choices } = await askJson(simulator, chat, { 'output-tokens': String(asked) })
        return usage.completion_tokens <= limit * n && choices.length === n
      },
    ),
    { numRuns: 60 },
  )
  const cut = await askJson(simulator, { max_completion_tokens: 3 })
  t.equal(cut.choices[0].finish_reason, 'length')
  t.equal(cut.usage.completion_tokens, 3)
  const both = await askJson(simulator, { max_completion_tokens: 3, max_tokens: 9 })
  t.equal(both.usage.completion_tokens, 3, 'the newer of the two fields counts')
})

t.test('output-tokens, reply, tool-call, refusal and overrun decide what is answered', async (t) => {
  const simulator = await simulatorFor(t)
  const long = await askJson(simulator, {}, { 'output-tokens': '123' })
  t.equal(long.usage.completion_tokens, 123)
  const said = 'Grüße, 100 %: "äöü" 🙂'
  const reply = await askJson(simulator, {}, { reply: encodeURIComponent(said) })
  t.equal(reply.choices[0].message.content, said)
  const chat = { tools: [TOOL('weather'), TOOL('map')], tool_choice: { type: 'function', function: { name: 'map' } } }
  const called = await askJson(simulator, chat, { 'tool-call': encodeURIComponent('{"city":"Köln"}') })
  t.match(called.choices[0], {
    finish_reason: 'tool_calls',
    message: { content: null, tool_calls: [{ function: { name: 'map', arguments: '{"city":"Köln"}' } }] },
  })
  t.equal(called.choices[0].message.tool_calls.length, 1)
  const refused = await askJson(simulator, {}, { fault: 'refusal' })
  t.equal(refused.choices[0].message.content, null)
  t.ok(refused.choices[0].message.refusal)
  const over = await askJson(simulator, { max_completion_tokens: 30 }, { fault: 'overrun' })
  t.equal(over.usage.completion_tokens, 60)
})

t.test('tools, structured output, stop words and choices are answered as they are asked for', async (t) => {
  const simulator = await simulatorFor(t)
  const tools = [TOOL('weather'), TOOL('map')]
  const { choices } = await askJson(simulator, { tools })
  t.equal(choices[0].message.tool_calls.length, 2)
  for (const call of choices[0].message.tool_calls) {
    const { city, days, unit } = JSON.parse(call.function.arguments)
    t.match({ city, days, unit }, { city: String, days: Number, unit: /^[cf]$/ })
  }
  const single = await askJson(simulator, { tools, parallel_tool_calls: false })
  t.equal(single.choices[0].message.tool_calls.length, 1)
  t.equal((await askJson(simulator, { tools, tool_choice: 'none' })).choices[0].message.tool_calls, undefined)
  const after = [
    { role: 'user', content: 'weather?' },
    { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
  ]
  t.equal((await askJson(simulator, { tools, messages: after })).choices[0].finish_reason, 'stop', 'the loop ends')
  const schema = { type: 'object', properties: { ok: { type: 'boolean' }, list: { type: 'array', items: {} } } }
  const format = { type: 'json_schema', json_schema: { name: 'x', schema } }
  const structured = JSON.parse((await askJson(simulator, { response_format: format })).choices[0].message.content)
  t.match(structured, { ok: Boolean, list: Array })
  const plain = await askJson(simulator)
  const [, second = ''] = plain.choices[0].message.content.split(' ')
  const stopped = (await askJson(simulator, { stop: second })).choices[0].message.content
  t.ok(plain.choices[0].message.content.startsWith(stopped) && !stopped.includes(second))
  t.equal((await askJson(simulator, { n: 3 })).choices.length, 3)
})

t.test('a request that OpenAI would not take is refused in its words', async (t) => {
  const simulator = await simulatorFor(t)
  const status = async (chat: object) => (await ask(simulator, { ...chat })).status
  t.equal(await status({ model: undefined }), 400)
  t.equal(await status({ model: 'no-such-model' }), 404)
  t.equal(await status({ messages: [] }), 400)
  const url = `${simulator.url}/v1/chat/completions`
  t.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401, 'no key')
  const headers = { authorization: 'Bearer any' }
  const broken = await fetch(url, { method: 'POST', headers, body: '{"model":' })
  t.equal(broken.status, 400)
  t.match(JSON.parse(await broken.text()), { error: { type: 'invalid_request_error', message: /parse/ } })
  t.equal(simulator.bill.entries().length, 0, 'and costs nothing')
})
