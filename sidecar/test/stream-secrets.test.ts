import { readFileSync } from 'node:fs'
import { DETECTORS, EMPTY_ENVIRONMENT, redactText } from '@agentcostcontrol/detectors'
import t from 'tap'
import { RULE_FILES } from '../../detectors/secrets/rules/index.ts'
import { plant } from '../../detectors/test/support/generate.ts'
import { createRandom } from '../../detectors/test/support/random.ts'
import { inCheckout } from '../../test/support/paths.ts'
import type { AnswerInspection } from '../answer/inspection.ts'
import { StreamFilter } from '../answer/stream-filter.ts'
import { createDetectorSets } from '../inspect/scanner.ts'
import { openChatStream } from '../providers/openai/stream.ts'
import { SSE } from '../providers/sse.ts'
import { inspectionThat } from './support/detectors.ts'

/** An inspection with the detectors that are shipped. */
function shipped(action: 'redact' | 'block'): AnswerInspection {
  const inspection = inspectionThat(action)
  return { ...inspection, set: createDetectorSets(() => EMPTY_ENVIRONMENT)(inspection.security) }
}

const event = (content: string): Buffer =>
  Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`)

/** The text of a client that puts the deltas together. */
function textOf(bytes: readonly Buffer[]): string {
  let text = ''
  for (const line of Buffer.concat(bytes).toString().split('\n'))
    if (line.startsWith('data: {')) text += JSON.parse(line.slice(6)).choices?.[0]?.delta.content ?? ''
  return text
}

interface Passed {
  readonly text: string
  readonly cut: boolean
  readonly findings: number
}

function pass(pieces: readonly string[], inspection: AnswerInspection): Passed {
  const filter = new StreamFilter(openChatStream(), SSE, false, inspection)
  const out: Buffer[] = []
  const result = (cut: boolean): Passed => ({
    text: textOf(out),
    cut,
    findings: filter.findings.reduce((sum, { count }) => sum + count, 0),
  })
  for (const piece of pieces) {
    const { bytes, refusal } = filter.push(event(piece))
    out.push(...bytes)
    if (refusal) return result(true)
  }
  const last = filter.flush()
  out.push(...last.bytes)
  return result(last.refusal !== null)
}

/** A secret of every tenth rule, in the middle of a sentence. */
const TEXTS = (() => {
  const random = createRandom(11)
  return RULE_FILES.flatMap((file) => file.rules)
    .filter((_, at) => at % 10 === 0)
    .map((rule) => `Here it is: ${plant(rule, random).text} and then some more.`)
    .filter((text) => text.length < 600 && detect(text).length > 0)
})()

function detect(text: string) {
  return DETECTORS.filter(({ id }) => id === 'secrets').flatMap((detector) =>
    detector.detect(text, { source: 'assistant' }),
  )
}

t.test(
  'a real secret cut in two at any place, or in single characters, is taken out as from the whole text',
  async (t) => {
    t.ok(TEXTS.length > 20, `${TEXTS.length} texts`)
    const inspection = shipped('redact')
    for (const text of TEXTS) {
      const findings = detect(text)
      const expected = { text: redactText(text, findings), cut: false, findings: findings.length }
      const ways = [
        [...text],
        [text],
        ...Array.from({ length: text.length - 1 }, (_, at) => [text.slice(0, at + 1), text.slice(at + 1)]),
      ]
      for (const pieces of ways) {
        const got = pass(pieces, inspection)
        if (JSON.stringify(got) === JSON.stringify(expected)) continue
        t.same(got, expected, `cut after ${pieces[0]?.length} of ${JSON.stringify(text)}`)
        return
      }
    }
  },
)

t.test('of a blocked secret not one character is released, wherever it is cut', async (t) => {
  const inspection = shipped('block')
  for (const text of TEXTS) {
    const [first] = detect(text)
    if (!first) continue
    for (let at = 1; at < text.length; at++) {
      const got = pass([text.slice(0, at), text.slice(at)], inspection)
      const [released = ''] = got.text.split('[REDACTED:')
      if (got.cut && text.slice(0, first.start).startsWith(released)) continue
      t.same(got, { cut: true, text: text.slice(0, first.start) }, `cut after ${at} of ${JSON.stringify(text)}`)
      return
    }
  }
  t.pass()
})

t.test('clean text is released within 64 bytes or one event', async (t) => {
  const prose = ['docs/errors.md', 'docs/lifecycle.md', 'docs/policy.md', 'sidecar/config.ts', 'LICENSE']
    .map((name) => readFileSync(inCheckout(name), 'utf8'))
    .join('\n')
  for (const size of [3, 7, 40]) {
    const filter = new StreamFilter(openChatStream(), SSE, false, shipped('block'))
    let sent = 0
    let released = 0
    let most = 0
    for (let at = 0; at < prose.length; at += size) {
      const piece = prose.slice(at, at + size)
      const { bytes } = filter.push(event(piece))
      sent += Buffer.byteLength(piece)
      released += Buffer.byteLength(textOf(bytes))
      most = Math.max(most, sent - released)
    }
    t.ok(most <= 64 + size, `in pieces of ${size} at most ${most} bytes are held`)
  }
})
