import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import OpenAI from 'openai'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { simulatorFor } from '../../test/support/simulator.ts'
import { until } from '../../test/support/until.ts'
import { realProviders, simulatedUpstreams } from '../support/upstreams.ts'
import { acc, FREE_PORTS, gone, runCurlLine, startAcc, UP } from './support/acc.ts'

t.test(
  'acc up: its curl line answers, its SDK lines work, Ctrl-C ends all, a second start finds the data',
  async (t) => {
    const data = folderFor(t)
    const first = startAcc(t, ['up', ...FREE_PORTS, '--data', data])
    const greeting = await first.printed(UP)
    t.match(greeting, /control plane {4}http:\/\/127\.0\.0\.1:\d+, whose admin key was made now/)
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

    const [summaryLine = ''] = /^ {2}curl .*\/api\/v1\/usage\/summary .*$/m.exec(greeting) ?? []
    const summary = await until('both requests in the summary', async () => {
      const { stdout } = await promisify(execFile)('bash', ['-c', summaryLine])
      const sums: { readonly requests: number; readonly costNanoUsd: string } = JSON.parse(stdout)
      return sums.requests === 2 ? sums : null
    })
    t.match(summary.costNanoUsd, /^[1-9]\d+$/, 'with their cost, within two seconds')

    const other = await fetch(`${baseURL.replace('/openai/', '/deepseek/')}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer any-key' },
      body: JSON.stringify({ model: 'deepseek-v4-flash', messages }),
    })
    t.equal(other.status, 200)
    t.equal(other.headers.get('x-simulated'), 'agentcostcontrol', 'no provider’s path leads out of the machine')

    const message = await fetch(`${baseURL.replace('/openai/v1', '')}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'any-key', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 100, messages }),
    })
    t.match(await message.json(), { type: 'message', stop_reason: 'end_turn' })

    const content = await fetch(`${baseURL.replace('/openai/v1', '')}/v1beta/models/gemini-2.5-flash:generateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': 'any-key' },
      body: JSON.stringify({ contents: [{ parts: [{ text: 'hello' }] }] }),
    })
    t.match(await content.json(), { modelVersion: 'gemini-2.5-flash', candidates: [{ finishReason: 'STOP' }] })

    const children = first.children()
    t.equal(children.length, 3, 'simulator, control plane and sidecar')
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
    t.equal(JSON.parse(spend.stdout).total.requests, 6)
  },
)

t.test('with ANTHROPIC_API_KEY Anthropic alone is real, and the greeting says so', async (t) => {
  const env = { ANTHROPIC_API_KEY: 'sk-ant-user' }
  const greeting = await startAcc(t, ['up', ...FREE_PORTS, '--data', folderFor(t)], { env }).printed(UP)
  t.match(greeting, /simulated, .* \(but anthropic, for which you have a key\)/)
  t.match(await runCurlLine(greeting), /^x-simulated: /m)
  t.strictSame(realProviders(env), ['anthropic'])
  for (const key of ['GEMINI_API_KEY', 'GOOGLE_API_KEY']) t.strictSame(realProviders({ [key]: 'k' }), ['google'])
  t.notOk('ACC_UPSTREAM_ANTHROPIC' in simulatedUpstreams('http://sim', ['anthropic']), 'its address is its own')
  t.match(simulatedUpstreams('http://sim', []), {
    ACC_UPSTREAM_ANTHROPIC: 'http://sim/anthropic/v1',
    ACC_UPSTREAM_OPENAI: 'http://sim/v1',
    ACC_UPSTREAM_GOOGLE: 'http://sim/google',
  })
})

t.test('with OPENAI_API_KEY the real provider is chosen, and hears nothing before the first request', async (t) => {
  const provider = await simulatorFor(t)
  const env = { OPENAI_API_KEY: 'sk-of-the-user', ACC_UPSTREAM_OPENAI: `${provider.url}/v1` }
  const words = ['up', ...FREE_PORTS, '--data', folderFor(t)]
  const running = startAcc(t, words, { env })
  const greeting = await running.printed(UP)
  t.equal(running.children().length, 2, 'both planes and no simulator')
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
