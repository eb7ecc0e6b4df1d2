import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import OpenAI from 'openai'
import t from 'tap'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { simulatorFor } from '../../test/support/simulator.ts'
import { acc, FREE_PORTS, gone, startAcc } from './support/acc.ts'

const UP = /Ctrl-C stops everything\./
const run = promisify(execFile)

/** The curl line that stands in the greeting, run as a user would by copying it. */
async function runCurlLine(greeting: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const [line = 'false'] = /^ {2}curl [\s\S]*?'$/m.exec(greeting) ?? []
  return (await run('bash', ['-c', `${line} -i`], { env: { PATH: process.env.PATH ?? '', ...env } })).stdout
}

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

t.test(
  'acc up: its curl line answers, its SDK lines work, Ctrl-C ends all, a second start finds the data',
  async (t) => {
    const data = folderFor(t)
    const first = startAcc(t, ['up', ...FREE_PORTS, '--data', data])
    const greeting = await first.printed(UP)
    for (const what of [/agents send to {3}http:/, /admin .*\/readyz {2}\/metrics/, /provider .*simulated/, /policies/])
      t.match(greeting, what)
    const answer = await runCurlLine(greeting)
    t.match(answer, /^HTTP\/1\.1 200/)
    t.match(answer, /^x-simulated: /m)

    const [typescript = ''] = /const client = new OpenAI\(.*?\)(?= {2})/.exec(greeting) ?? []
    const client: OpenAI = new Function('OpenAI', `${typescript}\nreturn client`)(OpenAI)
    const messages = [{ role: 'user' as const, content: 'hello' }]
    t.ok((await client.chat.completions.create({ model: 'gpt-4.1-mini', messages })).choices[0]?.message.content)
    const { baseURL } = client
    t.match(greeting, `export OPENAI_BASE_URL=${baseURL} OPENAI_API_KEY=any-key`)
    t.match(greeting, `client = OpenAI(base_url="${baseURL}", api_key="any-key")`)

    const children = first.children()
    t.equal(children.length, 2, 'simulator and sidecar')
    first.kill('SIGINT')
    const { code, stdout, stderr } = await first.ended
    t.equal(code, 0)
    t.match(stdout, /Stopped\.\n$/)
    t.equal(stderr, '')
    await gone(children)

    const second = startAcc(t, ['up', ...FREE_PORTS, '--data', data])
    await runCurlLine(await second.printed(UP))
    second.kill('SIGINT')
    t.equal((await second.ended).code, 0)
    const spend = await acc(t, ['spend', '--json', '--data', data])
    t.equal(JSON.parse(spend.stdout).total.requests, 3)
  },
)

t.test('a taken port is told with the option that chooses another, and nothing is left running', async (t) => {
  for (const option of ['port', 'admin-port', 'simulator-port']) {
    const port = await takenPort(t)
    // The last of two equal options counts.
    const words = ['up', ...FREE_PORTS, `--${option}`, String(port), '--data', folderFor(t)]
    const { code, stderr, stdout } = await acc(t, words)
    t.equal(code, 1)
    t.match(stderr, new RegExp(`^acc: the \\w+ cannot start: port ${port} is taken.*--${option}`))
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

t.test('with OPENAI_API_KEY the real provider is chosen, and hears nothing before the first request', async (t) => {
  const provider = await simulatorFor(t)
  const env = { OPENAI_API_KEY: 'sk-of-the-user', ACC_UPSTREAM_OPENAI: `${provider.url}/v1` }
  const words = ['up', ...FREE_PORTS, '--data', folderFor(t)]
  const running = startAcc(t, words, { env })
  const greeting = await running.printed(UP)
  t.equal(running.children().length, 1, 'a sidecar and no simulator')
  t.match(greeting, `provider         ${provider.url}/v1, with the key that each request carries`)
  t.equal(provider.requests().length, 0)
  t.match(await runCurlLine(greeting, env), /^HTTP\/1\.1 200/)
  const [request] = provider.requests()
  t.ok(request?.rawHeaders.includes('Bearer sk-of-the-user'), 'the user’s own key reaches it')

  const alone = startAcc(t, ['up', ...FREE_PORTS, '--data', folderFor(t)], {
    env: { OPENAI_API_KEY: 'sk-of-the-user' },
  })
  t.match(await alone.printed(UP), 'provider         OpenAI, with the key that each request carries')
  const simulated = startAcc(t, [...words.slice(0, -1), folderFor(t), '--simulate'], { env })
  t.match(await simulated.printed(UP), /provider {9}simulated/)
})

t.test('a policy that is refused at the start is told with its place, and what holds until it is mended', async (t) => {
  const policies = folderFor(t)
  writeFileSync(join(policies, 'team.yaml'), 'apiVersion: agentcostcontrol.io/v1\nkind: Budgte\n')
  const running = startAcc(t, ['up', ...FREE_PORTS, '--data', folderFor(t), '--policies', policies])
  const greeting = await running.printed(UP)
  t.match(greeting, /REFUSED: team\.yaml:2 .*\n.*every request is refused with status 503/)
  t.match(await runCurlLine(greeting), /^HTTP\/1\.1 503[\s\S]*acc_policy_missing/)
  const missing = await acc(t, ['up', ...FREE_PORTS, '--policies', join(policies, 'nowhere')])
  t.equal(missing.code, 2)
  t.match(missing.stderr, /--policies .*nowhere: there is no such folder/)
})

t.test('Ctrl-C while it starts, and kill -9 at any time, leave no process behind', async (t) => {
  for (const [signal, moment] of [
    ['SIGINT', 'starting'],
    ['SIGKILL', 'starting'],
    ['SIGKILL', 'up'],
  ] as const) {
    const data = folderFor(t)
    mkdirSync(data, { recursive: true })
    const running = startAcc(t, ['up', ...FREE_PORTS, '--data', data])
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

/** The children once the system is up, or the first one that is there. */
async function childrenAt(running: ReturnType<typeof startAcc>, moment: 'starting' | 'up'): Promise<readonly number[]> {
  if (moment === 'up') {
    await running.printed(UP)
    return running.children()
  }
  for (;;) {
    const children = running.children()
    if (children.length > 0) return children
    await new Promise((resolve) => setImmediate(resolve))
  }
}
