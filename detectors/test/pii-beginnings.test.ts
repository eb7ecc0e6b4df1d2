import fc from 'fast-check'
import t from 'tap'
import { Beginnings } from '../pii/beginnings.ts'
import { beginningsOf, FORMS_BEGUN } from '../pii/compile.ts'
import { NAME_PATTERNS } from '../pii/names.ts'

const PATTERNS = [...FORMS_BEGUN, ...beginningsOf(NAME_PATTERNS)]
const PARTS = [
  'DE89',
  ' 3704',
  '4111',
  '-',
  ' ',
  '.',
  'Dear ',
  'Mr',
  'Mrs. ',
  'Anna',
  'é',
  '+49',
  '@',
  '12',
  'A',
  'b',
  '/',
  'Name: ',
]

t.test('property: what has begun is told as by trying every pattern', async (t) => {
  const beginnings = new Beginnings(PATTERNS)
  const tried = (text: string, at: number): boolean =>
    PATTERNS.some((pattern) => {
      pattern.lastIndex = at
      return pattern.test(text)
    })
  let begun = 0
  const part = fc.oneof(fc.constantFrom(...PARTS), fc.string({ maxLength: 3 }))
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const text = parts.join('')
      for (let at = 0; at < text.length; at++) {
        const expected = tried(text, at)
        if (expected) begun++
        if (beginnings.isAt(text, at) !== expected) t.fail(`${JSON.stringify(text)} at ${at}`)
      }
    }),
    { numRuns: 3_000 },
  )
  t.ok(begun > 1_000, `${begun} had begun`)
})
