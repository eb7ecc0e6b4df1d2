import { NO_USAGE } from '@agentcostcontrol/contract'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { ollamaChat, ollamaEmbed, ollamaGenerate } from '../providers/ollama/adapters.ts'
import type { ProviderAdapter } from '../providers/provider.ts'

const read = (adapter: ProviderAdapter, json: object) => {
  const request = adapter.parse(json, { model: null, stream: false })
  if (isDenial(request)) throw new Error(request.message)
  return request
}
const ASK = { model: 'qwen3:8b', messages: [{ role: 'user', content: 'hello' }] }
const factsOf = (answer: object) => ollamaChat.readAnswer(answer, read(ollamaChat, ASK))

t.test('its figures are input and output, and what is absent is not zero', async (t) => {
  const done = { model: 'qwen3:8b', done: true, done_reason: 'stop' }
  const told = factsOf({ ...done, prompt_eval_count: 26, eval_count: 298 })
  t.same(told.usage, { ...NO_USAGE, inputUncached: 26, outputVisible: 298 })
  t.same(told.rawUsage, { prompt_eval_count: 26, eval_count: 298, done_reason: 'stop' }, 'and no text is kept')
  t.same(factsOf({ ...done, prompt_eval_count: 0, eval_count: 0 }).usage, NO_USAGE, 'zero is a figure')
  for (const absent of [{}, { eval_count: 5 }, { prompt_eval_count: 5 }, { prompt_eval_count: null, eval_count: 5 }])
    t.equal(factsOf({ ...done, ...absent }).usage, null, JSON.stringify(absent))
  for (const senseless of [-1, 1.5, '7', 1e12, true])
    t.equal(factsOf({ ...done, prompt_eval_count: senseless, eval_count: 5 }).usage, null, String(senseless))
  for (const done_reason of ['load', 'unload'])
    t.same(factsOf({ done: true, done_reason }).usage, NO_USAGE, `${done_reason} evaluates nothing`)
})

t.test('embeddings have input alone, and the older endpoint tells nothing', async (t) => {
  const request = read(ollamaEmbed, { model: 'm', input: ['a'] })
  t.same(ollamaEmbed.readAnswer({ embeddings: [], prompt_eval_count: 7 }, request).usage, {
    ...NO_USAGE,
    inputUncached: 7,
  })
  t.equal(ollamaEmbed.readAnswer({ embedding: [] }, request).usage, null)
  t.match(ollamaEmbed.bound(request, 100), { kind: 'bounded', outputTokensAsked: 0 })
})

t.test('it streams unless it is told not to', async (t) => {
  t.equal(read(ollamaChat, ASK).stream, true)
  t.equal(read(ollamaGenerate, { model: 'm', prompt: '', stream: null }).stream, true)
  t.equal(read(ollamaChat, { ...ASK, stream: false }).stream, false)
  t.equal(read(ollamaEmbed, { model: 'm', input: 'a' }).stream, false)
})

t.test('num_predict is a limit above zero, and none else; it is lowered in its own place', async (t) => {
  const asked = (num_predict: unknown) => ollamaChat.bound(read(ollamaChat, { ...ASK, options: { num_predict } }), 100)
  t.match(asked(77), { outputTokensAsked: 77 })
  for (const none of [-1, -2, 0, null, '77', 7.5]) t.match(asked(none), { outputTokensAsked: null }, String(none))
  const lowered = (body: string) =>
    ollamaChat.limitOutput(Buffer.from(body), read(ollamaChat, JSON.parse(body)), 9).toString()
  t.equal(
    lowered('{"model":"m","options":{"seed":12345678901234567890, "num_predict" : -1}}'),
    '{"model":"m","options":{"seed":12345678901234567890, "num_predict" : 9}}',
  )
  t.equal(lowered('{"model":"m","options":{ }}'), '{"model":"m","options":{"num_predict":9 }}')
  t.equal(lowered('{"model":"m"}'), '{"options":{"num_predict":9},"model":"m"}')
  t.equal(lowered('{"model":"m","options":null}'), '{"model":"m","options":{"num_predict":9}}')
})

t.test('a picture counts by what one costs, not by the bytes that carry it', async (t) => {
  const boundOf = (json: object) => {
    const bound = ollamaChat.bound(read(ollamaChat, json), JSON.stringify(json).length)
    return bound.kind === 'bounded' ? bound.inputTokensMax : 0
  }
  const picture = 'A'.repeat(1_000_000)
  const seen = boundOf({ ...ASK, messages: [{ role: 'user', content: 'see', images: [picture] }] })
  t.ok(seen > 16_384 && seen < 20_000, String(seen))
  t.ok(boundOf({ model: 'm', prompt: 'p', images: [picture, picture] }) > 2 * 16_384)
})

t.test('every text is read with its source, and every call', async (t) => {
  const request = read(ollamaChat, {
    model: 'm',
    format: { type: 'object', title: 'shape' },
    keep_alive: '5m',
    messages: [
      { role: 'system', content: 'one' },
      { role: 'user', content: 'two', images: ['AAAA'] },
      {
        role: 'assistant',
        content: '',
        thinking: 'three',
        tool_calls: [{ function: { name: 'f', arguments: { a: 'four' } } }],
      },
      { role: 'tool', content: 'five', tool_name: 'f' },
    ],
    tools: [{ type: 'function', function: { name: 'f', description: 'six' } }],
  })
  t.same(
    ollamaChat.segments(request).map(({ source, path, text }) => [source, path.join('.'), text]),
    [
      ['system', 'messages.0.content', 'one'],
      ['user', 'messages.1.content', 'two'],
      ['tool_call', 'messages.2.tool_calls.0.function.arguments', '{"a":"four"}'],
      ['assistant', 'messages.2.thinking', 'three'],
      ['tool_result', 'messages.3.content', 'five'],
      ['tool_definition', 'tools.0', '{"type":"function","function":{"name":"f","description":"six"}}'],
      ['user', 'format', '{"type":"object","title":"shape"}'],
    ],
  )
  const generate = read(ollamaGenerate, {
    model: 'm',
    prompt: 'p',
    system: 's',
    template: 't',
    suffix: 'u',
    context: [1],
  })
  t.same(
    ollamaGenerate.segments(generate).map(({ source, text }) => [source, text]),
    [
      ['user', 'p'],
      ['system', 's'],
      ['system', 't'],
      ['user', 'u'],
    ],
  )
})
