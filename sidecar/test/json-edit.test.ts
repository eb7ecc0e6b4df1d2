import fc from 'fast-check'
import t from 'tap'
import { JsonPathError, removeMember, replaceValue, setMember, splice } from '../providers/json-edit.ts'

const spaced = (json: string, space: string): Buffer =>
  Buffer.from(json.replace(/("(?:[^"\\]|\\.)*")|([:,{}[\]])/g, (_all, text, mark) => text ?? `${space}${mark}${space}`))

const records = fc.dictionary(
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((key) => key !== '__proto__'),
  fc.jsonValue({ maxDepth: 3 }),
  { minKeys: 1, maxKeys: 6 },
)
const space = fc.constantFrom('', ' ', '\n  ')

t.test('a replaced value is read back and every other byte stays', async (t) => {
  fc.assert(
    fc.property(records, fc.jsonValue({ maxDepth: 2 }), space, fc.nat(), (record, value, gap, pick) => {
      const keys = Object.keys(record)
      const key = keys[pick % keys.length] ?? ''
      const bytes = spaced(JSON.stringify(record), gap)
      const edit = replaceValue(bytes, [key], JSON.stringify(value))
      const out = splice(bytes, [edit])
      t.same(JSON.parse(out.toString()), JSON.parse(JSON.stringify({ ...record, [key]: value })))
      t.ok(out.subarray(0, edit.start).equals(bytes.subarray(0, edit.start)))
      t.ok(out.subarray(edit.start + edit.bytes.length).equals(bytes.subarray(edit.end)))
    }),
  )
})

t.test('a member that is set is read back, present or not, nested or not', async (t) => {
  fc.assert(
    fc.property(records, space, fc.boolean(), (record, gap, nested) => {
      const json = nested ? { outer: record } : record
      const path = nested ? ['outer'] : []
      const added = JSON.parse(
        splice(spaced(JSON.stringify(json), gap), [
          setMember(spaced(JSON.stringify(json), gap), path, 'new key', '7'),
        ]).toString(),
      )
      t.same(
        added,
        JSON.parse(JSON.stringify(nested ? { outer: { ...record, 'new key': 7 } } : { ...record, 'new key': 7 })),
      )
    }),
  )
  const empty = Buffer.from('{}')
  t.equal(splice(empty, [setMember(empty, [], 'a', '1')]).toString(), '{"a":1}')
})

t.test('a removed member leaves valid JSON without it', async (t) => {
  fc.assert(
    fc.property(records, space, fc.nat(), (record, gap, pick) => {
      const keys = Object.keys(record)
      const key = keys[pick % keys.length] ?? ''
      const bytes = spaced(JSON.stringify(record), gap)
      const edit = removeMember(bytes, key)
      if (!edit) throw new Error('not found')
      const { [key]: _gone, ...rest } = record
      t.same(JSON.parse(splice(bytes, [edit]).toString()), JSON.parse(JSON.stringify(rest)))
    }),
  )
  t.equal(removeMember(Buffer.from('{"a":1}'), 'b'), null)
})

t.test('of a key that stands twice the last one is edited, as JSON.parse reads it', async (t) => {
  const bytes = Buffer.from('{"a":1,"a":2}')
  t.equal(splice(bytes, [replaceValue(bytes, ['a'], '3')]).toString(), '{"a":1,"a":3}')
})

t.test('elements of arrays are found by index and a missing path is an error', async (t) => {
  const bytes = Buffer.from('{"m":[{"c":"x\\"}"},{"c":"y"}]}')
  t.equal(splice(bytes, [replaceValue(bytes, ['m', 1, 'c'], '"z"')]).toString(), '{"m":[{"c":"x\\"}"},{"c":"z"}]}')
  t.throws(() => replaceValue(bytes, ['m', 2], '1'), JsonPathError)
  t.throws(() => replaceValue(bytes, ['n'], '1'), JsonPathError)
  t.throws(() => replaceValue(bytes, ['m', 'c'], '1'), JsonPathError)
})
