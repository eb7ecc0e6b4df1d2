import type { Finding } from '@agentcostcontrol/contract'
import t from 'tap'
import { createThreatIntelDetector } from '../index.ts'
import { createRandom } from './support/random.ts'
import { smallIndex, textWithThreats } from './support/threat-lists.ts'

const CONTEXT = { source: 'assistant' } as const
/** Characters in front of what is held that a stream's window keeps. */
const KEPT_CHARS = 64
const detector = createThreatIntelDetector([smallIndex()])

const showOf = (findings: readonly Finding[]): string =>
  findings.map(({ ruleId, start, end }) => `${ruleId} ${start}-${end}`).join(', ')

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

t.test('however a text is cut, findings are the same, and nothing listed leaves before its finding', async (t) => {
  const random = createRandom(77)
  let findings = 0
  for (let run = 0; run < 1_500; run++) {
    const text = textWithThreats(random)
    const whole = showOf(detector.detect(text, CONTEXT))
    findings += whole === '' ? 0 : 1
    const most = random.pick([1, 3, 8, 30])
    const streamed = stream(text, () => 1 + random.below(most))
    if (streamed !== whole) return t.equal(streamed, whole, JSON.stringify(text))
  }
  t.ok(findings > 500, `${findings} texts with findings`)
})

t.test('prose, code and JSON are held by less than 64 characters', async (t) => {
  const texts = [
    'The committee will meet on Thursday; see https://example.com/minutes/2026 for details. Yarn and pip are fine. ',
    'export function tokenOf(secret: string): Token { const key = api.key(secret); return a.b.c(key ?? "x") } // npm run x\n',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"temperature":0.5,"secretName":"db"}\n',
    '東京都の天気は晴れです。明日は雨が降るでしょう。',
    `${createRandom(3).chars('ABCDEFGHKLMNPQRSTUVWXYZabcdefghkmnpqrstuvwxyz0123456789', 600)} `,
  ]
  let most = 0
  for (const text of texts)
    for (let end = 1; end <= text.length; end++) most = Math.max(most, end - detector.openFrom(text.slice(0, end)))
  t.ok(most <= 64, `at most ${most} characters held`)
})

t.test('a command that installs is held while it names packages', async (t) => {
  t.ok(detector.openFrom('run\nnpm install left-pad ') <= 4)
  t.equal(detector.openFrom('run\nnpm install left-pad\n'), 25)
})
