import fc from 'fast-check'
import t from 'tap'
import { StreamFilter } from '../answer/stream-filter.ts'
import { streamGenerateContent } from '../providers/gemini/content.ts'
import { JSON_ARRAY } from '../providers/json-array.ts'
import { inspectionThat } from './support/detectors.ts'

function split(bytes: Buffer, cuts: readonly number[], eventBytesMax = 1_000_000): readonly Buffer[] {
  const splitter = JSON_ARRAY.splitter(eventBytesMax)
  const edges = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  let from = 0
  const events = [...edges, bytes.length].flatMap((edge) => {
    const piece = Buffer.from(bytes.subarray(from, edge))
    from = edge
    return splitter.push(piece)
  })
  const rest = splitter.flush()
  return rest ? [...events, rest] : events
}

const element = fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 })
const indent = fc.constantFrom('', ' ', '  ', '\t')
const array = fc
  .tuple(fc.array(element, { maxLength: 6 }), indent, fc.constantFrom(',', ',\r\n', ' ,\n'), fc.constantFrom('', '\n'))
  .map(([elements, space, comma, end]) => ({
    elements,
    bytes: Buffer.from(`[${elements.map((each) => JSON.stringify(each, null, space)).join(comma)}]${end}`),
  }))

t.test(
  'elements do not depend on where the array was cut, and together with all between them are its bytes',
  async (t) => {
    fc.assert(
      fc.property(array, fc.array(fc.nat(), { maxLength: 12 }), ({ bytes, elements }, cuts) => {
        const events = split(bytes, cuts)
        t.same(events.map(String), split(bytes, []).map(String))
        t.ok(Buffer.concat(events).equals(bytes))
        const read = events.map((event) => JSON_ARRAY.data(event)).filter((data) => data !== null)
        t.same(
          read.map(({ text }) => JSON.parse(text)),
          JSON.parse(JSON.stringify(elements)),
        )
      }),
    )
  },
)

t.test('the data of an element stands where it says, without what is between elements', async (t) => {
  const event = Buffer.from(',\r\n{ "é": 1 }')
  const data = JSON_ARRAY.data(event)
  t.equal(data?.text, '{ "é": 1 }')
  t.equal(event.subarray(data?.span?.start, data?.span?.end).toString(), data?.text)
})

t.test('a stream that is one object is one event; what is no JSON, or no object, passes as it came', async (t) => {
  t.same(split(Buffer.from('{"error":{"code":500}}\n'), []).map(String), ['{"error":{"code":500}}', '\n'])
  for (const text of ['<html></html>', '[1,"a",[2],null]', ']]}}', '[{"a":"\\"}]"}', ''])
    t.equal(Buffer.concat(split(Buffer.from(text), [1, 2, 3])).toString(), text)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      t.ok(Buffer.concat(split(Buffer.from(bytes), [7])).equals(bytes))
    }),
  )
})

t.test('an element beyond the bound is refused instead of held', async (t) => {
  t.throws(() => split(Buffer.from('[{"a":"123456789"}]'), [12], 10), RangeError)
})

const REQUEST = { model: 'gemini-2.5-flash', stream: true, json: {} }
const chunk = (text: string, more = ''): string =>
  `{ "candidates": [ { "content": { "parts": [ { "text": ${JSON.stringify(text)} } ], "role": "model" }, "index": 0 ${more}} ] }`
const STREAM = Buffer.from(
  `[${['it is ', 'KEY1', '23456', ' é漢😀 ', 'and so on'].map((text) => chunk(text)).join(',\r\n')},\n${chunk('', ', "finishReason": "STOP"')}]\n`,
)

/** What a client gets of the stream, with what ends it where the sidecar does. */
function passed(action: 'redact' | 'block', cuts: readonly number[]): { readonly text: string; readonly cut: boolean } {
  const filter = new StreamFilter(streamGenerateContent.openStream(REQUEST), JSON_ARRAY, false, inspectionThat(action))
  const edges = [...new Set(cuts.map((cut) => cut % (STREAM.length + 1)))].sort((a, b) => a - b)
  const out: Buffer[] = []
  let from = 0
  const pieces = [...edges, STREAM.length].map((edge) => {
    const piece = Buffer.from(STREAM.subarray(from, edge))
    from = edge
    return () => filter.push(piece)
  })
  for (const step of [...pieces, () => filter.flush()]) {
    const { bytes, refusal } = step()
    out.push(...bytes)
    if (refusal) {
      out.push(streamGenerateContent.terminalEvent(refusal, 403, JSON_ARRAY, out.length > 0))
      return { text: Buffer.concat(out).toString(), cut: true }
    }
  }
  return { text: Buffer.concat(out).toString(), cut: false }
}

t.test(
  'a stream that is redacted or cut is valid JSON wherever its bytes were cut, and never holds the secret',
  async (t) => {
    const wholes = { redact: passed('redact', []), block: passed('block', []) }
    t.match(JSON.stringify(JSON.parse(wholes.redact.text)), /REDACTED/)
    t.ok(wholes.block.cut)
    t.match(JSON.parse(wholes.block.text).at(-1), { error: { status: 'PERMISSION_DENIED' } })
    fc.assert(
      fc.property(fc.constantFrom('redact', 'block'), fc.array(fc.nat(), { maxLength: 20 }), (action, cuts) => {
        const { text } = passed(action, cuts)
        t.equal(text, wholes[action].text)
        t.notMatch(JSON.stringify(JSON.parse(text)), /KEY1|23456/)
      }),
    )
  },
)

t.test('a stream that is cut before anything was sent is an array of its error', async (t) => {
  const refusal = {
    kind: 'denial',
    code: 'acc_security_blocked',
    message: 'm',
    retryAfterS: null,
    details: {},
    findings: [],
    budgetDecision: null,
  } as const
  const text = streamGenerateContent.terminalEvent(refusal, 403, JSON_ARRAY, false).toString()
  t.match(JSON.parse(text), [{ error: { code: 403, details: [{ reason: 'ACC_SECURITY_BLOCKED' }] } }])
})
