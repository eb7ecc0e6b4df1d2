import fc from 'fast-check'
import t from 'tap'
import { keysWithin } from '../providers/read.ts'
import { isMisread, repeatedKey } from '../providers/repeated-keys.ts'

/** The key that stands twice, or that keys were read as others: what keeps a body from being judged. */
function repeatedIn(text: string): string | null {
  const slashed: string[] = []
  const keys = keysWithin(256, JSON.parse(text), slashed) ?? 0
  return slashed.length > 0 && isMisread(text, slashed) ? 'misread' : repeatedKey(text, keys)
}

type Written = { readonly text: string; readonly repeats: boolean }

/** Keys that look like values and values that look like keys. */
const string = fc.oneof(
  fc.constantFrom(
    'a',
    'max_tokens',
    '',
    ':',
    ': a',
    '\\',
    '\\\\',
    '"',
    '":',
    '"a":1',
    ',"a":',
    '{',
    '}]',
    ' ',
    '__proto__',
    '7',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
)
const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r\n  ')

/** A string as JSON, its first character perhaps escaped. */
const quoted = fc.tuple(string, fc.boolean()).map(([value, escaped]) => {
  const first = value.charCodeAt(0)
  return escaped && value !== ''
    ? `"\\u${first.toString(16).padStart(4, '0')}${JSON.stringify(value.slice(1)).slice(1)}`
    : JSON.stringify(value)
})
const leaf = fc.oneof(quoted, fc.constantFrom('1', 'null', 'true', '-1.5e9', '{}', '[ ]'))

/** JSON texts of every shape, in which an object may name a key as often as it likes. */
const { json } = fc.letrec<{ json: Written }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5 },
    leaf.map((text): Written => ({ text, repeats: false })),
    fc.tuple(space, fc.array(tie('json'), { maxLength: 4 })).map(
      ([gap, items]): Written => ({
        text: `[${gap}${items.map(({ text }) => text).join(`${gap},`)}${gap}]`,
        repeats: items.some(({ repeats }) => repeats),
      }),
    ),
    fc.tuple(space, fc.array(fc.tuple(quoted, tie('json')), { maxLength: 4 })).map(
      ([gap, members]): Written => ({
        text: `{${gap}${members.map(([key, { text }]) => `${key}${gap}:${gap}${text}`).join(`,${gap}`)}${gap}}`,
        repeats:
          new Set(members.map(([key]) => JSON.parse(key))).size < members.length ||
          members.some(([, { repeats }]) => repeats),
      }),
    ),
  ),
}))

t.test(
  'a key that stands twice in one object is found however it is written and wherever it stands, and no other',
  async (t) => {
    const seen = { repeats: 0, not: 0, misread: 0 }
    fc.assert(
      fc.property(json, ({ text, repeats }) => {
        seen[repeats ? 'repeats' : 'not']++
        const found = repeatedIn(text)
        if (found === 'misread') seen.misread++
        else if ((found !== null) !== repeats) return false
        return true
      }),
      { numRuns: 3_000 },
    )
    t.ok(seen.repeats > 100 && seen.not > 100, JSON.stringify(seen))
  },
)

t.test('a key that V8 reads as another one is found', async (t) => {
  // The engine learns which key follows which, and compares what it expects with the escape itself.
  JSON.parse('[{"model":1,"\\\\":2}]')
  for (let times = 0; times < 200; times++) {
    const text = '[{"model":1,"\\u006e":8}]'
    const [read]: readonly Readonly<Record<string, unknown>>[] = JSON.parse(text)
    const slashed: string[] = []
    keysWithin(256, [read], slashed)
    const isRight = read?.n === 8
    if (isMisread(text, slashed) === isRight)
      t.fail(`${JSON.stringify(read)} is told as ${isRight ? 'mis' : 'well '}read`)
  }
  const odd: string[] = []
  const pattern = '{"patternProperties":{"^\\\\d+$":{},"\\\\w":{"\\\\":1}},"\\u00e9":1}'
  keysWithin(256, JSON.parse(pattern), odd)
  t.equal(odd.length, 3)
  t.notOk(isMisread(pattern, odd), 'keys may hold backslashes')
})

t.test('it is told as it is read', async (t) => {
  const of = repeatedIn
  t.equal(of('{"n":1,"a":[{"m\\u0061x":1 ,"max"\n:2}],"n":2}'), 'max')
  t.equal(of('{"a":{"n":1},"b":[{"n":1},{"n":1}],"n":1,"c":"n","d":"\\"n\\":1"}'), null)
  t.equal(of('{"a":": text that begins with a colon","b":["x",":"]}'), null)
})
