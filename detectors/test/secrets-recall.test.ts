import t from 'tap'
import { secretsDetector } from '../index.ts'
import { RULE_FILES } from '../secrets/rules/index.ts'
import { plant } from './support/generate.ts'
import { createRandom } from './support/random.ts'

const SAMPLES = 60
const rules = RULE_FILES.flatMap((file) => file.rules)

t.test('there are more than 300 formats, each with an id of its own', async (t) => {
  t.ok(rules.length > 300, `${rules.length} rules`)
  t.equal(new Set(rules.map(({ id }) => id)).size, rules.length)
})

t.test('over 95 % of generated secrets are found and covered to their last character', async (t) => {
  const random = createRandom(20_261_123)
  let found = 0
  for (const rule of rules) {
    let covered = 0
    for (let index = 0; index < SAMPLES; index++) {
      const { text, start, end } = plant(rule, random)
      const findings = secretsDetector.detect(text, { source: 'tool_result' })
      if (findings.some((finding) => finding.start <= start && finding.end >= end)) covered++
    }
    if (covered < SAMPLES * 0.8) t.fail(`${rule.id}: ${covered} of ${SAMPLES} found`)
    found += covered
  }
  const share = found / (SAMPLES * rules.length)
  t.comment(`${(share * 100).toFixed(2)} % of ${SAMPLES * rules.length} found`)
  t.ok(share > 0.95)
})
