import { applyPatch, parsePatch } from 'diff'
import fc from 'fast-check'
import t from 'tap'
import { differenceOf } from '../policies/difference.ts'

const anyText = fc
  .array(fc.constantFrom('a\n', 'b\n', 'kind: Budget\n', '  limit: "1"\n', '\n', 'no end'), { maxLength: 30 })
  .map((lines) => lines.join(''))
const anyFiles = fc
  .dictionary(fc.constantFrom('a.yaml', 'b.yaml', 'team/c.yml', 'd e.yaml'), anyText)
  .map((files) => Object.entries(files).map(([path, text]) => ({ path, text })))

t.test('applied to the files before, a difference gives the files after', async (t) => {
  fc.assert(
    fc.property(anyFiles, anyFiles, (before, after) => {
      const { added, removed, changed, unified, truncated } = differenceOf(before, after)
      const now = new Map(before.map(({ path, text }) => [path, text]))
      for (const path of removed) now.delete(path)
      for (const path of added) now.set(path, '')
      for (const patch of parsePatch(unified)) {
        const path = patch.newFileName?.replace(/^b\//, '') ?? '/dev/null'
        if (path === '/dev/null') continue
        const text = applyPatch(now.get(path) ?? '', patch)
        if (text === false || !(added.includes(path) || changed.includes(path)))
          throw new Error(`${path} does not apply`)
        now.set(path, text)
      }
      const expected = new Map(after.map(({ path, text }) => [path, text]))
      const same = JSON.stringify([...now].sort()) === JSON.stringify([...expected].sort())
      return same && !truncated
    }),
    { numRuns: 300 },
  )
  t.same(differenceOf([{ path: 'a', text: 'x' }], [{ path: 'a', text: 'x' }]), {
    added: [],
    removed: [],
    changed: [],
    unified: '',
    truncated: false,
  })
})

t.test('what would be too long or take too long is left out of the text, and named all the same', async (t) => {
  const lines = (word: string) => Array.from({ length: 8_000 }, (_, at) => `${word}${at}\n`).join('')
  const hostile = Array.from({ length: 20 }, (_, at) => `${at}.yaml`)
  const cpu = process.cpuUsage()
  const found = differenceOf(
    hostile.map((path) => ({ path, text: lines('a') })),
    hostile.map((path) => ({ path, text: lines('b') })),
  )
  const { user } = process.cpuUsage(cpu)
  t.ok(user < 1_500_000, `requests do not wait for it: ${user} µs`)
  t.equal(found.changed.length, 20)
  t.ok(found.truncated)
  t.ok(found.unified.length <= 256 * 1024)
  const large = differenceOf([], [{ path: 'large.yaml', text: lines('a').repeat(5) }])
  t.match(large, { added: ['large.yaml'], unified: '', truncated: true })
  const long = lines('a')
  t.match(differenceOf([], [{ path: 'long.yaml', text: long }]), { truncated: false }, 'a new file is told whole')
})
