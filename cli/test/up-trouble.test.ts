import { createServer } from 'node:net'
import t from 'tap'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { acc, FREE_PORTS, gone, type Running, runCurlLine, startAcc, UP } from './support/acc.ts'

async function takenPort(scope: Scope): Promise<number> {
  const server = createServer()
  scope.teardown(() => void server.close())
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
}

t.test('a taken port is told with the option that chooses another, and nothing is left running', async (t) => {
  for (const option of ['port', 'admin-port', 'control-plane-port', 'simulator-port']) {
    const port = await takenPort(t)
    // The last of two equal options counts.
    const words = ['up', ...FREE_PORTS, `--${option}`, String(port), '--data', folderFor(t)]
    const { code, stderr, stdout } = await acc(t, words)
    t.equal(code, 1)
    t.match(stderr, new RegExp(`^acc: the [\\w ]+ cannot start: port ${port} is taken.*--${option}`))
    t.equal(stdout, '')
  }
})

t.test('a second acc up on the same data folder says so, and the first goes on', async (t) => {
  const data = folderFor(t)
  const greeting = await startAcc(t, ['up', ...FREE_PORTS, '--data', data]).printed(UP)
  const { code, stderr } = await acc(t, ['up', ...FREE_PORTS, '--data', data])
  t.equal(code, 1)
  t.equal(stderr, `acc: another "acc up" is using ${data}. Stop it, or give this one a folder of its own by --data.\n`)
  t.match(await runCurlLine(greeting), /^HTTP\/1\.1 200/)
})

t.test('Ctrl-C while it starts, and kill -9 at any time, leave no process behind', async (t) => {
  for (const [signal, moment] of [
    ['SIGINT', 'starting'],
    ['SIGKILL', 'starting'],
    ['SIGKILL', 'up'],
  ] as const) {
    const running = startAcc(t, ['up', ...FREE_PORTS, '--data', folderFor(t)])
    const children = await childrenAt(running, moment)
    running.kill(signal)
    const { code, stdout } = await running.ended
    if (signal === 'SIGINT') {
      t.equal(code, 130)
      t.match(stdout, 'Stopped before it was up.')
    }
    await gone(children)
    t.pass(`${signal} while ${moment}: nothing is left`)
  }
})

t.test('a second Ctrl-C ends at once what hangs, and what waits is broken off and written down', async (t) => {
  for (const trouble of ['hangs', 'waits']) {
    const data = folderFor(t)
    const running = startAcc(t, ['up', ...FREE_PORTS, '--stand-alone', '--data', data])
    const greeting = await running.printed(UP)
    const children = running.children()
    if (trouble === 'hangs') for (const pid of children) process.kill(pid, 'SIGSTOP')
    else await hangingRequest(greeting)
    running.kill('SIGINT')
    await running.printed(/Stopping: /)
    const began = performance.now()
    running.kill('SIGINT')
    const { code, stdout } = await running.ended
    t.ok(performance.now() - began < 15_000, trouble)
    t.equal(code, 130)
    t.match(stdout, /Stopping at once/)
    await gone(children)
    if (trouble === 'waits')
      t.match((await acc(t, ['spend', '--data', data])).stdout, /^total +1 .*\$0\.0*[1-9]/m, 'it is charged')
  }
})

/** A request whose answer does not come. */
async function hangingRequest(greeting: string): Promise<void> {
  const url = /agents send to +(\S+)/.exec(greeting)?.[1] ?? ''
  const admin = /admin +(\S+)\/readyz/.exec(greeting)?.[1] ?? ''
  fetch(`${url}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer any-key', 'x-sim-fault': 'hang' },
    body: JSON.stringify({ model: 'gpt-4.1-mini', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] }),
  }).catch(() => {})
  await until('it is on its way', async () =>
    /^acc_outbox_open_intents 1$/m.test(await (await fetch(`${admin}/metrics`)).text()) ? true : null,
  )
}

/** The children once the system is up, or the first one that is there. */
async function childrenAt(running: Running, moment: 'starting' | 'up'): Promise<readonly number[]> {
  if (moment === 'up') await running.printed(UP)
  return until('a child', () => {
    const children = running.children()
    return children.length > 0 ? children : null
  })
}
