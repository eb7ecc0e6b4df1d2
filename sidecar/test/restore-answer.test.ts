import t from 'tap'
import { restoreAnswer } from '../inspect/restore/restore-answer.ts'
import { StreamRestorer } from '../inspect/restore/restore-stream.ts'
import { anthropicMessages } from '../providers/anthropic/messages.ts'
import { openaiChat } from '../providers/openai/chat.ts'
import type { ProviderAdapter } from '../providers/provider.ts'
import { SSE } from '../providers/sse.ts'
import { foreign, redacted } from './support/restoring.ts'

const ODD = 'pa"ss\\wörd\n😀'
const { values, placeholders } = redacted(['ann@example.org', ODD], ['mail'])
const [mail = '', odd = ''] = placeholders

const restored = (adapter: ProviderAdapter, answer: object): unknown =>
  JSON.parse(restoreAnswer(Buffer.from(JSON.stringify(answer, null, 1)), adapter, values).toString())

function streamed(adapter: ProviderAdapter, events: readonly object[]): string {
  const restorer = new StreamRestorer(values, adapter.openStream({ model: 'm', stream: true, json: {} }), SSE)
  const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
  return Buffer.concat([...restorer.push(bytes), ...restorer.flush()]).toString()
}

t.test('in an answer values stand in their strings again, and every other byte is as it was', async (t) => {
  const body = ` { "choices" : [{"message":{"content":"to ${mail}, \\u00e9 ${odd}"}, "x":1e2 }]}\n`
  const expected = body.replace(mail, 'ann@example.org').replace('\\u00e9', 'é')
  const text = restoreAnswer(Buffer.from(body), openaiChat, values).toString()
  t.equal(text, expected.replace(odd, JSON.stringify(ODD).slice(1, -1)))
  const plain = Buffer.from(`{"choices":[{"message":{"content":"to ${foreign('x')}"}}]}`)
  t.equal(restoreAnswer(plain, openaiChat, values), plain, 'and one that names nothing is the same')
})

t.test('what is signed, or may be, is left alone', async (t) => {
  const thinking = { type: 'thinking', thinking: `of ${mail}`, signature: 'abc' }
  const text = { type: 'text', text: `of ${mail}` }
  t.same(restored(anthropicMessages, { content: [thinking, text] }), {
    content: [thinking, { type: 'text', text: 'of ann@example.org' }],
  })
  const reasoning_details = [{ type: 'reasoning.text', text: `of ${mail}`, signature: 'abc' }]
  t.match(restored(openaiChat, { choices: [{ message: { content: mail, reasoning_details } }] }), {
    choices: [{ message: { content: 'ann@example.org', reasoning_details } }],
  })
  const delta = (index: number, delta: object) => ({ type: 'content_block_delta', index, delta })
  const told = streamed(anthropicMessages, [
    delta(0, { type: 'thinking_delta', thinking: `of ${mail}` }),
    delta(1, { type: 'text_delta', text: `of ${mail}` }),
  ])
  t.ok(told.includes(`"thinking":"of ${mail}"`) && told.includes('"text":"of ann@example.org"'), told)
  const chunk = { choices: [{ index: 0, delta: { reasoning_details, content: mail } }] }
  t.match(streamed(openaiChat, [chunk]), JSON.stringify(reasoning_details))
})

t.test('a tool that is named is called with JSON, whatever the value is; no value gets into its name', async (t) => {
  const call = (name: string, args: string) => ({ function: { name, arguments: args } })
  const args = JSON.stringify({ to: odd, n: [1] })
  const answer = (calls: readonly object[]) => ({ choices: [{ message: { tool_calls: calls } }] })
  const given = restored(openaiChat, answer([call('mail', args), call('fetch', args), call('mail', `to ${odd}`)]))
  t.same(
    given,
    answer([call('mail', JSON.stringify({ to: ODD, n: [1] })), call('fetch', args), call('mail', `to ${ODD}`)]),
  )
  const chunk = (delta: object, finish_reason: string | null) => ({ choices: [{ index: 0, delta, finish_reason }] })
  const named = [
    chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: mail, arguments: '{}' } }] }, 'tool_calls'),
  ]
  t.notMatch(streamed(openaiChat, named), 'ann@')
})

t.test('a call that is too long to be held goes on as it is written', async (t) => {
  const part = (text: string) => ({
    choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { name: 'mail', arguments: text } }] } }],
  })
  const told = streamed(openaiChat, [
    part('"'),
    ...Array.from({ length: 20 }, () => part('x'.repeat(10_000))),
    part(`${mail}"`),
  ])
  t.ok(told.includes(mail))
})
