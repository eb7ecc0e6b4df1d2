import fc from 'fast-check'
import t from 'tap'
import { withValues } from '../inspect/restore/placeholder-reader.ts'
import { StreamRestorer } from '../inspect/restore/restore-stream.ts'
import { DELTA_STREAMS, type DeltaStream } from './support/delta-streams.ts'
import { RECORDED, requestOf } from './support/recorded.ts'
import { foreign, redacted } from './support/restoring.ts'

const ODD = 'pa"ss\\wörd\n😀'
const { values, placeholders } = redacted(['ann@example.org', ODD], ['mail'])
const [mail = '', odd = ''] = placeholders

type Format = Pick<DeltaStream, 'adapter' | 'framing'>

const REQUEST = { model: 'm', stream: true, json: {} }

/** What goes on of a stream that comes in chunks. */
function pass({ adapter, framing }: Format, chunks: readonly Buffer[], request = REQUEST) {
  const restorer = new StreamRestorer(values, adapter.openStream(request), framing)
  const out = chunks.map((chunk) => Buffer.concat(restorer.push(Buffer.from(chunk))))
  return { out, bytes: Buffer.concat([...out, ...restorer.flush()]) }
}

/** Each text of a stream, as a client puts it together. */
function textsOf({ adapter, framing }: Format, bytes: Buffer): ReadonlyMap<string, string> {
  const reader = adapter.openStream(REQUEST)
  const texts = new Map<string, string>()
  const splitter = framing.splitter(1e9)
  const rest = (all: readonly Buffer[]): readonly Buffer[] => [...all, splitter.flush() ?? Buffer.alloc(0)]
  for (const event of rest(splitter.push(bytes))) {
    const data = framing.data(event)
    for (const { channel, text } of (data && reader.read(data.text)?.pieces) ?? [])
      texts.set(channel, (texts.get(channel) ?? '') + text)
  }
  return texts
}

const fragment = fc.oneof(
  fc.constantFrom(mail, odd, foreign('x'), '[', '[REDACTED:', ' ', '//', '](', ')', '"', 'word', '😀', '\n'),
  fc.string({ maxLength: 3 }),
)
const texts = fc.array(fragment, { minLength: 1, maxLength: 8 }).map((parts) => `${parts.join('')}.`)

function cut(text: string, cuts: readonly number[]): readonly string[] {
  const edges = [0, ...new Set(cuts.map((at) => at % (text.length + 1))), text.length].toSorted((a, b) => a - b)
  return edges.slice(1).flatMap((edge, at) => text.slice(edges[at], edge) || [])
}

const cutEvery = (size: number, text: string): readonly string[] =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size))

for (const format of DELTA_STREAMS) {
  const { name, write } = format

  t.test(`${name}: a placeholder in any number of events is put back in every text, and nothing else`, async (t) => {
    const cuts = fc.array(fc.nat(), { maxLength: 12 })
    fc.assert(
      fc.property(texts, texts, cuts, (text, note, cuts) => {
        const args = JSON.stringify({ to: mail, note })
        const stream = write(cut(text, cuts), cut(args, cuts))
        const restored = pass(format, [stream])
        const before = textsOf(format, stream)
        const after = textsOf(format, restored.bytes)
        const byteByByte = pass(
          format,
          [...stream].map((byte) => Buffer.of(byte)),
        )
        t.ok(byteByByte.bytes.equals(restored.bytes), 'byte by byte')
        t.same(
          [...after.keys()],
          [...before.keys()].filter((channel) => after.has(channel)),
        )
        for (const [channel, text] of after) {
          const isCall = /tool\.|input|_call|part\.\d| 1 |output\.1/.test(channel)
          t.equal(text, withValues(before.get(channel) ?? '', values, isCall ? 'mail' : undefined), channel)
        }
      }),
      { numRuns: 60 },
    )
  })

  t.test(`${name}: an event without a beginning of a placeholder goes on at once`, async (t) => {
    const stream = write(['plain ', 'text ', `a ${mail.slice(0, 20)}`, mail.slice(20), ' end'], ['{}'])
    const splitter = format.framing.splitter(1e9)
    const { out } = pass(format, splitter.push(stream))
    const asText = out.map(String)
    const at = asText.findIndex((event) => event.includes('plain '))
    t.match(asText[at + 1], 'text ')
    t.equal(asText[at + 2], '', 'the beginning waits')
    t.match(asText[at + 3], 'a ann@example.org')
  })

  t.test(`${name}: a stream that names nothing passes as it is`, async (t) => {
    const stream = write(['plain [1] ', foreign('y')], ['{"a":"[b]"}'])
    t.ok(pass(format, [stream]).bytes.equals(stream))
  })

  t.test(`${name}: what waits at the end, or for a call that does not end, goes on`, async (t) => {
    const stream = write([`a ${mail.slice(0, -1)}`], ['{"a":1}'])
    t.ok(pass(format, [stream]).bytes.equals(stream))
    for (const end of stream.keys()) {
      const { bytes } = pass(format, [stream.subarray(0, end)])
      if (!bytes.equals(stream.subarray(0, end))) t.fail(`cut at ${end}`)
    }
  })
}

