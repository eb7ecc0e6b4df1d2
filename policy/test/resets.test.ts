import t from 'tap'
import { checkPolicy } from '../compile.ts'
import { budgetText, withResets } from '../resets.ts'

const head = (name: string) => `apiVersion: agentcostcontrol.io/v1\nkind: Budget\nmetadata: { name: ${name} }\n`
const spec = '# kept\nspec:\n    # also kept\n    scope: global\n    limit: "1.00"\n    period: total\n'
const file = (text: string) => ({ path: 'a.yaml', text })
const more = new Map([['one', { more: 2, least: 0 }]])
const resets = (text: string): readonly unknown[] => {
  const check = checkPolicy(withResets([file(text)], more))
  if (!check.ok) throw new Error(JSON.stringify(check.problems))
  return check.budgets.map(({ document: { spec } }) => (spec instanceof Object && 'resets' in spec ? spec.resets : 0))
}

t.test('resets are added to what a budget says, in whatever way it is written, and nothing else changes', async (t) => {
  t.same(resets(head('one') + spec), [2])
  t.same(resets(`${head('one')}spec: { scope: global, limit: "1.00", period: total }\n`), [2])
  t.same(resets(`${head('one')}spec: { scope: global, resets: 3, limit: "1.00", period: total }\n`), [5])
  t.same(resets(`${head('one')}${spec}    resets: 3 # why\n`), [5])
  t.same(
    resets(
      JSON.stringify({
        apiVersion: 'agentcostcontrol.io/v1',
        kind: 'Budget',
        metadata: { name: 'one' },
        spec: { scope: 'global', limit: '1', period: 'total' },
      }),
    ),
    [2],
  )
  t.same(resets([head('two') + spec, head('one') + spec, head('three') + spec].join('---\n')), [0, 2, 0])
  t.same(withResets([file(head('one') + spec)], more), [
    file(head('one') + spec.replace('    scope', '    resets: 2\n    scope')),
  ])
})

t.test('a file without a budget that was reset is the same, and so is one that cannot be read', async (t) => {
  const others = [
    file(head('two') + spec),
    file(`${head('one')}spec: {`),
    file('one'),
    file(`# one\n${head('two')}${spec}`),
  ]
  t.same(withResets(others, more), others)
})

t.test('a document is written so that it reads as the same', async (t) => {
  const document = {
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'Budget',
    metadata: { name: 'one', description: 'a: "b"\n# no comment, 007' },
    spec: { scope: 'global', limit: '007.10', period: 'total' },
  }
  t.match(checkPolicy([file(budgetText(document))]), { ok: true, budgets: [{ name: 'one', line: 1, document }] })
})

t.test('resets never go back, whatever a document says', (t) => {
  const least = new Map([['one', { more: 2, least: 9 }]])
  const line = '    resets: 9\n    scope'
  t.same(withResets([file(head('one') + spec)], least), [file(head('one') + spec.replace('    scope', line))])
  const stated = (resets: number) => file(`${head('one')}${spec}    resets: ${resets}\n`)
  t.same(withResets([stated(3), stated(8)], least), [stated(9), stated(10)])
  const same = [stated(9)]
  t.equal(withResets(same, new Map([['one', { more: 0, least: 9 }]]))[0], same[0], 'what says it already is the same')
  t.end()
})
