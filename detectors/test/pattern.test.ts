import t from 'tap'
import { bytesAt, fullSource, PatternError, parsePattern } from '../scan/pattern.ts'
import { compileRule } from '../secrets/compile.ts'
import { RULE_FILES } from '../secrets/rules/index.ts'
import { plant, sample } from './support/generate.ts'
import { createRandom } from './support/random.ts'

t.test('what could run away is no pattern', async (t) => {
  for (const source of [
    'a*',
    'a+',
    'a{3,}',
    '(?:a{1,3}){2}',
    '(?:a?b){0,9}',
    '(?:(?:a|b{0,2})c){3}',
    '.',
    '(?=a)b',
    '(?<n>a)',
    '(?<=a)b',
    'a{1,2',
    '[a',
    '(a',
    'a)',
    '\\1',
    '^a',
    'a$',
  ]) {
    t.throws(() => parsePattern(source), PatternError, source)
  }
})

t.test('a parsed pattern is written as it was read', async (t) => {
  for (const source of ['a', 'ab{2,3}[^\\]x]?', '(?:a|bc){2}(d{0,4})', 'x\\.y\\$', '(?:ab|c)?']) {
    t.equal(fullSource(parsePattern(source)), source)
  }
})

t.test('the longest match is known', async (t) => {
  t.equal(parsePattern('ab{2,3}(?:c|def){2}g?').charsMax, 1 + 3 + 6 + 1)
})

t.test(
  'every beginning of every match of every rule is seen as one, and nothing else where the pattern has ended',
  async (t) => {
    const random = createRandom(7)
    for (const { family, rules } of RULE_FILES) {
      for (const rule of rules) {
        const { compiled } = compileRule(rule, family)
        const pattern = 'pattern' in rule ? parsePattern(rule.pattern) : null
        const planted = plant(rule, random)
        const whole = pattern ? sample(pattern, random).whole : planted.text.slice(0, planted.end)
        const from = pattern ? 0 : firstMatch(compiled.whole, planted.text)
        for (let end = from + 1; end <= whole.length; end++) {
          compiled.beginning.lastIndex = from
          if (!compiled.beginning.test(whole.slice(0, end))) t.fail(`${rule.id}: "${whole.slice(from, end)}"`)
        }
        compiled.beginning.lastIndex = from
        t.notOk(compiled.beginning.test(`${whole}<`), `${rule.id} ends`)
        if (whole.length - from > compiled.reachChars) t.fail(`${rule.id} is longer than its reach`)
      }
    }
  },
)

/** Where an assigned rule's match begins. */
function firstMatch(whole: RegExp, text: string): number {
  for (let at = 0; at < text.length; at++) {
    whole.lastIndex = at
    if (whole.test(text)) return at
  }
  return text.length
}

t.test('every keyword stands where its rule says', async (t) => {
  const random = createRandom(11)
  for (const rule of RULE_FILES.flatMap((file) => file.rules)) {
    if (!('pattern' in rule)) continue
    for (let index = 0; index < 20; index++) {
      const { whole } = sample(parsePattern(rule.pattern), random)
      const text = rule.ignoreCase ? whole.toLowerCase() : whole
      if (!rule.keywords.some((keyword) => text.startsWith(keyword, rule.keywordAt ?? 0)))
        t.fail(`${rule.id}: ${whole}`)
    }
    t.ok(
      rule.keywords.every((keyword) => !rule.ignoreCase || keyword === keyword.toLowerCase()),
      rule.id,
    )
  }
})

t.test('the bytes at a place are those that a match can have there, and any behind its end', async (t) => {
  const pattern = parsePattern('a[bc]{1,2}(?:d|ef)')
  const at = (place: number): string =>
    bytesAt(pattern, place, 1, false)[0]
      ?.map((byte) => String.fromCharCode(byte))
      .join('') ?? ''
  t.equal(at(0), 'a')
  t.equal(at(1), 'bc')
  t.equal(at(2), 'bcde')
  t.equal(bytesAt(pattern, 3, 1, false)[0]?.length, 256)
  t.strictSame(bytesAt(parsePattern('k'), 0, 1, true), [[75, 107]])
})
