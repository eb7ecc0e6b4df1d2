import t from 'tap'
import { secretsDetector } from '../index.ts'
import { RULE_FILES } from '../secrets/rules/index.ts'
import { plant } from './support/generate.ts'
import { createRandom } from './support/random.ts'

const rules = RULE_FILES.flatMap((file) => file.rules)
const SMALL_CHARS = 2_048
const GROWTH = 4
/** A quadratic detector takes four times as long for each character of a text four times as long. */
const RATIO_MAX = 2.6

/** The shortest of a few runs: what else the machine does can only add to it. */
function bestMs(text: string, runs: number, work: (text: string) => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const startMs = performance.now()
    work(text)
    best = Math.min(best, performance.now() - startMs)
  }
  return best
}

/** Time per character of the long text over that of the short one; measured again, more carefully, if it looks bad. */
function growth(unit: string, smallChars: number, work: (text: string) => unknown): number {
  const small = unit.repeat(Math.ceil(smallChars / unit.length))
  const large = small.repeat(GROWTH)
  let ratio = 0
  for (const runs of [2, 8, 32]) {
    ratio = bestMs(large, runs, work) / GROWTH / bestMs(small, runs, work)
    if (ratio <= RATIO_MAX) break
  }
  return ratio
}

const detect = (text: string): unknown => secretsDetector.detect(text, { source: 'tool_result' })

t.test('the time for each character does not grow with the length of a text made of any keyword', async (t) => {
  for (const keyword of new Set(rules.flatMap((rule) => rule.keywords))) {
    for (const unit of [keyword, `${keyword}aB3-`]) {
      const ratio = growth(unit, SMALL_CHARS, detect)
      if (ratio > RATIO_MAX) return t.fail(`${JSON.stringify(unit)}: ${ratio.toFixed(1)}`)
    }
  }
  t.pass()
})

t.test('nor of secrets that are right but for their end', async (t) => {
  const random = createRandom(9)
  for (const rule of rules) {
    const { text, end } = plant(rule, random)
    for (const unit of [`${text.slice(0, end - 1)}<`, `${text.slice(0, end)} `]) {
      const ratio = growth(unit, SMALL_CHARS, detect)
      if (ratio > RATIO_MAX) return t.fail(`${rule.id}: ${ratio.toFixed(1)}`)
    }
  }
  t.pass()
})

t.test('nor of ten megabytes of one character', async (t) => {
  for (const char of ['a', 'A', 'e', '-', '_', '=', '/', '0', ' ', '\n', '"', '日']) {
    const ratio = growth(char, 2_500_000, detect)
    t.ok(ratio <= RATIO_MAX, `${JSON.stringify(char)}: ${ratio.toFixed(1)}`)
  }
})

t.test('openFrom looks at no more than what can be held', async (t) => {
  for (const unit of ['a', '-----', 'sk-', 'eyJ', 'AKIA', '-----BEGIN PRIVATE KEY-----', 'password=', '9Q~']) {
    const longest = unit.repeat(Math.ceil(secretsDetector.holdCharsMax / unit.length))
    const ratio = bestMs(longest.repeat(8), 8, secretsDetector.openFrom) / bestMs(longest, 8, secretsDetector.openFrom)
    t.ok(ratio < 4, `${unit}: ${ratio.toFixed(1)}`)
  }
})
