import t from 'tap'
import { redactText, secretsDetector } from '../index.ts'

const KEY = ['AKIA', 'Q3EGRT7Z5WXKCN2M'].join('')

for (const source of ['tool_call', 'tool_definition'] as const)
  t.test(`a key behind an escape of JSON is found where it stands: ${source}`, async (t) => {
    for (const before of ['\n', '\t', 'a line\r\n', '"', '\\', '\u0000', '\u2028', '/', 'tab\b', 'é'])
      for (const after of ['\n', '"', '\t and more', '']) {
        const text = JSON.stringify({ note: `${before}${KEY}${after}` })
        const escaped = text.replaceAll(
          /[\u007f-\uffff]/g,
          (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
        )
        for (const written of [text, escaped, text.replaceAll('/', '\\/')]) {
          const findings = secretsDetector.detect(written, { source })
          const found = findings.map(({ start, end }) => written.slice(start, end))
          t.same(found, [KEY], encodeURIComponent(written))
          const redacted = JSON.parse(redactText(written, findings))
          t.match(redacted.note, /\[REDACTED:/)
          t.notMatch(redacted.note, KEY)
          t.ok(redacted.note.startsWith(before) && redacted.note.endsWith(after), 'and all else is left')
        }
      }
  })

t.test('an escape is one in JSON alone: elsewhere its letter may be the beginning of a word', async (t) => {
  const text = `C:\\n${KEY}`
  t.same(secretsDetector.detect(text, { source: 'user' }), [])
  t.equal(secretsDetector.detect(text, { source: 'tool_call' }).length, 1)
})

const escapedAt = (text: string, isEscaped: (at: number) => boolean): string =>
  [...text]
    .map((char, at) => (isEscaped(at) ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char))
    .join('')

for (const source of ['tool_call', 'tool_definition'] as const)
  t.test(`a key that is written with escapes is found, and taken out whole: ${source}`, async (t) => {
    const password = 'w8Kq2LmX9vTz'
    const database = ['postgres://app', `${password}@db.heron.internal/orders`].join(':')
    for (const [key, written] of [
      [KEY, escapedAt(KEY, (at) => at === 4)],
      [KEY, escapedAt(KEY, () => true)],
      [KEY, escapedAt(KEY, (at) => at === 0 || at === KEY.length - 1)],
      [database, database.replaceAll('/', '\\/')],
      [database, database.replaceAll(/[:/@]/g, (char) => escapedAt(char, () => true))],
    ] as const) {
      const text = `{"a\\/b":"caf\\u00e9 \\u003c","note":"é\\n ${written} \\u0022end"}`
      t.equal(JSON.parse(text).note, `é\n ${key} "end`)
      const findings = secretsDetector.detect(text, { source })
      t.equal(findings.length, 1, text)
      const redacted = JSON.parse(redactText(text, findings))
      t.equal(redacted['a/b'], 'café <')
      t.match(redacted.note, /^é\n .*\[REDACTED:[\w:-]+\].* "end$/)
      t.notMatch(redacted.note, key === KEY ? KEY.slice(4) : password)
    }
  })

t.test('escapes are read once: of what is escaped twice a backslash is left', async (t) => {
  const text = JSON.stringify({ note: escapedAt(KEY, (at) => at === 4) })
  t.same(secretsDetector.detect(text, { source: 'tool_call' }), [])
})
