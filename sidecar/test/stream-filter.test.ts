import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { AnswerInspection } from '../answer/inspection.ts'
import { StreamFilter } from '../answer/stream-filter.ts'
import { openChatStream } from '../providers/openai/stream.ts'
import { SSE } from '../providers/sse.ts'
import { inspectionThat } from './support/detectors.ts'
import {
  RECORDED_OUTPUT_BYTES,
  RECORDED_STREAM,
  RECORDED_STREAM_WITHOUT_USAGE,
  RECORDED_USAGE,
} from './support/recorded-stream.ts'

interface Shape {
  readonly texts: readonly string[]
  readonly choices: number
  readonly crlf: boolean
  readonly space: string
  readonly usage: boolean
}

/** A stream as OpenAI sends it when usage was asked for. */
function streamOf({ texts, choices, crlf, space, usage }: Shape): Buffer {
  const end = crlf ? '\r\n' : '\n'
  const event = (json: object): string => `data:${space}${JSON.stringify(json)}${end}${end}`
  const chunk = (delta: object, index = 0): object => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-4.1',
    choices: [{ index, delta, finish_reason: null }],
    ...(usage ? { usage: null } : {}),
  })
  const parts = [event(chunk({ role: 'assistant', content: '' }))]
  texts.forEach((content, at) => {
    parts.push(event(chunk({ content }, at % choices)))
  })
  if (usage)
    parts.push(
      event({ id: 'chatcmpl-1', choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } }),
    )
  return Buffer.from(`: hello${end}${end}${parts.join('')}data:${space}[DONE]${end}${end}`)
}

interface Passed {
  readonly text: string
  readonly refused: readonly string[]
  readonly findings: number
}

function pass(
  bytes: Buffer,
  cuts: readonly number[],
  inspection: AnswerInspection | null,
  hidesUsage = false,
  reader = openChatStream(),
): Passed {
  const filter = new StreamFilter(reader, SSE, hidesUsage, inspection)
  const edges = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  const out: Buffer[] = []
  let from = 0
  for (const edge of [...edges, bytes.length]) {
    const { bytes: released, refusal } = filter.push(Buffer.from(bytes.subarray(from, edge)))
    out.push(...released)
    if (refusal)
      return { text: Buffer.concat(out).toString(), refused: [refusal.code], findings: filter.findings.length }
    from = edge
  }
  const last = filter.flush()
  out.push(...last.bytes)
  return {
    text: Buffer.concat(out).toString(),
    refused: last.refusal ? [last.refusal.code] : [],
    findings: filter.findings.length,
  }
}

const words = fc.constantFrom(
  'Hi ',
  'KEY',
  '123',
  '456',
  'K',
  'E',
  'Y1',
  '23456',
  ' "quoted" ',
  ',"usage":null',
  'é漢😀',
  '\\n',
  'KEY123456',
  ' ',
)
const shapes: fc.Arbitrary<Shape> = fc.record({
  texts: fc.array(words, { maxLength: 14 }),
  choices: fc.constantFrom(1, 2),
  crlf: fc.boolean(),
  space: fc.constantFrom(' ', ''),
  usage: fc.boolean(),
})
const cuts = fc.array(fc.nat(), { maxLength: 30 })

/** Asserts a property, so that the test counts it. */
function holds<Values>(t: Test, property: fc.IProperty<Values>, numRuns = 150): void {
  t.doesNotThrow(() => fc.assert(property, { numRuns }))
}

/** The text of each choice, as a client puts it together. */
function texts(stream: string): readonly string[] {
  const all: string[] = ['', '']
  for (const line of stream.split(/\r?\n/)) {
    if (!line.startsWith('data:') || line.includes('[DONE]')) continue
    for (const { index, delta } of JSON.parse(line.slice(5)).choices) all[index] += delta.content ?? ''
  }
  return all
}

t.test('a stream that nothing is taken out of leaves as the bytes that came in, however it is cut', async (t) => {
  holds(
    t,
    fc.property(shapes, cuts, (shape, at) => {
      const bytes = streamOf(shape)
      for (const inspection of [null, inspectionThat('alert')]) {
        if (pass(bytes, at, inspection).text !== bytes.toString()) throw new Error('changed')
      }
    }),
  )
})

