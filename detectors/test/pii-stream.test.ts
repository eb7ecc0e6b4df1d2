import t from 'tap'
import { piiDetector } from '../index.ts'
import { textWithPeople } from './support/people.ts'
import { createRandom } from './support/random.ts'
import { heldMost, streamFault } from './support/stream.ts'

t.test(
  'however a text is cut, findings and released text are the same, and nothing leaves before its finding',
  async (t) => {
    const random = createRandom(42)
    let findings = 0
    for (let run = 0; run < 400; run++) {
      const plain = textWithPeople(random)
      const text = run % 4 === 0 ? JSON.stringify(plain) : plain
      const most = random.pick([1, 3, 8, 30])
      findings += piiDetector.detect(text, { source: 'assistant' }).length
      const fault = streamFault(piiDetector, text, () => 1 + random.below(most))
      if (fault !== null) return t.fail(`${fault} in ${JSON.stringify(text)}`)
    }
    t.ok(findings > 400, `${findings} findings`)
  },
)

t.test('at every single cut in two', async (t) => {
  const random = createRandom(43)
  for (let run = 0; run < 12; run++) {
    const text = textWithPeople(random)
    for (let at = 1; at < text.length; at++) {
      let next = at
      const fault = streamFault(piiDetector, text, () => {
        const length = next
        next = text.length
        return length
      })
      if (fault !== null) return t.fail(`${fault} in ${JSON.stringify(text)} cut at ${at}`)
    }
  }
  t.pass()
})

t.test('prose, code and JSON are held by less than 64 characters', async (t) => {
  const texts = [
    'The committee will meet on Thursday at nine; the phone policy, the card readers and the social plan are on the agenda. See https://example.com/minutes/2026/11/23?page=2 for details.',
    'export function tokenOf(secret: string, limit = 1024): Token { return parse(secret.slice(0, 12), 3.14) } // Section 4\n',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"temperature":0.5,"max_tokens":2048}\n',
    '| --- | ----- |\n| a | b |\n'.repeat(4),
    '東京都の天気は晴れです。明日は雨が降るでしょう。',
  ]
  const most = Math.max(...texts.map((text) => heldMost(piiDetector, text)))
  t.comment(`at most ${most} characters held`)
  t.ok(most <= 64)
})

t.test(
  'what is open never holds back more than the bound, and half of a surrogate pair waits for the other',
  async (t) => {
    for (const unit of ['1 ', 'a.b/', '4111 1111 ', 'card ']) {
      const text = unit.repeat(2_000)
      t.ok(piiDetector.openFrom(text) >= text.length - piiDetector.holdCharsMax, unit)
    }
    t.equal(piiDetector.openFrom('well \ud83d'), 5)
    t.equal(piiDetector.openFrom('well \ud83d\ude00'), 7)
  },
)
