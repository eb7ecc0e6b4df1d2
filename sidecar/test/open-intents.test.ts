import fc from 'fast-check'
import t from 'tap'
import { OpenIntents } from '../events/open-intents.ts'

const NONE: ReadonlySet<number> = new Set()

t.test('whatever opens, ends and is taken over, the oldest group with an open intent is known', async (t) => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('open' as const), count: fc.nat(5) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('prune' as const), back: fc.nat(20) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 400 }), (steps) => {
      const open = new OpenIntents()
      const model = new Map<number, number>()
      let seq = 0
      let group = 0
      for (const each of steps) {
        group++
        if (each.kind === 'open') {
          for (let at = 0; at < each.count; at++) {
            seq++
            open.add(seq, { json: `${seq}`, group })
            model.set(seq, group)
          }
        } else if (each.kind === 'end') {
          const chosen = [...model.keys()][each.which % Math.max(1, model.size)]
          if (chosen === undefined) continue
          open.delete(chosen)
          model.delete(chosen)
        } else {
          const upTo = Math.max(0, group - each.back)
          const taken = [...open.upTo(upTo)]
          const expected = [...model].filter(([, own]) => own <= upTo)
          t.same(new Set(taken.map(([taker]) => taker)), new Set(expected.map(([own]) => own)))
          for (const [own, { json }] of taken) {
            open.carry(own, { json, group })
            model.set(own, group)
          }
        }
        if (open.firstGroup(NONE) !== (model.size === 0 ? null : Math.min(...model.values()))) return false
      }
      return open.firstGroup(new Set(model.keys())) === null
    }),
    { numRuns: 300 },
  )
})

t.test('a stream that stays open while ten thousand others come and go is the oldest', async (t) => {
  const open = new OpenIntents()
  open.add(1, { json: 'stream', group: 1 })
  for (let seq = 2; seq <= 10_000; seq++) {
    open.add(seq, { json: '', group: seq })
    open.delete(seq)
  }
  t.equal(open.firstGroup(NONE), 1)
  t.same([...open.upTo(9_999)], [[1, { json: 'stream', group: 1 }]])
  open.carry(1, { json: 'stream', group: 10_000 })
  t.equal(open.firstGroup(NONE), 10_000)
  open.delete(1)
  for (let seq = 10_001; seq <= 20_000; seq++) open.add(seq, { json: '', group: seq })
  t.equal(open.firstGroup(NONE), 10_001)
})

t.test('numbers of the last process are given again', async (t) => {
  const open = new OpenIntents()
  for (const seq of [1, 2, 3]) open.carry(seq, { json: 'last', group: 5 })
  for (const seq of [1, 2, 3]) open.delete(seq)
  t.equal(open.firstGroup(NONE), null)
  for (const seq of [1, 2]) open.add(seq, { json: 'new', group: 7 })
  t.equal(open.firstGroup(NONE), 7)
  t.equal(open.firstGroup(new Set([1])), 7)
})
