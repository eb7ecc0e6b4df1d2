import { NO_USAGE } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import type { AnswerInspection } from '../answer/inspection.ts'
import { StreamFilter } from '../answer/stream-filter.ts'
import { openMessageStream } from '../providers/anthropic/stream.ts'
import { SSE } from '../providers/sse.ts'
import { inspectionThat } from './support/detectors.ts'
import { recordedAnthropicStream } from './support/recorded-anthropic-stream.ts'

/** What comes out of a stream that was cut at some offsets, and what is known of it then. */
function pass(stream: string, cuts: readonly number[], inspection: AnswerInspection | null) {
  const bytes = Buffer.from(stream)
  const reader = openMessageStream(() => true)
  const filter = new StreamFilter(reader, SSE, false, inspection)
  const out: Buffer[] = []
  const refused: string[] = []
  let from = 0
  for (const to of [...new Set(cuts), bytes.length].toSorted((a, b) => a - b)) {
    const { bytes: released, refusal } = filter.push(Buffer.from(bytes.subarray(from, to)))
    out.push(...released)
    if (refusal) refused.push(refusal.code)
    if (refusal) break
    from = to
  }
  if (refused.length === 0) {
    const last = filter.flush()
    out.push(...last.bytes)
    if (last.refusal) refused.push(last.refusal.code)
  }
  return {
    text: Buffer.concat(out).toString(),
    refused,
    facts: reader.facts(),
    bytes: reader.outputBytes(),
    ended: reader.ended(),
  }
}

const STREAMS = [
  recordedAnthropicStream(),
  recordedAnthropicStream('a KEY123456 b'),
  recordedAnthropicStream().replace('é漢😀', 'é KEY123456 漢'),
]

t.test('a recorded stream passes byte for byte, and is read to its end', async (t) => {
  const passed = pass(recordedAnthropicStream(), [], inspectionThat('redact'))
  t.equal(passed.text, recordedAnthropicStream())
  t.ok(passed.ended)
  t.match(passed.facts, { responseId: 'msg_1', responseModel: 'claude-haiku-4-5', serviceTier: 'standard' })
  t.same(passed.facts.usage, {
    ...NO_USAGE,
    inputUncached: 8,
    cacheRead: 50,
    cacheWrite5m: 60,
    cacheWrite1h: 40,
    outputVisible: 18,
    outputReasoning: 12,
  })
  t.equal(passed.bytes, Buffer.byteLength('é漢😀 étwo lines lastcited{"a":1}') + 64)
})

t.test('where a stream is cut changes nothing: bytes, findings, usage', async (t) => {
  for (const [at, stream] of STREAMS.entries()) {
    for (const action of [null, 'alert', 'redact', 'block'] as const) {
      const outcome = (cuts: readonly number[]): string =>
        JSON.stringify(pass(stream, cuts, action && inspectionThat(action)))
      const whole = outcome([])
      const length = Buffer.byteLength(stream)
      const differing = [...Array(length).keys()].filter((cut) => cut % 3 === at && outcome([cut]) !== whole)
      t.same(differing, [], `${action}, cut in two`)
      t.equal(outcome([...Array(length).keys()]), whole, `${action}, byte by byte`)
      fc.assert(
        fc.property(fc.array(fc.nat(length), { maxLength: 30 }), (cuts) => outcome(cuts) === whole),
        { numRuns: 40 },
      )
    }
  }
})

t.test('what is redacted keeps the names of its events, also where its data stood on several lines', async (t) => {
  const [, leaking = ''] = STREAMS
  t.equal(pass(leaking, [], inspectionThat('redact')).text, leaking.replace('KEY123456', '[REDACTED:key]'))
  const onLines = leaking.replace('two lines ', 'two KEY654321 lines ')
  const { text } = pass(onLines, [], inspectionThat('redact'))
  t.match(
    text,
    'event: content_block_delta\ndata: {"type":"content_block_delta", "index":1,"delta":{"type":"text_delta","text":"two [REDACTED:key] lines "}}\n\n',
  )
})

t.test('signed thinking is never changed: what would be redacted in it ends the stream', async (t) => {
  const [, , thinking = ''] = STREAMS
  t.same(pass(thinking, [], inspectionThat('redact')).refused, ['acc_security_blocked'])
  t.equal(pass(thinking, [], inspectionThat('alert')).text, thinking)
  t.notMatch(pass(thinking, [], inspectionThat('block')).text, 'KEY123456')
})
