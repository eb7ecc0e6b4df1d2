import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { readiness } from '../support/admin.ts'
import { readUntil, send } from '../support/ask.ts'
import { faultsOf, readBooks } from '../support/books.ts'
import { chat } from '../support/chat.ts'
import { inCheckout } from '../support/paths.ts'
import { folderFor } from '../support/scope.ts'
import { AMPLE_BUDGET, readEvents, securityYaml, sidecarFor, writePolicies } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

t.test('while it drains the sidecar is healthy and not ready', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  t.match(await readiness(sidecar.adminUrl), { status: 200, ready: true, checks: { serving: { ok: true } } })
  const response = await send(sidecar.url, { stream: true, sim: { 'output-tokens': 30, 'chunk-delay-ms': 20 } })
  await readUntil(response.clone(), '"content":" ')
  const exit = sidecar.stop()
  await until('it is not ready', async () => {
    const { status, checks } = await readiness(sidecar.adminUrl)
    return status === 503 && checks.serving?.detail === 'shutting down' ? true : null
  })
  t.equal((await fetch(`${sidecar.adminUrl}/healthz`)).status, 200)
  t.match(await response.text(), '[DONE]')
  t.equal(await exit, 0)
})

t.test('a second SIGTERM breaks off what still runs, settles it, and ends with 0', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env: { ACC_DRAIN_TIMEOUT_MS: '3600000' } })
  const stalled = send(sidecar.url, { stream: true, sim: { fault: 'stall-mid-stream' } }).then((response) =>
    response.text(),
  )
  const hung = send(sidecar.url, { sim: { fault: 'hang' } })
  for (const answer of [stalled, hung]) answer.catch(() => {})
  await until('the provider has both', () => (simulator.requests().length === 2 ? true : null))
  const exit = sidecar.stop()
  await until('it stops', () => (sidecar.log.some(({ message }) => message === 'sidecar stops') ? true : null))
  process.kill(sidecar.pid, 'SIGTERM')
  t.equal(await exit, 0)
  await t.rejects(stalled)
  await t.rejects(hung)
  const books = readBooks(sidecar.dataDir)
  t.same(faultsOf(books), [])
  t.same(
    books.events.map(({ outcome }) => outcome),
    ['aborted', 'aborted'],
  )
  t.ok(sidecar.log.some(({ message }) => message === 'a second signal: running requests are broken off'))
})

t.test('a parent that is killed takes its sidecar along in order: requests end, events are on disk', async (t) => {
  const simulator = await simulatorFor(t)
  const [dataDir, policyDir] = [folderFor(t), folderFor(t)]
  writePolicies(policyDir, { 'budget.yaml': AMPLE_BUDGET })
  // A parent that starts a sidecar as acc does, reads its log, and says where it listens.
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { spawn } from 'node:child_process'
       import { createInterface } from 'node:readline'
       const child = spawn(process.execPath, [${JSON.stringify(inCheckout('sidecar/main.ts'))}], {
         env: ${JSON.stringify({
           PATH: process.env.PATH,
           ACC_LISTEN: '127.0.0.1:0',
           ACC_ADMIN_LISTEN: '127.0.0.1:0',
           ACC_DATA_DIR: dataDir,
           ACC_POLICY_DIR: policyDir,
           ACC_UPSTREAM_OPENAI: `${simulator.url}/v1`,
           ACC_PARENT_WATCH: '1',
         })},
         stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
         detached: true,
       })
       createInterface(child.stdout).on('line', (line) => {
         const { message, data } = JSON.parse(line)
         if (message === 'sidecar listens') process.stdout.write(JSON.stringify({ data, pid: child.pid }))
       })`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => void parent.kill('SIGKILL'))
  const [told]: Buffer[] = await once(parent.stdout, 'data')
  const { data, pid } = JSON.parse(String(told)) as { data: string; pid: number }
  t.teardown(() => endForGood(pid))
  const response = await send(`http://${data}`, { stream: true, sim: { 'output-tokens': 30, 'chunk-delay-ms': 20 } })
  await readUntil(response.clone(), '"content":" ')
  parent.kill('SIGKILL')
  t.match(await response.text(), '[DONE]', 'the stream ends')
  await until('the sidecar has ended', () => (isAlive(pid) ? null : true))
  t.match(readEvents(dataDir), [{ outcome: 'completed' }])
  const again = await sidecarFor(t, { upstream: `${simulator.url}/v1`, dataDir, policyDir })
  t.equal(await again.metric('acc_unresolved_intents_at_start'), 0)
  t.notOk(
    again.log.some(({ level }) => level === 'warn'),
    'it was closed in order',
  )
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function endForGood(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL')
}

t.test('an error that nobody expected ends the process with 1, says where, and loses nothing', async (t) => {
  const folder = folderFor(t)
  writePolicies(folder, {
    'fault.mjs': `process.on('SIGUSR2', () => { throw new TypeError('with the text of a prompt in it') })`,
  })
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    nodeArgs: ['--import', pathToFileURL(join(folder, 'fault.mjs')).href],
  })
  t.equal((await chat(sidecar.url)).status, 200)
  const running = send(sidecar.url, { stream: true, sim: { fault: 'stall-mid-stream' } }).then((response) =>
    response.text(),
  )
  running.catch(() => {})
  await until('the provider has it', () => (simulator.requests().length === 2 ? true : null))
  process.kill(sidecar.pid, 'SIGUSR2')
  await t.rejects(running)
  await until('it is gone', () => (isAlive(sidecar.pid) ? null : true))
  const line = await until('it is logged', () => sidecar.log.find(({ level }) => level === 'error') ?? null)
  t.match(line, { error: 'TypeError', at: [/fault\.mjs:1/] })
  t.notMatch(JSON.stringify(sidecar.log), /prompt in it/)
  const { dataDir, policyDir } = sidecar
  await sidecarFor(t, { upstream: `${simulator.url}/v1`, dataDir, policyDir })
  t.same(
    readEvents(dataDir).map(({ outcome }) => outcome),
    ['completed', 'unresolved'],
  )
})

t.test('a scan that never ends, and that nobody can end, keeps no sidecar from its own end', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      'security.yaml': securityYaml({ request: 'block', extra: '  timeoutMs: 5000\n' }),
    },
    nodeArgs: ['--import', inCheckout('test/preload/failing-scan.ts')],
  })
  // Long enough for a worker.
  const messages = [{ role: 'user', content: `scan:spin ${'The quick brown fox. '.repeat(500)}` }]
  t.match(await chat(sidecar.url, { body: { messages } }), { status: 503, code: 'acc_inspection_unavailable' })
  t.equal(await sidecar.stop(), 0)
  const books = readBooks(sidecar.dataDir)
  t.same(faultsOf(books), [])
  t.match(books.events, [{ outcome: 'denied', findings: [{ detectorId: 'inspection', ruleId: 'timed-out' }] }])
  t.match(sidecar.log.at(-1), { message: 'sidecar stopped' })
})
