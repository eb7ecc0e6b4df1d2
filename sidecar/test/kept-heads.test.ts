import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { createIdentify } from '../identify.ts'
import { createReadPrincipal } from '../principal.ts'
import { conversationSpan } from '../providers/conversation-span.ts'
import { KEPT_BYTES_MAX, KeptHeads } from '../providers/kept-heads.ts'

setFlagsFromString('--expose-gc')

const readPrincipal = createReadPrincipal({
  identity: { agent: 'a', workflow: null, session: null, tags: {} },
  trustHeaders: new Set(),
})

/** Two formats may be sent the same messages. */
const TARGETS = {
  messages: ['/openai/v1/chat/completions', '/anthropic/v1/messages'],
  contents: ['/google/v1beta/models/gemini-2.5-flash:generateContent'],
  input: ['/openai/v1/responses'],
}
type Key = keyof typeof TARGETS

/** What stage 2 makes of a body: the refusal, or what was read of it. */
const readingWith = (heads: KeptHeads) => {
  const identify = createIdentify(readPrincipal, heads)
  return (key: Key, body: Buffer, other = 0): unknown => {
    const identified = identify({
      id: 'x',
      receivedAtMs: 0,
      startedMs: 0,
      acceptedMs: 0,
      method: 'POST',
      target: TARGETS[key][other % TARGETS[key].length] ?? '',
      headers: [],
      body,
      client: { gone: false, signal: new AbortController().signal, onGone: () => {} },
    })
    if (isDenial(identified)) return identified
    const { ask } = identified
    if (ask.kind !== 'metered') throw new Error('not metered')
    const { adapter, request, byteStrings } = ask
    const media: string[] = []
    const segments = adapter.segments(request, (one) => media.push(one))
    return { request, order: JSON.stringify(request.json), byteStrings, segments, media }
  }
}

/** So much that a head is worth keeping. */
const LONG = 'All of this was said before. '.repeat(600)

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('plain', 'é', '→ 😀', '\u001b[0m', '"],"model":"x', '\\', '}', '"messages":[', '\u0080'),
)
const id = fc.constantFrom('call_1', 'call_2')
const file = fc.constantFrom('data:image/png;base64,AAAA', 'data:text/plain;base64,aGVsbG8=')
const message = fc.oneof(
  fc.record({
    role: fc.constant('assistant'),
    tool_calls: fc.array(fc.record({ id, function: fc.record({ name: fc.constantFrom('a', 'b'), arguments: text }) })),
    content: fc.array(fc.record({ type: fc.constant('tool_use'), id, name: fc.constantFrom('c', 'd'), input: text })),
  }),
  fc.record({ role: fc.constant('tool'), tool_call_id: id, content: text }),
  fc.record({ type: fc.constantFrom('function_call', 'function_call_output'), call_id: id, name: text, output: text }),
  fc.record({ role: fc.constant('user'), content: fc.array(fc.record({ image_url: file, text })) }),
  fc.record({
    role: fc.constant('user'),
    parts: fc.array(fc.record({ text, functionCall: fc.record({ name: text }) })),
  }),
  fc.record({ role: fc.constantFrom('user', 'assistant', 'tool'), content: text }),
  fc.record({ role: fc.constant('user'), content: fc.array(fc.record({ type: fc.constant('text'), text })) }),
  fc.record({ role: fc.constant('user'), content: text, messages: fc.array(text, { maxLength: 2 }) }),
  text,
)

/** How a client writes JSON. */
const style = fc.constantFrom<(value: unknown) => string>(
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(value, null, 2),
  (value) =>
    JSON.stringify(value).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
)

