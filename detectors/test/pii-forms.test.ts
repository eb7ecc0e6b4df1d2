import fc from 'fast-check'
import t from 'tap'
import { piiDetector } from '../index.ts'
import { formsAt, RULES } from '../pii/compile.ts'
import { KEYWORDS } from '../pii/keywords.ts'

t.test('every way in which a form is written is tried at its first digit', (t) => {
  for (const { id, forms } of RULES) {
    for (const form of forms.filter(({ lead = 0 }) => lead === 0)) {
      const check = fc.check(
        fc.property(fc.stringMatching(new RegExp(`^(?:${form.pattern})$`)), (written) => {
          const text = `${written} \0`
          const [token = '', letters = '', digits = ''] = /^([^\d]*)(\d+)/.exec(text) ?? []
          const { length } = token
          const tried = formsAt(letters.length, digits.length, text.charCodeAt(length), text.charCodeAt(length + 1))
          return tried.all.some((one) => one.form.pattern === form.pattern)
        }),
        { numRuns: 50, seed: 4 },
      )
      if (check.failed) t.fail(`${id}: ${check.counterexample} of ${form.pattern}`)
    }
  }
  t.end()
})

const found = (text: string, source: 'user' | 'tool_call' = 'user'): readonly string[] =>
  piiDetector.detect(text, { source }).map(({ ruleId, start, end }) => `${ruleId} ${text.slice(start, end)}`)

t.test('a street whose name begins with a letter beyond ASCII is found', (t) => {
  t.same(found('12 Émile Street'), ['street-address 12 Émile Street'])
  t.end()
})

t.test('a letter at the end of a number that may have one belongs to it', (t) => {
  for (const number of ['SO58189L', 'SO58189', 'SO5818912l'])
    t.same(found(`passport number ${number}, thank you`), [`passport ${number}`])
  for (const none of ['SO58189LL', 'SO58189L7', 'SO58189L_x', 'SO58189L-x'])
    t.same(found(`passport number ${none}`), [])
  t.end()
})

t.test('a word speaks for a number at the beginning of a line as JSON writes it', (t) => {
  for (const said of ['Customer file\nSSN: 536904399', 'Customer file\r\nSSN: 536904399', 'Customer\tSSN: 536904399'])
    t.same(found(JSON.stringify({ text: said }), 'tool_call'), ['us-ssn 536904399'], said)
  t.same(found('turbinSSN: 536904399'), [], 'and not where letters stand in front of it')
  for (const [group, words] of Object.entries(KEYWORDS)) {
    for (const word of words.filter((one) => / /.test(one))) {
      const begun = word.slice(0, -1)
      t.equal(piiDetector.openFrom(`as you see\\n${begun}`), 7, `${group}: ${begun} is open in a stream as well`)
    }
  }
  t.end()
})

t.test('a name is found behind whatever else than a letter, at even and odd places', (t) => {
  for (const before of ['', ' ', '\\n', '\\t', '中', '\u4e41', '\u0100\u4e61', '"', '—']) {
    for (const shift of ['', '.']) {
      const text = `${shift}${before}Mr. John has come`
      const names = piiDetector.detect(text, { source: 'user' }).filter(({ ruleId }) => ruleId === 'person-name')
      t.same(
        names.map(({ start, end }) => text.slice(start, end)),
        ['John'],
        text,
      )
    }
  }
  t.end()
})
