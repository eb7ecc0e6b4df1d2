import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { AMPLE_BUDGET, sidecarFor } from '../../test/support/sidecar.ts'

/** A port that something else listens on. */
async function takenPort(scope: Scope): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.teardown(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

function start(scope: Scope, dataDir: string, env: Readonly<Record<string, string>>): ChildProcess {
  const policyDir = join(dataDir, 'policies')
  mkdirSync(policyDir, { recursive: true })
  writeFileSync(join(policyDir, 'budget.yaml'), AMPLE_BUDGET)
  const child = spawn(process.execPath, [inCheckout('sidecar/main.ts')], {
    env: {
      PATH: process.env.PATH ?? '',
      ACC_LISTEN: '127.0.0.1:0',
      ACC_ADMIN_LISTEN: '127.0.0.1:0',
      ACC_DATA_DIR: dataDir,
      ACC_POLICY_DIR: policyDir,
      ACC_PARENT_WATCH: '1',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  scope.teardown(() => void child.kill('SIGKILL'))
  return child
}

for (const variable of ['ACC_LISTEN', 'ACC_ADMIN_LISTEN']) {
  t.test(`a taken ${variable} ends the start at once, with the address in the message`, async (t) => {
    const port = await takenPort(t)
    const child = start(t, folderFor(t), { [variable]: `127.0.0.1:${port}` })
    const [[code], complaint] = await Promise.all([once(child, 'exit'), child.stderr ? text(child.stderr) : ''])
    t.equal(code, 1)
    t.match(complaint, new RegExp(`cannot start: .*EADDRINUSE.*127\\.0\\.0\\.1:${port}`))
  })
}

t.test('a parent that dies while the sidecar starts leaves no sidecar behind', async (t) => {
  const child = start(t, folderFor(t), {})
  child.disconnect()
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

t.test('a second sidecar on a data folder ends before it touches anything in it', async (t) => {
  const first = await sidecarFor(t, { upstream: 'http://127.0.0.1:9/v1' })
  const lastGood = readFileSync(join(first.dataDir, 'policy-last-good.json'), 'utf8')
  const other = folderFor(t)
  writeFileSync(join(other, 'other.yaml'), AMPLE_BUDGET.replace('ample', 'other'))
  const second = start(t, first.dataDir, { ACC_POLICY_DIR: other })
  const [[code], complaint] = await Promise.all([once(second, 'exit'), second.stderr ? text(second.stderr) : ''])
  t.equal(code, 1)
  t.match(complaint, /another sidecar is using the data folder .*: give each its own ACC_DATA_DIR/)
  t.equal(readFileSync(join(first.dataDir, 'policy-last-good.json'), 'utf8'), lastGood)
  t.notOk(readdirSync(first.dataDir).some((name) => name.endsWith('.new')))
})
