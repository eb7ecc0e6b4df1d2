import fc from 'fast-check'
import t from 'tap'
import { parseBody, textOf } from '../providers/byte-strings.ts'
import { requestSegments } from '../providers/openai/segments.ts'
import { isRecord } from '../providers/read.ts'

/** Text of every kind: one, two, three and four bytes a character, and what JSON escapes. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('a', 'é', '→', '😀', 'Ã', '©', '"', '\\', '\n', '\u0080', '\u00ff', '\ufeff') }),
)
const message = fc.record({ role: fc.constantFrom('user', 'tool', 'système'), content: text })
const body = fc.record({ model: text, messages: fc.array(message), metadata: fc.dictionary(text, text) })

/** As JavaScript's clients write it, and as Python's do: with every character beyond ASCII escaped. */
const written = fc.tuple(body, fc.boolean()).map(([value, escaped]) => {
  const json = JSON.stringify(value)
  return escaped
    ? json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : json
})

t.test('a body that is parsed byte by byte has the text of one that is decoded first', (t) => {
  let asBytes = 0
  fc.assert(
    fc.property(written, (json) => {
      const parsed = parseBody(Buffer.from(json), 0)
      const expected: unknown = JSON.parse(json)
      if (!parsed || !isRecord(parsed.json) || !isRecord(expected)) return false
      if (parsed.byteStrings) asBytes++
      const read = parsed.byteStrings ? textOf : (string: string) => string
      const texts = requestSegments(parsed.json).map((segment) => [segment.source, read(segment.text)])
      t.same(
        texts,
        requestSegments(expected).map((segment) => [segment.source, segment.text]),
      )
      return true
    }),
    { numRuns: 2_000 },
  )
  t.ok(asBytes > 200, `${asBytes} of 2 000 were`)
  t.end()
})

t.test('what is no UTF-8 is not parsed, whatever its length', (t) => {
  for (const bad of [Buffer.from([0x22, 0xc3, 0x22]), Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])])
    for (const bytesMin of [0, 1_000]) t.equal(parseBody(bad, bytesMin), null)
  t.end()
})

t.test('a byte order mark, and what JSON does not allow, is refused either way', (t) => {
  for (const bad of ['\ufeff{}', '{"a":"é"', '\u00a0{}', '{"a": "é" "b"}'])
    for (const bytesMin of [0, 1_000]) t.throws(() => parseBody(Buffer.from(bad), bytesMin), SyntaxError)
  t.end()
})
