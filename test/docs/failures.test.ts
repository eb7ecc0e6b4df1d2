import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { page, rows } from '../support/documents.ts'
import { inCheckout } from '../support/paths.ts'

/** The table under a heading: its rows without the header. */
function tableUnder(path: string, heading: string): readonly (readonly string[])[] {
  const [, after = ''] = page(path).text.split(`\n## ${heading}\n`)
  const [section = ''] = after.split('\n## ')
  return rows(section)
}

const FAILURE = 'The failure behind each rule'

/** The tests that a cell names, which are in the checkout. */
const testsIn = (cell: string): number =>
  [...cell.matchAll(/`([\w./-]+\.ts)`: ([^;]+)/g)].filter(([, file = '', name = '']) => {
    const path = inCheckout(file)
    return existsSync(path) && readFileSync(path, 'utf8').includes(name.trim())
  }).length

t.test('each row of the protocol’s table of failures has a promise and a test in guarantees.md', async (t) => {
  const scenarios = tableUnder('docs/budget-protocol.md', FAILURE).map(([scenario]) => scenario)
  const told = tableUnder('docs/guarantees.md', FAILURE)
  t.ok(scenarios.length >= 25, 'the check sees the table')
  t.same(
    told.map(([scenario]) => scenario),
    scenarios,
    'in the same words and order',
  )
  for (const [scenario = '', promise = '', tests = ''] of told) {
    t.ok(promise.length > 10, `${scenario}: what is promised`)
    t.ok(testsIn(tests) >= 1, `${scenario}: the test that shows it`)
    t.equal(testsIn(tests), tests.split(';').length, `${scenario}: every test that is named is there`)
  }
})

t.test('for each part that may be away guarantees.md has a promise and a test', async (t) => {
  const told = tableUnder('docs/guarantees.md', 'When something is away')
  t.same(
    told.map(([what]) => what),
    [
      'the control plane is away',
      'PostgreSQL is away',
      'Redis is away',
      'a sidecar is killed',
      'a pod is deleted with its disk',
      'a clock is wrong',
      'a disk is full',
      'the network between the planes is cut',
    ],
  )
  for (const [what = '', promise = '', tests = ''] of told) {
    t.ok(promise.length > 20, `${what}: what is promised`)
    t.ok(testsIn(tests) >= 1, `${what}: the test that shows it`)
    t.equal(testsIn(tests), tests.split(';').length, `${what}: every test that is named is there`)
  }
})
