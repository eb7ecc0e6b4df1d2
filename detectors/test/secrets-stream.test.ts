import type { Finding } from '@agentcostcontrol/contract'
import t from 'tap'
import { secretsDetector } from '../index.ts'
import { createRandom, type Random } from './support/random.ts'
import { textWithSecrets } from './support/texts.ts'

const CONTEXT = { source: 'assistant' } as const

interface Streamed {
  readonly findings: readonly Finding[]
  readonly released: string
  /** The first fault, or `null`. */
  readonly fault: string | null
}

/** What a stream window does: it holds from `openFrom` on, forgets the rest, and reports what has ended. */
function stream(text: string, cut: () => number): Streamed {
  const findings: Finding[] = []
  let [released, held, at] = ['', '', 0]
  let fault: string | null = null
  while (at < text.length || held !== '') {
    const piece = text.slice(at, at + cut())
    const ended = piece === ''
    at += piece.length
    held += piece
    const open = ended ? held.length : secretsDetector.openFrom(held)
    if (open > held.length || open < 0 || open < held.length - secretsDetector.holdCharsMax)
      fault ??= `openFrom ${open}`
    for (const finding of secretsDetector.detect(held, CONTEXT)) {
      if (finding.start >= open) continue
      if (finding.end > open) fault ??= `${finding.ruleId} is released in parts`
      findings.push({ ...finding, start: finding.start + released.length, end: finding.end + released.length })
    }
    released += held.slice(0, open)
    held = held.slice(open)
    if (ended) break
  }
  return { findings, released, fault }
}

function check(t: Test, text: string, cut: () => number): boolean {
  const whole = secretsDetector.detect(text, CONTEXT)
  const { findings, released, fault } = stream(text, cut)
  if (fault === null && released === text && JSON.stringify(findings) === JSON.stringify(whole)) return true
  t.fail(`${fault ?? 'other findings'} in ${JSON.stringify(text)}`, { streamed: findings, whole })
  return false
}

type Test = Pick<typeof t, 'fail'>

const cuts = (random: Random, most: number) => (): number => 1 + random.below(most)

t.test(
  'however a text is cut, findings and released text are the same, and no secret leaves before its finding',
  async (t) => {
    const random = createRandom(42)
    let findings = 0
    for (let run = 0; run < 400; run++) {
      const text = textWithSecrets(random)
      findings += secretsDetector.detect(text, CONTEXT).length
      if (!check(t, text, cuts(random, random.pick([1, 3, 8, 30])))) return
    }
    t.ok(findings > 300, `${findings} findings`)
  },
)

t.test('at every single cut in two', async (t) => {
  const random = createRandom(43)
  for (let run = 0; run < 12; run++) {
    const text = textWithSecrets(random)
    for (let at = 1; at < text.length; at++) {
      let pieces = [at, text.length]
      const next = (): number => {
        const [first = text.length, ...rest] = pieces
        pieces = rest
        return first
      }
      if (!check(t, text, next)) return
    }
  }
  t.pass()
})

t.test('a run that is too long for a secret does not become one when its beginning has been released', async (t) => {
  const random = createRandom(44)
  for (const keyword of ['-us4', 'NRAL', '.atlasv1.', 'AZDOabcd', 'JQQJ99', 'sk-', 'ghp_']) {
    for (let length = 30; length < 110; length++) {
      const text = `${random.chars('0123456789abcdef', length)}${keyword}${random.chars('0123456789abcdef', 70)}`
      if (!check(t, text, () => 1)) return
    }
  }
  t.pass()
})

t.test('prose, code and JSON are held by less than 64 characters', async (t) => {
  const texts = [
    'The committee will meet on Thursday; the password policy, the datadog dashboards and the risk-averse plan are on the agenda. See https://example.com/minutes/2026/11/23?page=2 for details, and ask postgres people about tokens. ',
    'export function tokenOf(secret: string): Token { const key = apiKey(secret); return parse(key ?? "password"); } // sk- prefixes\n',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"api_key":null,"temperature":0.5,"secretName":"db"}\n',
    '| --- | ----- |\n| a | b |\n'.repeat(4),
    '東京都の天気は晴れです。明日は雨が降るでしょう。',
  ]
  let most = 0
  for (const text of texts) {
    for (let end = 1; end <= text.length; end++) {
      most = Math.max(most, end - secretsDetector.openFrom(text.slice(0, end)))
    }
  }
  t.comment(`at most ${most} characters held`)
  t.ok(most <= 64)
})

t.test('a private key is held until it has ended', async (t) => {
  const lines = Array.from({ length: 26 }, () =>
    createRandom(5).chars('ABCDEFGHKLMNPQRSTUVWXYZabcdefghkmnpqrstuvwxyz0123456789+/', 64),
  )
  const key = ['-----BEGIN', 'PRIVATE KEY-----']
    .join(' ')
    .concat('\n', lines.join('\n'), '\n', '-----END PRIVATE KEY-----')
  for (let end = 12; end < key.length; end += 13) t.equal(secretsDetector.openFrom(`look: ${key.slice(0, end)}`), 6)
  const [finding] = secretsDetector.detect(`look: ${key}`, CONTEXT)
  t.equal(finding?.ruleId, 'private-key')
  t.equal(finding?.end, 6 + key.length)
})

t.test('half of a surrogate pair waits for the other half', async (t) => {
  t.equal(secretsDetector.openFrom('well \ud83d'), 5)
  t.equal(secretsDetector.openFrom('well \ud83d\ude00'), 7)
})

t.test('what is open never holds back more than the bound', async (t) => {
  const open = `${['-----BEGIN', 'PRIVATE KEY-----'].join(' ')}\n${createRandom(6).chars('ABCDEFabcdef0123456789', 40_000)}`
  t.ok(secretsDetector.openFrom(open) >= open.length - secretsDetector.holdCharsMax)
})
