import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { StreamFilter } from '../answer/stream-filter.ts'
import { StreamRestorer } from '../inspect/restore/restore-stream.ts'
import { SessionInspection } from '../inspect/session/session-inspection.ts'
import { openResponseStream } from '../providers/openai/responses/stream.ts'
import { openChatStream } from '../providers/openai/stream.ts'
import type { StreamReader } from '../providers/provider.ts'
import { SSE } from '../providers/sse.ts'
import { inspectionThat } from './support/detectors.ts'
import { redacted } from './support/restoring.ts'
import { inspectTurn, segmentOf, told } from './support/sessions.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
const MB = 1_000_000

function heapUsed(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** How much more memory is in use while a filter is open than before, after so many events. */
function kept(reader: StreamReader, events: number, eventOf: (at: number) => object, action: 'alert' | 'block') {
  const before = heapUsed()
  const filter = new StreamFilter(reader, SSE, false, inspectionThat(action))
  let released = 0
  for (let at = 0; at < events; at++)
    for (const bytes of filter.push(Buffer.from(`data: ${JSON.stringify(eventOf(at))}\n\n`)).bytes)
      released += bytes.length
  const bytes = heapUsed() - before
  filter.conclude()
  return { bytes, released, findings: filter.findings }
}

t.test('a stream that goes on for long keeps next to nothing of what has passed', async (t) => {
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(4_000)
  const done = kept(
    openResponseStream(),
    400,
    (at) => ({ type: 'response.output_text.done', output_index: at, content_index: 0, text: `${at} ${text}` }),
    'block',
  )
  t.ok(done.released > 70 * MB, `${done.released} bytes passed`)
  t.ok(done.bytes < 8 * MB, `${done.bytes} are kept of 400 long texts`)
  const many = kept(
    openChatStream(),
    60_000,
    (at) => ({ choices: [{ index: at, delta: { content: 'a text of one choice of many' } }] }),
    'block',
  )
  t.ok(many.bytes < 8 * MB, `${many.bytes} are kept of 60 000 channels`)
})

t.test('what the session finds in an answer is kept for the newest channels alone', async (t) => {
  const secret = `the key is ${['AKIA', 'Q3EGRT7Z5WXKCN2M'].join('')}`
  const rules = Array.from({ length: 20 }, (_, at) => `Rule ${at}: never give discount number ${at * 7} to anybody.`)
  const { answer } = inspectTurn(new SessionInspection(), [
    segmentOf('system', rules.join(' ')),
    segmentOf('user', 'hello'),
    segmentOf('tool_result', secret),
  ])
  const before = heapUsed()
  for (let at = 0; at < 30_000; at++) answer.text(`text ${at}`, 'a text of one channel of many')
  t.ok(heapUsed() - before < 8 * MB)
  const found = [...answer.text('last', `See https://x.example/?k=${secret.slice(-20)} now`), ...answer.end()]
  t.same(told(found), ['flow/secret-leaves high'])
})

t.test('findings of a long stream are summed up as they come', async (t) => {
  const call = JSON.stringify({ note: `KEY123456 ${'x'.repeat(5_000)}` })
  const { bytes, findings } = kept(
    openChatStream(),
    4_000,
    (at) => ({
      choices: [
        {
          index: 0,
          delta: {
            content: 'it is KEY123456. ',
            tool_calls: [{ index: at, id: `c${at}`, function: { name: `tool-${at % 500}`, arguments: call } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    }),
    'alert',
  )
  t.ok(bytes < 8 * MB, `${bytes} are kept`)
  t.match(
    findings.map(({ count, detail }) => ({ count, source: detail?.source, tool: detail?.tool })),
    [
      { count: 4_000, source: 'tool_call', tool: null },
      { count: 4_000, source: 'assistant', tool: null },
    ],
  )
  t.equal(findings[0]?.detail?.places.length, 4, 'and the first places are told')
})

t.test('what is put back into an answer is put into so many texts, and of more nothing is kept', async (t) => {
  const { values, placeholders } = redacted(['ann@example.org'], ['mail'])
  const [mail = ''] = placeholders
  const before = heapUsed()
  const restorer = new StreamRestorer(values, openChatStream(), SSE)
  const put = (index: number, delta: object): string =>
    Buffer.concat(restorer.push(Buffer.from(`data: ${JSON.stringify({ choices: [{ index, delta }] })}\n\n`))).toString()
  for (let at = 0; at < 60_000; at++) {
    const passed = put(at, { content: `write to ${mail} ` })
    if (!passed.includes(at < 4_096 ? 'ann@example.org' : mail)) t.fail(`the text of choice ${at}`)
  }
  t.match(put(7, { content: `and to ${mail} ` }), 'ann@example.org', 'those that were followed go on')
  const bytes = heapUsed() - before
  t.ok(bytes < 8 * MB, `${bytes} are kept of 60 000 channels`)
})
