import type { Segment } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { KnownUnits } from '../inspect/known-units.ts'

const segment = fc
  .record({
    source: fc.constantFrom<Segment['source']>('user', 'assistant', 'tool_result', 'tool_definition'),
    letter: fc.constantFrom('a', 'b'),
    length: fc.constantFrom(1, 40, 511, 512, 3_000),
    tool: fc.constantFrom(undefined, 'read', 'write'),
    decoded: fc.constantFrom(undefined, true),
  })
  .map(({ source, letter, length, tool, decoded }): Segment => {
    const text = letter.repeat(length)
    return { source, path: [], text, ...(tool === undefined ? {} : { tool }), ...(decoded ? { decoded } : {}) }
  })
/** A conversation, what comes to it, and definitions behind it. */
const requests = fc.array(
  fc.record({
    keep: fc.nat(12),
    more: fc.array(segment, { maxLength: 3 }),
    tools: fc.array(segment, { maxLength: 2 }),
    scope: fc.constantFrom('1', '1', '1', '2'),
  }),
  { maxLength: 8 },
)

t.test('what is known of a conversation never gives a text the key of another', (t) => {
  fc.assert(
    fc.property(requests, (all) => {
      const known = new KnownUnits()
      const conversation = {}
      let said: readonly Segment[] = []
      return all.every(({ keep, more, tools, scope }) => {
        said = [...said.slice(0, keep), ...more]
        const segments = [...said, ...tools]
        t.same(known.keyed(segments, scope, conversation), known.keyed(segments, scope, null))
        return true
      })
    }),
    { numRuns: 500 },
  )
  t.end()
})

t.test('a text that stands where it stood is not hashed again', (t) => {
  const known = new KnownUnits()
  const conversation = {}
  const said = (text: string): Segment => ({ source: 'user', path: [], text: text.repeat(600) })
  const first = known.keyed([said('a')], '1', conversation)
  const second = known.keyed([said('a'), said('b')], '1', conversation)
  t.equal(second[0]?.key, first[0]?.key)
  t.end()
})
