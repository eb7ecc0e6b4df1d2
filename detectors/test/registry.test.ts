import { SEVERITIES } from '@agentcostcontrol/contract'
import t from 'tap'
import { DETECTORS, type SelfTestedDetector, secretsDetector, selfTest } from '../index.ts'
import { createEngine } from '../secrets/engine.ts'
import { createRandom } from './support/random.ts'
import { textWithSecrets } from './support/texts.ts'

t.test('every detector has an id of its own and finds its canary', async (t) => {
  t.equal(new Set(DETECTORS.map(({ id }) => id)).size, DETECTORS.length)
  for (const detector of DETECTORS) t.ok(selfTest(detector), detector.id)
})

t.test(
  'a detector that finds nothing, or lets its canary pass in a stream, or throws, fails its self-test',
  async (t) => {
    const faults: readonly Partial<SelfTestedDetector>[] = [
      { detect: () => [] },
      { openFrom: (text) => text.length },
      { canary: () => 'nothing to see' },
      {
        detect: () => {
          throw new Error('broken')
        },
      },
      {
        detect: (text, context) => [...secretsDetector.detect(text, context), ...secretsDetector.detect(text, context)],
      },
    ]
    for (const fault of faults) t.notOk(selfTest({ ...secretsDetector, ...fault }))
  },
)

t.test('the version follows the rules', async (t) => {
  const rule = { id: 'a', title: 'A', severity: 'low', keywords: ['abc'], pattern: 'abc[0-9]{9}' } as const
  const one = createEngine([{ family: 'saas', rules: [rule] }])
  const same = createEngine([{ family: 'saas', rules: [{ ...rule }] }])
  const other = createEngine([{ family: 'saas', rules: [{ ...rule, pattern: 'abc[0-9]{8}' }] }])
  t.equal(one.version, same.version)
  t.not(one.version, other.version)
})

t.test('a rule that reaches further than a stream may be held is refused', async (t) => {
  const rule = { id: 'a', title: 'A', severity: 'low', keywords: ['abc'], pattern: 'abc[0-9]{20000}' } as const
  t.throws(() => createEngine([{ family: 'saas', rules: [rule] }]), RangeError)
})

t.test('findings are ordered, do not overlap, lie in the text and never hold any of it', async (t) => {
  const random = createRandom(99)
  for (let run = 0; run < 300; run++) {
    const text = textWithSecrets(random)
    let at = 0
    for (const finding of secretsDetector.detect(text, { source: 'tool_result' })) {
      if (finding.start < at || finding.end <= finding.start || finding.end > text.length) t.fail('a bad span')
      if (!SEVERITIES.includes(finding.severity) || finding.score <= 0 || finding.score > 1)
        t.fail('a bad severity or score')
      const secret = text.slice(finding.start, finding.end)
      if (secret.length > 7 && JSON.stringify(finding).includes(secret)) t.fail('the matched text')
      at = finding.end
    }
  }
  t.pass()
})