for (const { write, ...format } of DELTA_STREAMS.slice(0, 3)) {
  t.test(`${format.name}: a call of which a part went on has nothing put into its rest, and stays JSON`, async (t) => {
    const said = { note: 'x'.repeat(110_000), to: odd }
    // So many events that they cannot wait together.
    const stream = write(['plain'], cutEvery(2, JSON.stringify(said)))
    const { bytes } = pass(format, [stream])
    const [call] = [...textsOf(format, bytes)].filter(([channel]) => /arguments|input|delta 1/.test(channel))
    t.same(JSON.parse(call?.[1] ?? ''), said)
    const short = pass(format, [write(['plain'], cutEvery(2, JSON.stringify({ to: odd })))])
    const [held] = [...textsOf(format, short.bytes)].filter(([channel]) => /arguments|input|delta 1/.test(channel))
    t.same(JSON.parse(held?.[1] ?? ''), { to: ODD }, 'where it waits whole, it gets the value')
  })
}

t.test('nothing is put into what comes of a call behind its end, nor into more calls than are followed', async (t) => {
  const [format] = DELTA_STREAMS
  if (!format) return
  const event = (choice: object): Buffer =>
    Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, ...choice }] })}\n\n`)
  const part = (index: number, args: string): Buffer =>
    event({ delta: { tool_calls: [{ index, function: { name: 'mail', arguments: args } }] } })
  const end = event({ finish_reason: 'tool_calls' })
  const twice = [part(0, '{"to":"'), end, part(0, `${odd}"}`), end]
  t.ok(pass(format, twice).bytes.equals(Buffer.concat(twice)))
  const many = Array.from({ length: 4_096 }, (_, index) => part(index, `{"note":"${index}"}`))
  const last = [...many, part(5_000, `{"to":"${odd}"}`), end]
  t.ok(pass(format, last).bytes.equals(Buffer.concat(last)))
  const first = [part(5_000, `{"to":"${odd}"}`), ...many, end]
  t.match(pass(format, first).bytes.toString(), JSON.stringify(JSON.stringify({ to: ODD })))
})

for (const recorded of RECORDED) {
  t.test(`${recorded.name}: as it is recorded, it is put together at every cut alike`, async (t) => {
    const request = requestOf(recorded)
    const stream = Buffer.from(recorded.stream(`a ${mail} b`))
    const { bytes } = pass(recorded, [stream], request)
    t.equal(bytes.toString(), recorded.stream('a ann@example.org b'))
    for (const at of stream.keys()) {
      const cut = pass(recorded, [stream.subarray(0, at), stream.subarray(at)], request)
      if (!cut.bytes.equals(bytes)) t.fail(`cut at ${at}`)
    }
    const plain = Buffer.from(recorded.stream())
    t.ok(pass(recorded, [plain], request).bytes.equals(plain), 'and nothing is touched without need')
  })
}
