import fc from 'fast-check'
import t from 'tap'
import { eventData, SseSplitter } from '../providers/sse.ts'

const line = fc.oneof(
  fc.string({ maxLength: 20 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
  fc.string({ maxLength: 20 }).map((text) => `data:${text.replace(/[\r\n]/g, '')}`),
  fc.constantFrom(': keep-alive', 'event: x', 'data: é漢😀'),
)
const stream = fc
  .array(fc.tuple(fc.array(line, { minLength: 1, maxLength: 3 }), fc.constantFrom('\n', '\r\n')), { maxLength: 6 })
  .map((events) => Buffer.from(events.map(([lines, end]) => lines.join(end) + end + end).join('')))

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const splitter = new SseSplitter(1_000_000)
  const events: Buffer[] = []
  const edges = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const edge of [...edges, bytes.length]) {
    events.push(...splitter.push(Buffer.from(bytes.subarray(from, edge))))
    from = edge
  }
  const rest = splitter.flush()
  return rest ? [...events, rest] : events
}

t.test('events do not depend on where the stream was cut, and together are the stream', async (t) => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (bytes, cuts) => {
      const whole = split(bytes, [])
      const cut = split(bytes, cuts)
      t.same(
        cut.map((event) => event.toString('hex')),
        whole.map((event) => event.toString('hex')),
      )
      t.ok(Buffer.concat(cut).equals(bytes))
    }),
  )
})

t.test('an event ends at the blank line, with LF and with CRLF', async (t) => {
  t.same(split(Buffer.from('data: a\n\ndata: b\r\n\r\ndata: c'), []).map(String), [
    'data: a\n\n',
    'data: b\r\n\r\n',
    'data: c',
  ])
})

t.test('the data of an event: with and without a space, several lines joined, comments without any', async (t) => {
  t.equal(eventData(Buffer.from('data: x\n\n'))?.text, 'x')
  t.equal(eventData(Buffer.from('data:x\r\n\r\n'))?.text, 'x')
  t.equal(eventData(Buffer.from('event: e\ndata: x\ndata: y\n\n'))?.text, 'x\ny')
  t.equal(eventData(Buffer.from('event: e\ndata: x\ndata: y\n\n'))?.span, null)
  t.same(eventData(Buffer.from('id: 1\ndata: xy\n\n'))?.span, { start: 12, end: 14 })
  t.equal(eventData(Buffer.from(': keep-alive\n\n')), null)
})

t.test('an event beyond the bound is refused instead of held', async (t) => {
  const splitter = new SseSplitter(10)
  splitter.push(Buffer.from('data: 12'))
  t.throws(() => splitter.push(Buffer.from('345')), RangeError)
})
