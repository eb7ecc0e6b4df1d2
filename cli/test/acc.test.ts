import { execFile } from 'node:child_process'
import { delimiter } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import { acc } from './support/acc.ts'

t.test('acc tells its commands, and of each its options', async (t) => {
  for (const words of [['--help'], ['help'], ['-h']]) {
    const { code, stdout } = await acc(t, words)
    t.equal(code, 0)
    for (const name of ['up', 'demo', 'spend', 'policy lint']) t.match(stdout, new RegExp(`^  acc ${name} `, 'm'))
  }
  t.match(await acc(t, []), { code: 2, stdout: /acc COMMAND --help/ })
  for (const words of [
    ['up', '--help'],
    ['help', 'up'],
    ['up', '--data', 'x', '-h'],
  ])
    t.match(await acc(t, words), { code: 0, stdout: /--admin-port N/ })
  t.match(await acc(t, ['policy', 'lint', '--help']), { code: 0, stdout: /acc policy lint FOLDER/ })
})

t.test('a command that acc does not know is answered with the one that was meant', async (t) => {
  for (const [words, meant] of [
    ['spned', 'spend'],
    ['policy', 'policy lint'],
    ['policy lnit x', 'policy lint'],
    ['dmeo --json', 'demo'],
  ] as const) {
    const { code, stderr } = await acc(t, words.split(' '))
    t.equal(code, 2)
    t.match(stderr, `acc: there is no command "${words}". Did you mean "acc ${meant}"?`)
  }
  t.match((await acc(t, ['frobnicate'])).stderr, /^acc: there is no command "frobnicate"\.\n/)
})

t.test('an older Node is told which one is needed and where it comes from', async (t) => {
  const older = `data:text/javascript,${encodeURIComponent('Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } })')}`
  const { code, stderr } = await acc(t, ['up'], { nodeArgs: ['--import', older] })
  t.equal(code, 1)
  t.match(stderr, /^acc needs Node 24 or newer; this is 20\.20\.2\. .*npx acc/)
})

t.test('npx acc works with the machine’s own Node first on the path', async (t) => {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  const { stdout } = await promisify(execFile)('npx', ['--no-install', 'acc', 'policy', 'lint', 'policies/starter'], {
    cwd: inCheckout('.'),
    env: { PATH: path.join(delimiter), HOME: process.env.HOME ?? '' },
  })
  t.match(stdout, /valid, and \d+ tests passed\. Revision/)
})
