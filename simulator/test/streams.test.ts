import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { simulatorFor } from '../../test/support/simulator.ts'
import { ask, askRaw, askStream, contentOf, eventsOf } from './support/ask.ts'

const DECODE = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync, zstd: zstdDecompressSync }
const UMLAUTS = encodeURIComponent('Äpfel für 3 € und ein 🙂')
const streamed = { stream: true, stream_options: { include_usage: true } }

t.test('a stream reports usage once, at its end, if it was asked to, and else not at all', async (t) => {
  const simulator = await simulatorFor(t)
  const events = await askStream(simulator)
  const [done, report, ...rest] = [...events].reverse()
  t.equal(done, '[DONE]')
  t.same(report.choices, [])
  t.ok(report.usage.completion_tokens > 0)
  for (const event of rest) t.equal(event.usage, null)
  for (const event of eventsOf(await (await ask(simulator, { stream: true })).text()))
    t.notOk(event !== '[DONE]' && 'usage' in event)
})

t.test('usage-in: growing with every chunk, with the last choice, or twice', async (t) => {
  const simulator = await simulatorFor(t)
  const usages = async (place: string) =>
    (await askStream(simulator, {}, { 'usage-in': place })).filter((event) => event !== '[DONE]')
  const every = (await usages('every-chunk')).map(({ usage }) => usage.completion_tokens)
  t.same(
    every,
    every.toSorted((a: number, b: number) => a - b),
  )
  t.ok(every[0] < every.at(-1))
  const last = (await usages('last-choice')).filter(({ usage }) => usage !== null)
  t.match(last, [{ choices: [{ finish_reason: 'stop' }], usage: { completion_tokens: every.at(-1) } }])
  t.equal(last.length, 1)
  const twice = (await usages('twice')).filter(({ usage }) => usage !== null)
  t.equal(twice.length, 2)
  t.same(twice[0], twice[1])
})

t.test('answers come compressed when asked to, plain and streamed, and decode to the same', async (t) => {
  const simulator = await simulatorFor(t)
  for (const [encoding, decode] of Object.entries(DECODE)) {
    const { head, frames } = await askRaw(simulator, streamed, { encoding, reply: UMLAUTS })
    t.match(head, new RegExp(`content-encoding: ${encoding}`, 'i'))
    const events = eventsOf(decode(Buffer.concat(frames)).toString())
    t.equal(contentOf(events), decodeURIComponent(UMLAUTS))
    t.ok(frames.length > 3, 'each event is flushed')
    const plain = await ask(simulator, {}, { encoding, reply: UMLAUTS })
    t.equal(plain.headers.get('content-encoding'), encoding)
    if (encoding !== 'zstd') t.match(await plain.text(), decodeURIComponent(UMLAUTS))
  }
})

t.test('lines: CRLF, no space behind the colon, and comments in between say the same', async (t) => {
  const simulator = await simulatorFor(t)
  const text = async (lines: string) => (await ask(simulator, streamed, { lines, reply: UMLAUTS })).text()
  const normal = await (await ask(simulator, streamed, { reply: UMLAUTS })).text()
  t.match(normal, /^data: \{.*\n\n/)
  t.equal(await text('crlf'), normal.replaceAll('\n', '\r\n'))
  t.equal(await text('nospace'), normal.replaceAll('data: ', 'data:'))
  const commented = await text('comments')
  t.match(commented, /^: keep-alive\n\n/)
  t.equal(commented.replaceAll(': keep-alive\n\n', ''), normal)
  t.match(await text('crlf,nospace,comments'), /^: keep-alive\r\n\r\ndata:\{/)
})

t.test('chunks are cut where readers stumble, and together are the stream', async (t) => {
  const simulator = await simulatorFor(t)
  const raw = async (fault?: string) =>
    (await askRaw(simulator, streamed, { reply: UMLAUTS, ...(fault ? { fault } : {}) })).frames
  const whole = Buffer.concat(await raw()).toString()
  const [bytes, utf8, lines] = [await raw('one-byte-chunks'), await raw('split-utf8'), await raw('split-lines')]
  for (const frames of [bytes, utf8, lines]) t.equal(Buffer.concat(frames).toString(), whole)
  t.ok(bytes.filter(({ length }) => length === 1).length > 100)
  const inside = utf8.filter((frame) => (frame[0] ?? 0) >= 0x80 && (frame[0] ?? 0) < 0xc0)
  t.ok(inside.length >= 4, 'frames that begin inside a character')
  t.ok(lines.filter((frame) => frame.toString() === '\n').length > 5, 'line ends on their own')
})

t.test('chunk-delay-ms sets the pace', async (t) => {
  const simulator = await simulatorFor(t)
  const begun = performance.now()
  const events = await askStream(simulator, {}, { 'output-tokens': '6', 'chunk-delay-ms': '20' })
  t.ok(performance.now() - begun >= (events.length - 1) * 20 - 10)
})
