import type { Finding, Severity } from '@agentcostcontrol/contract'
import t from 'tap'
import { redactText, secretsDetector } from '../index.ts'
import { mergeFindings } from '../redact.ts'
import { UNSECURED_CREDENTIAL } from '../taxonomy.ts'
import { createRandom } from './support/random.ts'
import { textWithSecrets } from './support/texts.ts'

const CONTEXT = { source: 'user' } as const

const finding = (ruleId: string, start: number, end: number, severity: Severity = 'high', score = 0.9): Finding => ({
  detectorId: 'secrets',
  ruleId,
  category: 'saas',
  severity,
  score,
  start,
  end,
  taxonomy: UNSECURED_CREDENTIAL,
})

t.test('each span becomes the placeholder of its rule, in any order', async (t) => {
  const text = 'ab secret1 cd secret2 ef'
  t.equal(redactText(text, [finding('two', 14, 21), finding('one', 3, 10)]), 'ab [REDACTED:one] cd [REDACTED:two] ef')
  t.equal(redactText(text, []), text)
})

t.test('overlapping spans become one, named by the most severe, then the most certain, then the first', async (t) => {
  t.equal(redactText('0123456789', [finding('a', 2, 5), finding('b', 4, 8, 'critical')]), '01[REDACTED:b]89')
  t.equal(
    redactText('0123456789', [finding('a', 2, 5, 'high', 0.5), finding('b', 2, 5, 'high', 0.6)]),
    '01[REDACTED:b]56789',
  )
  t.equal(redactText('0123456789', [finding('a', 2, 9), finding('b', 3, 4)]), '01[REDACTED:a]9')
  t.equal(redactText('0123456789', [finding('a', 2, 5), finding('b', 5, 8)]), '01[REDACTED:a][REDACTED:b]89')
})

t.test('spans outside the text are cut to it', async (t) => {
  t.equal(redactText('0123', [finding('a', 2, 50), finding('b', 60, 70)]), '01[REDACTED:a]')
})

t.test('merging keeps ascending order and the widest span', async (t) => {
  const merged = mergeFindings([finding('c', 20, 22), finding('a', 0, 10), finding('b', 5, 12)])
  t.strictSame(
    merged.map(({ start, end }) => [start, end]),
    [
      [0, 12],
      [20, 22],
    ],
  )
})

t.test('what is redacted is gone, raises no alarm, and is the same the next time', async (t) => {
  const random = createRandom(77)
  for (let run = 0; run < 500; run++) {
    const text = textWithSecrets(random)
    const findings = secretsDetector.detect(text, CONTEXT)
    const once = redactText(text, findings)
    const again = secretsDetector
      .detect(once, CONTEXT)
      .filter(({ start, end }) => once.slice(start, end).includes('[REDACTED'))
    if (again.length > 0) t.fail(`a placeholder is a finding: ${JSON.stringify(again)} in ${once}`)
    if (redactText(text, secretsDetector.detect(text, CONTEXT)) !== once) t.fail('another placeholder')
    for (const { start, end } of findings) {
      const secret = text.slice(start, end)
      if (end - start > 20 && text.indexOf(secret) === text.lastIndexOf(secret) && once.includes(secret))
        t.fail('still there')
    }
  }
  t.pass()
})

t.test('redacting a string of JSON leaves JSON', async (t) => {
  const random = createRandom(78)
  for (let run = 0; run < 500; run++) {
    const text = JSON.stringify({ note: textWithSecrets(random), password: random.chars('abcdefgh', 5) })
    const redacted = redactText(text, secretsDetector.detect(text, CONTEXT))
    t.doesNotThrow(() => JSON.parse(redacted), redacted)
  }
})