const piece = fc.constantFrom(
  ...['.5', '5', ',', ']', '}', '{}', '"', '\\', ' ', 'null', '\ufffd', '\\u0041', ',{"a":1,"a":2}', '"model":"y",'],
  `,${'['.repeat(300)}${']'.repeat(300)}`,
  ',{"\\u0061":1,"a":2}',
)
/** What becomes of a conversation from one request to the next; a piece is put in so far from the end of the text. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('grow' as const), messages: fc.array(message) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('edit' as const), at: fc.nat(), message }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('spoil' as const), fromEnd: fc.nat(80), piece }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), bytes: fc.nat(40) }) },
)
const others = fc.dictionary(fc.constantFrom('tools', 'stream', 'metadata', 'system', '7', 'a b', 'messages '), text, {
  maxKeys: 2,
})

const conversation = fc.record({
  key: fc.constantFrom<Key>('messages', 'messages', 'contents', 'input'),
  first: fc.array(message),
  before: others,
  behind: others,
  write: style,
  steps: fc.array(fc.tuple(step, fc.constantFrom(0, 0, 0, 1)), { minLength: 4, maxLength: 10 }),
})

t.test('a body whose head is known is read, or refused, as any other', (t) => {
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const read = readingWith(heads)
  const readWhole = readingWith(new KeptHeads(0))
  fc.assert(
    fc.property(conversation, ({ key, first, before, behind, write, steps }) => {
      let messages: readonly unknown[] = [{ role: 'user', content: LONG }, ...first]
      for (const [one, other] of steps) {
        if (one.kind === 'grow') messages = [...messages, ...one.messages]
        if (one.kind === 'edit') messages = messages.with(one.at % messages.length, one.message)
        const written = write({ ...before, model: 'gpt-4.1', [key]: messages, ...behind })
        const at = one.kind === 'spoil' ? written.length - one.fromEnd : written.length
        const spoilt = one.kind === 'spoil' ? written.slice(0, at) + one.piece + written.slice(at) : written
        const body = Buffer.from(spoilt)
        const sent = one.kind === 'cut' ? body.subarray(0, body.length - one.bytes) : body
        if (!isDeepStrictEqual(read(key, sent, other), readWhole(key, sent, other))) return false
      }
      return true
    }),
    { numRuns: 800 },
  )
  t.ok(heads.stats().hits > 200, `${heads.stats().hits} heads were known`)
  t.end()
})

const chat = (messages: readonly unknown[], more: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ model: 'gpt-4.1', messages, ...more }))

t.test('the head of a conversation that came twice is kept, and grows with it', (t) => {
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const read = readingWith(heads)
  let messages: readonly unknown[] = [{ role: 'user', content: LONG }]
  for (let turn = 0; turn < 10; turn++) {
    messages = [...messages, { role: 'assistant', content: `turn ${turn} 😀` }]
    read('messages', chat(messages, { tools: [] }))
  }
  t.same({ hits: heads.stats().hits, heads: heads.stats().heads }, { hits: 8, heads: 1 })
  t.ok(heads.stats().bytes > LONG.length)
  t.end()
})

t.test('what is kept stays within its bounds, and what comes once is not kept', (t) => {
  const heads = new KeptHeads(400_000)
  const read = readingWith(heads)
  const bodies = Array.from({ length: 100 }, (_, at) => chat([{ role: 'user', content: `${LONG} ${at}` }]))
  for (const body of bodies) read('messages', body)
  t.equal(heads.stats().heads, 0)
  for (const body of bodies) {
    read('messages', body)
    read('messages', body)
    t.ok(heads.stats().bytes <= 400_000)
  }
  t.ok(heads.stats().heads > 5)
  t.end()
})

t.test('what takes many times its text in memory is not kept', (t) => {
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const read = readingWith(heads)
  const send = (content: unknown): void => {
    for (const more of [1, 2, 3])
      read('messages', chat([{ role: 'user', content }, ...Array(more).fill({ role: 'user', content: '' })]))
  }
  send(Array(300_000).fill([]))
  t.same(heads.stats(), { heads: 0, bytes: 0, hits: 0 })
  send('[],{}\\",{} '.repeat(60_000))
  t.match(heads.stats(), { heads: 1, hits: 1 }, 'what stands in a text is no value')
  t.end()
})

t.test('what stands behind the messages counts, at each turn anew', (t) => {
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const read = readingWith(heads)
  const toolsOf = (chars: number): object => ({ tools: [{ function: { name: 'a', description: 'x'.repeat(chars) } }] })
  const messages = [{ role: 'user', content: LONG }]
  const bytesAt = (turns: number, chars: number): number => {
    read('messages', chat([...messages, ...Array(turns).fill({ role: 'user', content: 'y' })], toolsOf(chars)))
    return heads.stats().bytes
  }
  bytesAt(0, 500_000)
  const large = bytesAt(0, 500_000)
  t.ok(large > 1_000_000, `${large} bytes`)
  const small = bytesAt(0, 10)
  t.ok(small > 2 * LONG.length && small < 100_000, `${small} bytes`)
  t.ok(bytesAt(1, 500_000) > large, 'in a body that grew')
  t.equal(bytesAt(1, 10), bytesAt(1, 10), 'and no more where it did not')
  t.equal(heads.stats().hits, 4)

  for (let at = 0; at < 64; at++)
    for (let time = 0; time < 2; time++) read('messages', chat([{ role: 'user', content: at }], toolsOf(1_500_000)))
  t.ok(heads.stats().heads <= KEPT_BYTES_MAX / 3_000_000, `${heads.stats().heads} heads`)
  t.end()
})

t.test('a head keeps no body for the sake of its beginning', (t) => {
  const collect: unknown = runInNewContext('gc')
  const arrayBytes = (): number => {
    if (typeof collect !== 'function') throw new Error('the garbage cannot be collected here')
    for (let time = 0; time < 3; time++) collect()
    return process.memoryUsage().arrayBuffers
  }
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const read = readingWith(heads)
  const before = arrayBytes()
  for (let at = 0; at < 50; at++)
    for (let turn = 0; turn < 4; turn++)
      read(
        'messages',
        chat(Array(turn + 1).fill({ role: 'user', content: `${at}` }), { metadata: 'z'.repeat(100_000) }),
      )
  const added = arrayBytes() - before
  t.equal(heads.stats().heads, 50)
  t.ok(added < 1_000_000, `${added} bytes of 5 MB`)
  t.end()
})

t.test('a conversation that is read now in one way and now in another is kept once for each', (t) => {
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const read = readingWith(heads)
  const bodyOf = (turns: number, more: string): Buffer =>
    Buffer.from(
      `{"model":"m","messages":${JSON.stringify(Array(turns).fill({ role: 'user', content: `é${LONG}` }))}${more}}`,
    )
  for (let turn = 1; turn <= 20; turn++)
    for (const more of ['', ',"metadata":"\\u00e9"']) read('messages', bodyOf(turn, more))
  t.match(heads.stats(), { heads: 2 })
  t.ok(heads.stats().hits >= 34, `${heads.stats().hits} of 40 were known`)
  t.end()
})

t.test('a conversation is found among members that look like it', (t) => {
  const spanOf = (written: string): string | null => {
    const span = conversationSpan(JSON.parse(written), written)
    return span && written.slice(span.from, span.to)
  }
  t.equal(spanOf('{"messages":[{"a":1},{}]}'), '{"a":1},{}')
  t.equal(spanOf('{ "model" : "messages", "messages" : [ {"a":1} ] , "tools" : [1] }'), ' {"a":1}')
  t.equal(spanOf('{"a":{"messages":[{}]},"messages":[{"tools":1}],"tools":[{"tools":[2]}]}'), '{"tools":1}')
  t.equal(spanOf('{"a":"\\"messages\\":[","messages":[{"b":"],\\"tools\\":1"}],"tools":3}'), '{"b":"],\\"tools\\":1"}')
  for (const none of ['[]', '{"messages":[]}', '{"messages":[{},1]}', '{"messages":{}}', '{"7":1,"messages":[{}]}'])
    t.equal(spanOf(none), null, none)
  t.end()
})
