import fc from 'fast-check'
import t from 'tap'
import { type HeldEvent, redactHeld } from '../inspect/held-event.ts'
import { StreamRestorer } from '../inspect/restore/restore-stream.ts'
import { DELTA_STREAMS } from './support/delta-streams.ts'
import { redacted } from './support/restoring.ts'

interface Part {
  readonly channel: 'a' | 'b'
  readonly length: number
}

/** Events of one piece each, and the texts of their channels. */
function heldOf(parts: readonly Part[]) {
  const text = { a: '', b: '' }
  const events = parts.map(({ channel, length }): HeldEvent<string> => {
    const start = text[channel].length
    const piece = Array.from({ length }, (_, at) => String.fromCharCode(97 + ((start + at) % 26))).join('')
    text[channel] += piece
    const held = { channel, path: [], start, end: start + length, text: piece, edited: false }
    return { bytes: Buffer.alloc(0), data: null, pieces: [held] }
  })
  return { text, events }
}

const parts = fc.array(fc.record({ channel: fc.constantFrom('a', 'b'), length: fc.nat(6) }), { maxLength: 20 })

t.test('edits are made where they belong, whatever the pieces, all at once or one by one', async (t) => {
  fc.assert(
    fc.property(parts, fc.array(fc.nat(60), { maxLength: 12 }), fc.boolean(), (parts, cuts, atOnce) => {
      const { text, events } = heldOf(parts)
      const edges = [...new Set(cuts)].filter((at) => at <= text.a.length).toSorted((a, b) => a - b)
      const edits = edges.flatMap((start, at) => {
        const end = edges[at + 1]
        return at % 2 === 0 && end !== undefined ? [{ start, end, text: `<${at}>` }] : []
      })
      if (atOnce) redactHeld(events, 'a', edits)
      else for (const edit of edits) redactHeld(events, 'a', [edit])
      let expected = text.a
      for (const { start, end, text } of edits.toReversed())
        expected = expected.slice(0, start) + text + expected.slice(end)
      const textOf = (name: string): string =>
        events.flatMap(({ pieces }) => pieces.map(({ channel, text }) => (channel === name ? text : ''))).join('')
      return textOf('a') === expected && textOf('b') === text.b
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})

const ROUNDS = 3

/** Least CPU time that it takes to put so many values back into a call of many events, in microseconds. */
function microsFor(count: number): number {
  const { values, placeholders } = redacted(['ann@example.org'], ['mail'])
  const [format] = DELTA_STREAMS
  if (!format) throw new Error('no format')
  const pieces = JSON.stringify({ to: `${placeholders[0]} `.repeat(count) }).match(/.{1,4}/gs) ?? []
  const stream = format.write([], pieces)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const restorer = new StreamRestorer(
      values,
      format.adapter.openStream({ model: 'm', stream: true, json: {} }),
      format.framing,
    )
    const before = process.cpuUsage()
    const out = Buffer.concat([...restorer.push(stream), ...restorer.flush()])
    const { user, system } = process.cpuUsage(before)
    if (out.includes('[RED')) throw new Error('not put back')
    best = Math.min(best, user + system)
  }
  return best
}

t.test('many values in a call of many events take time by its size', async (t) => {
  microsFor(200)
  const few = microsFor(875)
  const many = microsFor(3_500)
  t.ok(many < 7 * few, `four times the values take ${(many / few).toFixed(1)} times as long`)
})
