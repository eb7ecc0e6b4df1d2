import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor } from '../../test/support/scope.ts'
import { AMPLE_BUDGET, sidecarFor, writePolicies } from '../../test/support/sidecar.ts'
import { acc } from './support/acc.ts'

const BAD = AMPLE_BUDGET.replace('limit: "1000000.00"', 'limt: 25')

t.test('acc policy lint: a valid folder is told with its revision, and the exit code is 0', async (t) => {
  const starter = await acc(t, ['policy', 'lint', inCheckout('policies/starter')])
  t.equal(starter.code, 0)
  t.match(starter.stdout, /^7 files, 2 budgets: valid, and \d+ tests passed\. Revision [0-9a-f]{64}\n$/)
  const json = await acc(t, ['policy', 'lint', inCheckout('policies/demo'), '--json'])
  t.match(JSON.parse(json.stdout), { ok: true, revision: /^[0-9a-f]{64}$/ })
})

t.test('acc policy lint: each mistake with file, line, path and remedy, and the exit code is 1', async (t) => {
  const folder = folderFor(t)
  writePolicies(folder, { 'good.yaml': AMPLE_BUDGET, 'team/bad.yaml': BAD.replace('ample', 'other') })
  const { code, stdout } = await acc(t, ['policy', 'lint', folder])
  t.equal(code, 1)
  t.match(stdout, `${folder}/team/bad.yaml:6 spec.limt: unknown key \`limt\`: did you mean \`limit\`?`)
  t.match(stdout, /\n2 mistakes\. A sidecar would keep the last good policy\.\n$/)
  const json = await acc(t, ['policy', 'lint', folder, '--json'])
  t.equal(json.code, 1)
  t.match(JSON.parse(json.stdout), {
    ok: false,
    problems: [{ line: 4 }, { file: 'team/bad.yaml', line: 6, path: 'spec.limt' }],
  })
})

t.test('acc policy lint: a test that fails is a mistake, told with what was expected and found', async (t) => {
  const folder = folderFor(t)
  const tests = `apiVersion: agentcostcontrol.io/v1
kind: PolicyTest
metadata: { name: house }
spec:
  cases: [{ name: nobody counts, expect: { budgets: [] } }]
`
  writePolicies(folder, { 'budget.yaml': AMPLE_BUDGET, 'tests.yaml': tests })
  const { code, stdout } = await acc(t, ['policy', 'lint', folder])
  t.equal(code, 1)
  t.match(
    stdout,
    `${folder}/tests.yaml:5 spec.cases[0].expect.budgets: test "house", case "nobody counts": expected no`,
  )
  t.match(stdout, 'expected no budget, found ample\n')
})

t.test('acc policy lint: no folder, a folder that is not there, and a file are misuse: exit code 2', async (t) => {
  for (const words of [[], ['/nowhere'], [inCheckout('package.json')], ['a', 'b']]) {
    const { code, stderr, stdout } = await acc(t, ['policy', 'lint', ...words])
    t.equal(code, 2, words.join(' '))
    t.match(stderr, /^acc: /)
    t.equal(stdout, '')
  }
})

t.test(
  'acc policy lint reads the files that a sidecar reads: no hidden ones, links of a ConfigMap followed',
  async (t) => {
    const folder = folderFor(t)
    // As Kubernetes mounts a ConfigMap: the files are links through ..data.
    mkdirSync(join(folder, '..2026_11_24'))
    writeFileSync(join(folder, '..2026_11_24', 'budget.yaml'), AMPLE_BUDGET)
    symlinkSync('..2026_11_24', join(folder, '..data'))
    symlinkSync('..data/budget.yaml', join(folder, 'budget.yaml'))
    writePolicies(folder, {
      '.github/workflows/ci.yaml': 'on: push\n',
      '.hidden.yaml': BAD,
      'notes.txt': 'no policy\n',
    })
    const { code, stdout } = await acc(t, ['policy', 'lint', folder, '--json'])
    t.equal(code, 0)
    const sidecar = await sidecarFor(t, { upstream: 'http://127.0.0.1:9/v1', policyDir: folder })
    const entry = sidecar.log.find(({ message }) => message === 'policy in force')
    t.equal(JSON.parse(stdout).revision, entry?.revision, 'the same revision')
  },
)