t.test('usage that the client did not ask for is taken out, and nothing else', async (t) => {
  holds(
    t,
    fc.property(shapes, cuts, (shape, at) => {
      const without = streamOf({ ...shape, usage: false }).toString()
      if (pass(streamOf(shape), at, null, true).text !== without) throw new Error('not what the client would have got')
    }),
  )
})

t.test('what is released and what is found do not depend on how the stream was cut', async (t) => {
  holds(
    t,
    fc.property(
      shapes,
      cuts,
      fc.constantFrom('redact' as const, 'block' as const, 'alert' as const),
      (shape, at, action) => {
        const bytes = streamOf(shape)
        const whole = pass(bytes, [], inspectionThat(action))
        const cut = pass(bytes, at, inspectionThat(action))
        if (JSON.stringify(whole) !== JSON.stringify(cut))
          throw new Error(`${JSON.stringify(whole)}\n${JSON.stringify(cut)}`)
      },
    ),
    300,
  )
})

t.test('a redacted stream holds the placeholder where the secret was, across events', async (t) => {
  holds(
    t,
    fc.property(shapes, cuts, (shape, at) => {
      const bytes = streamOf(shape)
      const expected = texts(bytes.toString()).map((text) => text.replaceAll(/KEY\d{6}/g, '[REDACTED:key]'))
      const got = texts(pass(bytes, at, inspectionThat('redact')).text)
      if (JSON.stringify(got) !== JSON.stringify(expected))
        throw new Error(`${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`)
    }),
    300,
  )
})

t.test('of a blocked stream no part of the secret is released', async (t) => {
  const bytes = streamOf({ texts: ['a K', 'EY12', '3456 b'], choices: 1, crlf: false, space: ' ', usage: false })
  const { text, refused } = pass(bytes, [...bytes.keys()], inspectionThat('block'))
  t.same(refused, ['acc_security_blocked'])
  t.notMatch(text, /EY12|3456/)
})

t.test('clean text is not held beyond its own event', async (t) => {
  const filter = new StreamFilter(openChatStream(), SSE, false, inspectionThat('block'))
  const event = Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"clean text"}}]}\n\n')
  t.ok(Buffer.concat(filter.push(event).bytes).equals(event))
})

t.test(
  'at every byte at which a recorded stream can be cut, the same bytes, usage and findings come out',
  async (t) => {
    const bytes = Buffer.from(RECORDED_STREAM.replace('"content":"last"', '"content":"a KEY123456 b"'))
    for (const action of [null, 'alert', 'redact', 'block'] as const) {
      for (const hidesUsage of [false, true]) {
        const outcome = (cuts: readonly number[]): string => {
          const reader = openChatStream()
          const passed = pass(bytes, cuts, action && inspectionThat(action), hidesUsage, reader)
          return JSON.stringify([passed, reader.facts(), reader.outputBytes(), reader.ended()])
        }
        const whole = outcome([])
        const differing = [...bytes.keys()].filter((at) => outcome([at]) !== whole)
        t.same(differing, [], `${action}, cut in two`)
        t.equal(outcome([...bytes.keys()]), whole, `${action}, byte by byte`)
      }
    }
  },
)

t.test('a recorded stream is read and released to the byte', async (t) => {
  const reader = openChatStream()
  t.equal(pass(Buffer.from(RECORDED_STREAM), [], null, true, reader).text, RECORDED_STREAM_WITHOUT_USAGE)
  t.same(reader.facts().rawUsage, RECORDED_USAGE)
  t.equal(reader.outputBytes(), RECORDED_OUTPUT_BYTES)
})

t.test('of usage that stands in several places only the one in front is taken out', async (t) => {
  const nested = 'data: {"choices":[{"index":0,"delta":{"content":"a"},"usage":null}],"usage": null}\n\n'
  const filter = new StreamFilter(openChatStream(), SSE, true, null)
  t.equal(
    Buffer.concat(filter.push(Buffer.from(nested)).bytes).toString(),
    'data: {"choices":[{"index":0,"delta":{"content":"a"},"usage":null}]}\n\n',
  )
})
