import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { FingerprintTable } from '../inspect/session/fingerprint-table.ts'

/** Many of them share their low bits, by which they are found. */
const key = fc
  .record({ high: fc.nat(40), low: fc.constantFrom(0, 1, 2, 15, 16, 31) })
  .map(({ high, low }) => high * 2 ** 32 + low)
const steps = fc.array(fc.record({ key, bits: fc.nat(511), drains: fc.nat(60) }), { maxLength: 200 })

t.test('a table of fingerprints holds what a map would, and the oldest goes first', async (t) => {
  fc.assert(
    fc.property(steps, fc.constantFrom(1, 3, 8, 40), (all, max) => {
      const table = new FingerprintTable(max)
      const model = new Map<number, number>()
      for (const { key, bits, drains } of all) {
        const [oldest] = model.keys()
        const goes = !model.has(key) && model.size >= max && oldest !== undefined
        if (goes) model.delete(oldest)
        model.set(key, (model.get(key) ?? 0) | bits)
        equal(table.add(key, bits), goes ? oldest : null)
        equal(table.size, model.size)
        for (const { key: other } of all) {
          equal(table.has(other), model.has(other))
          equal(table.bitsOf(other), model.get(other) ?? 0)
        }
        if (drains > 0) continue
        const drained: number[] = []
        table.drain((one) => drained.push(one))
        deepEqual(new Set(drained), new Set(model.keys()))
        model.clear()
      }
    }),
    { numRuns: 500 },
  )
  t.pass()
})
