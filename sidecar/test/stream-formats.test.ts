import fc from 'fast-check'
import t from 'tap'
import { StreamFilter } from '../answer/stream-filter.ts'
import type { Framing } from '../providers/framing.ts'
import { JSON_ARRAY } from '../providers/json-array.ts'
import { inspectionThat } from './support/detectors.ts'
import { givenOf, RECORDED, type Recorded, requestOf } from './support/recorded.ts'

type Action = 'alert' | 'redact' | 'block' | null

/** What comes out of a stream that was cut at some offsets, and what is known of it then. */
function pass(recorded: Recorded, stream: Buffer, cuts: readonly number[], action: Action) {
  const { adapter, framing, given } = recorded
  const reader = adapter.openStream(requestOf(recorded))
  const filter = new StreamFilter(reader, framing, given !== undefined, action && inspectionThat(action))
  const out: Buffer[] = []
  const refused: string[] = []
  const take = ({ bytes, refusal }: ReturnType<StreamFilter['push']>): boolean => {
    out.push(...bytes)
    if (refusal) refused.push(refusal.code)
    return refusal === null
  }
  let from = 0
  const edges = [...new Set(cuts), stream.length].toSorted((a, b) => a - b)
  const goesOn = edges.every((to) => {
    const piece = Buffer.from(stream.subarray(from, to))
    from = to
    return take(filter.push(piece))
  })
  if (goesOn) take(filter.flush())
  const findings = filter.findings.reduce((sum, { count }) => sum + count, 0)
  const known = { facts: reader.facts(), bytes: reader.outputBytes(), ended: reader.ended() }
  return { text: Buffer.concat(out).toString(), refused, findings, known }
}

/** What no provider sends as an event, by how events are told apart, and what servers send in between. */
const ODD: Readonly<
  Record<Framing['name'], { readonly unreadable: readonly string[]; readonly alive: readonly string[] }>
> = {
  sse: {
    unreadable: ['data: KEY123456\n\n', 'event: error\r\ndata: {"KEY123456\r\n\r\n', 'data: ["KEY123456"]\n\n'],
    alive: [': KEY\n\n', 'data:\n\n', 'data: \n\n', 'event: ping\ndata: {"type":"ping"}\n\n', '\n', 'retry: 5\n\n'],
  },
  ndjson: { unreadable: ['KEY123456\n', '{"KEY123456\n', '["KEY123456"]\n'], alive: ['\n', ' \r\n'] },
  'json-array': { unreadable: ['"KEY123456",', '"KEY123456"\r\n,\r\n'], alive: ['\r\n', ' '] },
}

const LEAK = 'a KEY123456 b'

for (const recorded of RECORDED) {
  const [clean, leaking] = [Buffer.from(recorded.stream()), Buffer.from(recorded.stream(LEAK))]

  t.test(
    `${recorded.name}: it passes as it is, is read to its end, and what is found in it is dealt with`,
    async (t) => {
      for (const action of [null, 'alert', 'redact', 'block'] as const) {
        const { text, refused, findings, known } = pass(recorded, clean, [], action)
        t.equal(text, givenOf(recorded), `${action}: the bytes`)
        t.match(known, {
          facts: { rawUsage: recorded.rawUsage, usage: Object },
          bytes: recorded.outputBytes,
          ended: true,
        })
        t.same([refused, findings], [[], 0])
      }
      t.equal(pass(recorded, leaking, [], 'alert').text, givenOf(recorded, LEAK))
      t.ok(pass(recorded, leaking, [], 'alert').findings > 0)
      const redacted = pass(recorded, leaking, [], 'redact')
      t.equal(redacted.text, givenOf(recorded, 'a [REDACTED:key] b'), 'and nothing else is changed')
      const blocked = pass(recorded, leaking, [], 'block')
      t.same(blocked.refused, ['acc_security_blocked'])
      t.notMatch(blocked.text, 'KEY123456')
    },
  )

  t.test(
    `${recorded.name}: what is no event of it ends it where answers are held back, keep-alives do not`,
    async (t) => {
      const odd = ODD[recorded.framing.name]
      if (!odd) throw new Error(`nothing is known of ${recorded.framing.name}`)
      const { unreadable, alive } = odd
      const before = (event: string): Buffer =>
        recorded.framing === JSON_ARRAY
          ? Buffer.from(`[${event}${clean.toString().slice(1)}`)
          : Buffer.from(event + clean)
      for (const event of unreadable) {
        for (const action of ['redact', 'block'] as const) {
          const { text, refused, findings } = pass(recorded, before(event), [], action)
          t.same([text, refused, findings], ['', ['acc_inspection_unavailable'], 1], `${action}: ${event}`)
        }
        for (const action of [null, 'alert'] as const)
          t.match(
            pass(recorded, before(event), [], action),
            { refused: [], known: { ended: true }, findings: action === null ? 0 : 1 },
            event,
          )
      }
      for (const event of alive) t.same(pass(recorded, before(event), [], 'block').refused, [], event)
    },
  )

  t.test(`${recorded.name}: where it is cut changes nothing: bytes, findings, usage`, async (t) => {
    for (const [stream, actions] of [
      [clean, [null, 'redact']],
      [leaking, ['alert', 'redact', 'block']],
    ] as const) {
      for (const action of actions) {
        const outcome = (cuts: readonly number[]): string => JSON.stringify(pass(recorded, stream, cuts, action))
        const whole = outcome([])
        const differing = [...stream.keys()].filter((cut) => outcome([cut]) !== whole)
        t.same(differing, [], `${action}, cut in two`)
        t.equal(outcome([...stream.keys()]), whole, `${action}, byte by byte`)
        fc.assert(
          fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => outcome(cuts) === whole),
          { numRuns: 40 },
        )
      }
    }
  })
}
