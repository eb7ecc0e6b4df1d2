import fc from 'fast-check'
import t from 'tap'
import { StreamFilter } from '../answer/stream-filter.ts'
import { openMessageStream } from '../providers/anthropic/stream.ts'
import type { Framing } from '../providers/framing.ts'
import { openStream as openGeminiStream } from '../providers/gemini/stream.ts'
import { JsonEnd } from '../providers/json-end.ts'
import { NDJSON } from '../providers/ndjson.ts'
import { openStream as openOllamaStream } from '../providers/ollama/stream.ts'
import { OpenCalls } from '../providers/open-calls.ts'
import { openResponseStream } from '../providers/openai/responses/stream.ts'
import { openChatStream } from '../providers/openai/stream.ts'
import type { StreamReader } from '../providers/provider.ts'
import { SSE } from '../providers/sse.ts'
import { inspectionThat } from './support/detectors.ts'

const KEY = 'KEY123456'
/** What a tool is called with, in three parts. */
const ARGS = ['{"to":"a@b.c","text":"the K', 'EY123', '456 is here"}'] as const

interface Format {
  readonly name: string
  readonly framing: Framing
  open(): StreamReader
  /** Text, a call that comes in parts where the format does that, and text behind it. */
  readonly events: readonly string[]
}

const sse = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`
const chat = (delta: object, finish: string | null = null): string =>
  sse({ id: 'c', choices: [{ index: 0, delta, finish_reason: finish }] })
const anthropic = (data: { readonly type: string; readonly [member: string]: unknown }): string =>
  `event: ${data.type}\n${sse(data)}`
const gemini = (parts: readonly object[]): string =>
  sse({ candidates: [{ index: 0, content: { role: 'model', parts } }] })
const partial = (part: object): string => gemini([{ functionCall: { partialArgs: [part], willContinue: true } }])
const whole = (): unknown => JSON.parse(ARGS.join(''))
const item = { type: 'function_call', id: 'i', call_id: 'c', name: 'send', arguments: ARGS.join('') }

const FORMATS: readonly Format[] = [
  {
    name: 'chat completions',
    framing: SSE,
    open: openChatStream,
    events: [
      chat({ content: 'hello ' }),
      chat({ tool_calls: [{ index: 0, id: 'x', function: { name: 'send', arguments: '' } }] }),
      ...ARGS.map((text) => chat({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
      chat({}, 'tool_calls'),
      'data: [DONE]\n\n',
    ],
  },
  {
    name: 'messages',
    framing: SSE,
    open: () => openMessageStream(() => true),
    events: [
      anthropic({ type: 'message_start', message: { id: 'm', model: 'claude', usage: { input_tokens: 1 } } }),
      anthropic({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      anthropic({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hello ' } }),
      anthropic({ type: 'content_block_stop', index: 0 }),
      anthropic({
        type: 'content_block_start',
        index: 1,
        content_block: { type: 'tool_use', name: 'send', input: {} },
      }),
      ...ARGS.map((text) =>
        anthropic({ type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: text } }),
      ),
      anthropic({ type: 'content_block_stop', index: 1 }),
      anthropic({ type: 'message_stop' }),
    ],
  },
  {
    name: 'responses',
    framing: SSE,
    open: openResponseStream,
    events: [
      anthropic({ type: 'response.output_item.added', output_index: 0, item: { ...item, arguments: '' } }),
      ...ARGS.map((delta) =>
        anthropic({ type: 'response.function_call_arguments.delta', output_index: 0, item_id: 'i', delta }),
      ),
      anthropic({ type: 'response.function_call_arguments.done', output_index: 0, arguments: ARGS.join('') }),
      anthropic({ type: 'response.output_item.done', output_index: 0, item }),
      anthropic({ type: 'response.completed', response: { id: 'r', output: [item] } }),
    ],
  },
  {
    name: 'generateContent',
    framing: SSE,
    open: () => openGeminiStream({ model: 'gemini', stream: true, json: {} }),
    events: [
      gemini([{ text: 'hello ' }]),
      gemini([{ functionCall: { name: 'send', args: whole() } }]),
      gemini([{ text: '.' }]),
    ],
  },
  {
    name: 'generateContent with arguments in parts',
    framing: SSE,
    open: () => openGeminiStream({ model: 'gemini', stream: true, json: {} }),
    events: [
      gemini([{ text: 'hello ' }]),
      gemini([{ functionCall: { name: 'send', willContinue: true } }]),
      partial({ jsonPath: '$.to', stringValue: 'a@b.c' }),
      ...['the K', 'EY123', '456 is here'].map((stringValue) =>
        partial({ jsonPath: '$.text', stringValue, willContinue: true }),
      ),
      gemini([{ functionCall: {} }]),
      gemini([{ text: '.' }]),
    ],
  },
  {
    name: 'ollama chat',
    framing: NDJSON,
    open: openOllamaStream,
    events: [
      `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'hello ' } })}\n`,
      `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: '', tool_calls: [{ function: { name: 'send', arguments: whole() } }] } })}\n`,
      `${JSON.stringify({ model: 'm', done: true })}\n`,
    ],
  },
]

interface Passed {
  readonly bytes: string
  readonly refused: boolean
  readonly findings: readonly string[]
}

function pass({ open, framing }: Format, chunks: readonly Buffer[], action: 'alert' | 'redact' | 'block'): Passed {
  const filter = new StreamFilter(open(), framing, false, inspectionThat(action))
  const out: Buffer[] = []
  let refused = false
  for (const step of [...chunks.map((chunk) => () => filter.push(chunk)), () => filter.flush()]) {
    const { bytes, refusal } = step()
    out.push(...bytes.map((each) => Buffer.from(each)))
    refused ||= refusal !== null
    if (refused) break
  }
  const findings = filter.findings.map(({ detail }) => `${detail?.source} ${detail?.tool}`)
  return { bytes: Buffer.concat(out).toString(), refused, findings }
}

const bytesOf = ({ events }: Format): Buffer => Buffer.from(events.join(''))

for (const format of FORMATS) {
  t.test(
    `${format.name}: a call is held until it is complete, and nothing of one that is blocked passes`,
    async (t) => {
      const { bytes, refused, findings } = pass(format, [bytesOf(format)], 'block')
      t.ok(refused)
      t.notMatch(bytes, /KEY|123|a@b\.c/)
      t.same(findings, ['tool_call send'])
      const open = new StreamFilter(format.open(), format.framing, false, inspectionThat('block'))
      const [, ...first] = format.events.map((event) => Buffer.concat(open.push(Buffer.from(event)).bytes).toString())
      t.notMatch(first.join(''), 'a@b.c')
    },
  )

  t.test(`${format.name}: what is redacted of a call leaves JSON that a client can read`, async (t) => {
    const { bytes, refused } = pass(format, [bytesOf(format)], 'redact')
    t.notOk(refused)
    t.notMatch(bytes, KEY)
    const reader = format.open()
    const splitter = format.framing.splitter(1_000_000)
    const calls: string[] = []
    const texts = new Map<string, string>()
    for (const event of splitter.push(Buffer.from(bytes))) {
      const read = reader.read(format.framing.data(event)?.text ?? '')
      for (const { channel, text } of read?.pieces ?? []) texts.set(channel, (texts.get(channel) ?? '') + text)
      for (const { channels, text } of read?.calls ?? [])
        calls.push(text ?? channels.map((name) => texts.get(name)).join(''))
    }
    const asked = calls.filter((call) => call.startsWith('{'))
    t.ok(asked.length > 0)
    for (const call of asked) t.same(JSON.parse(call), { to: 'a@b.c', text: 'the [REDACTED:key] is here' })
  })

  t.test(`${format.name}: a call that is only reported passes byte for byte`, async (t) => {
    const { bytes, findings } = pass(format, [bytesOf(format)], 'alert')
    t.equal(bytes, bytesOf(format).toString())
    t.ok(findings.includes('tool_call send'))
  })

  t.test(`property: ${format.name}: verdicts and bytes do not depend on how the stream was cut`, async (t) => {
    const all = bytesOf(format)
    for (const action of ['redact', 'block'] as const) {
      const expected = pass(format, [all], action)
      fc.assert(
        fc.property(fc.array(fc.nat(all.length), { maxLength: 12 }), (places) => {
          const cuts = [0, ...places.toSorted((a, b) => a - b), all.length]
          const chunks = cuts.slice(1).map((end, at) => all.subarray(cuts[at], end))
          const got = pass(format, chunks, action)
          return JSON.stringify(got) === JSON.stringify(expected)
        }),
        { numRuns: 60 },
      )
    }
    t.pass()
  })
}

for (const { name, framing, open, events } of FORMATS) {
  t.test(`${name}: what a client that leaves has got of a call is told of once`, async (t) => {
    for (const last of events.keys()) {
      const given = Buffer.from(events.slice(0, last + 1).join(''))
      const [left, ended] = [0, 1].map(() => new StreamFilter(open(), framing, false, inspectionThat('alert')))
      const told = (filter: StreamFilter | undefined) =>
        filter?.findings.map(({ detail, count }) => [detail?.source, count])
      left?.push(Buffer.from(given))
      left?.conclude()
      ended?.push(Buffer.from(given))
      ended?.flush()
      t.same(told(left), told(ended), `${last + 1} events`)
      left?.conclude()
      t.same(told(left), told(ended), 'and once')
    }
  })
}

t.test('a call that is too long to be held is refused where the policy is closed', async (t) => {
  const [format] = FORMATS
  if (!format) return
  const long = chat({ tool_calls: [{ index: 0, function: { name: 'send', arguments: 'x'.repeat(130 * 1_024) } }] })
  t.ok(pass(format, [Buffer.from(long)], 'block').refused)
  t.notOk(pass(format, [Buffer.from(long)], 'alert').refused)
})

t.test('a call that only the end of a response tells is judged under its tool’s name', async (t) => {
  const format = FORMATS.find(({ name }) => name === 'responses')
  if (!format) return
  const completed = anthropic({ type: 'response.completed', response: { id: 'r', output: [item] } })
  const { refused, bytes, findings } = pass(format, [Buffer.from(completed)], 'block')
  t.ok(refused)
  t.notMatch(bytes, KEY)
  t.same(findings, ['tool_call send'])
})

t.test(
  'arguments in parts are put together by their paths, and end with their call, another one or the answer',
  async (t) => {
    const read = (events: readonly string[]) => {
      const reader = openGeminiStream({ model: 'gemini', stream: true, json: {} })
      return events.flatMap((event) => reader.read(event.slice('data: '.length))?.calls ?? [])
    }
    const part = (jsonPath: string, value: object): string => partial({ jsonPath, ...value })
    const calls = read([
      gemini([{ functionCall: { name: 'book', willContinue: true } }]),
      part('$.trip.stops[0].city', { stringValue: 'New ' }),
      part('$.trip.stops[0].city', { stringValue: 'Delhi' }),
      part("$.trip['of days']", { numberValue: 3 }),
      part('$.trip.paid', { boolValue: true }),
      part('$.trip.paid.no', { stringValue: 'way' }),
      part('$.__proto__.polluted', { stringValue: 'yes' }),
      part('nonsense', { nullValue: 'NULL_VALUE' }),
      gemini([{ functionCall: { name: 'pay', willContinue: true } }]),
      part('$.to', { stringValue: 'x' }),
      sse({ candidates: [{ index: 0, finishReason: 'STOP' }] }),
    ])
    t.same(
      calls.map(({ tool, text }) => [tool, JSON.parse(text ?? '')]),
      [
        [
          'book',
          JSON.parse(
            '{"trip":{"stops":{"0":{"city":"New Delhi"}},"of days":3,"paid":true},"$.trip.paid.no":"way","__proto__":{"polluted":"yes"},"nonsense":null}',
          ),
        ],
        ['pay', { to: 'x' }],
      ],
    )
    t.equal(Reflect.get({}, 'polluted'), undefined)
  },
)

const SECOND = chat({ tool_calls: [{ index: 0, id: 'y', function: { name: 'post', arguments: `{"k":"${KEY}"}` } }] })

t.test('a second call under the index of the first is a call of its own, with its own tool', async (t) => {
  const [format] = FORMATS
  if (!format) return
  const first = chat({ tool_calls: [{ index: 0, id: 'x', function: { name: 'vault', arguments: '{"a":1}' } }] })
  const { findings, bytes } = pass(format, [Buffer.from(first + SECOND + chat({}, 'tool_calls'))], 'redact')
  t.same(findings, ['tool_call post'])
  t.notMatch(bytes, KEY)
})

t.test('property: a call whose parts each come with an id of their own is one call, with its tool', async (t) => {
  const [format] = FORMATS
  if (!format) return
  const args = ARGS.join('')
  fc.assert(
    fc.property(
      fc.constantFrom('function' as const, 'custom' as const),
      fc.array(fc.nat(args.length), { maxLength: 12 }),
      fc.array(fc.constantFrom('a', 'b', '', 'x'.repeat(300), undefined, 7), { minLength: 14, maxLength: 14 }),
      fc.boolean(),
      (kind, places, ids, namesAll) => {
        const edges = [0, ...places.toSorted((a, b) => a - b), args.length]
        const member = kind === 'function' ? 'arguments' : 'input'
        const parts = edges.slice(1).map((end, at) => ({
          index: 0,
          id: ids[at],
          [kind]: { name: at === 0 || namesAll ? 'send' : '', [member]: args.slice(edges[at], end) },
        }))
        const stream = parts.map((part) => chat({ tool_calls: [part] })).join('') + chat({}, 'tool_calls')
        const { refused, bytes, findings } = pass(format, [Buffer.from(stream)], 'block')
        return refused && !/KEY|a@b\.c/.test(bytes) && findings.join() === 'tool_call send'
      },
    ),
    { numRuns: 100 },
  )
  t.pass()
})

t.test('property: JSON has ended where it can be parsed, wherever it is cut', async (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.object(), fc.array(fc.jsonValue())), fc.nat(), (value, at) => {
      const json = JSON.stringify(value)
      const cut = at % json.length
      const end = new JsonEnd()
      end.read(json.slice(0, cut))
      const before = end.isReached
      end.read(json.slice(cut))
      return before === (cut === 0) && end.isReached
    }),
  )
  const text = new JsonEnd()
  t.ok(text.isReached, 'nothing was begun')
  text.read('curl http://')
  t.notOk(text.isReached, 'what is no JSON has no end')
})

t.test('parts of a call of a response that say they are of different parts of it are one call', async (t) => {
  const format = FORMATS.find(({ name }) => name === 'responses')
  if (!format) return
  const type = 'response.function_call_arguments.delta'
  const stream = [
    anthropic({ type: 'response.output_item.added', output_index: 0, item: { ...item, arguments: '' } }),
    ...ARGS.map((delta, at) =>
      anthropic({ type, output_index: 0, content_index: at, summary_index: at, command_index: at, delta }),
    ),
  ]
  const { refused, bytes } = pass(format, [Buffer.from(stream.join(''))], 'block')
  t.ok(refused)
  t.notMatch(bytes, /KEY|a@b\.c/)
})

t.test('of the ids that a provider makes up so many are kept and no more, and a long one is none', async (t) => {
  const calls = new OpenCalls()
  for (let at = 0; at < 5_000; at++) {
    calls.place(`0.tool.${at}`, 'a', true)
    calls.place(`0.tool.${at}`, 'b', true)
  }
  t.equal(calls.place('0.tool.1', 'c', true), '0.tool.1.2')
  t.equal(calls.place('0.tool.4999', 'c', true), '0.tool.4999', 'what is beyond is one call')
  t.equal(calls.place('0.tool.1', 'x'.repeat(1_000), true), '0.tool.1.2')
})

t.test('arguments that a server sends as they are, and not as text, are judged', async (t) => {
  const [format] = FORMATS
  if (!format) return
  const call = chat({ tool_calls: [{ index: 0, function: { name: 'send', arguments: { note: `a ${KEY}` } } }] })
  t.ok(pass(format, [Buffer.from(call)], 'block').refused)
  t.match(pass(format, [Buffer.from(call)], 'redact').bytes, /"note":"a \[REDACTED:key\]"/)
})

t.test('two findings in one piece are taken out where they stand, whichever is told first', async (t) => {
  const [format] = FORMATS
  if (!format) return
  const inspection = inspectionThat('redact')
  const [only] = inspection.set.detectors
  if (!only) return
  const backwards = { ...only, detect: (...text: Parameters<typeof only.detect>) => only.detect(...text).toReversed() }
  const set = {
    ...inspection.set,
    detectors: [backwards],
    bySource: { ...inspection.set.bySource, assistant: [backwards], tool_call: [backwards] },
  }
  const filter = new StreamFilter(format.open(), format.framing, false, { ...inspection, set })
  const stream = `${chat({ content: `a ${KEY} b KEY654321 c` })}data: [DONE]\n\n`
  const bytes = [...filter.push(Buffer.from(stream)).bytes, ...filter.flush().bytes]
  t.match(Buffer.concat(bytes).toString(), 'a [REDACTED:key] b [REDACTED:key] c')
})

t.test('what waits behind a call that does not end is bounded', async (t) => {
  const [format] = FORMATS
  if (!format) return
  const open = chat({ tool_calls: [{ index: 0, function: { name: 'send', arguments: '{' } }] })
  const more = Array.from({ length: 60 }, () =>
    sse({ choices: [{ index: 1, delta: { content: 'x'.repeat(100_000) } }] }),
  )
  t.ok(
    pass(
      format,
      [open, ...more].map((event) => Buffer.from(event)),
      'block',
    ).refused,
  )
})
