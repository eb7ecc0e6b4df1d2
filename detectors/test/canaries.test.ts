import t from 'tap'
import { createCanaryDetector } from '../index.ts'
import { createRandom } from './support/random.ts'

const detector = createCanaryDetector(['blue-heron-7731', 'blue-heron-77', 'zanzibar quartz'])

t.test('a canary is found in what the model says and calls, and nowhere else', async (t) => {
  const text = 'It says blue-heron-7731 and Zanzibar, zanzibar quartz.'
  t.match(detector.detect(text, { source: 'assistant' }), [
    { ruleId: 'canary', severity: 'critical', start: 8, end: 23 },
    { start: 38, end: 53 },
  ])
  t.equal(detector.detect(text, { source: 'tool_call' }).length, 2)
  for (const source of ['system', 'user', 'tool_result'] as const) t.same(detector.detect(text, { source }), [])
})

t.test('however a text is cut, a canary is held back until it is whole, and no longer', async (t) => {
  const random = createRandom(5)
  const words = ['blue', '-heron', '-77', '31', ' zan', 'zibar', ' quartz', ' and ', 'blue-heron-7731']
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: 8 }, () => random.pick(words)).join('')
    const found = detector.detect(text, { source: 'assistant' })
    for (let cut = 0; cut <= text.length; cut++) {
      const open = detector.openFrom(text.slice(0, cut))
      if (cut - open > detector.holdCharsMax) t.fail('it holds too much')
      // A shorter canary that a longer one begins with is found as soon as it is whole.
      for (const { start, end } of found) if (start < cut && cut < end - 2 && open > start) t.fail(`${text} at ${cut}`)
    }
  }
  t.equal(detector.openFrom('nothing here'), 12)
})
