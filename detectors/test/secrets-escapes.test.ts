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
