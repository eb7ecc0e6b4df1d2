import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import type { Scope } from '../../test/support/scope.ts'
import { simulatorFor } from '../../test/support/simulator.ts'
import { CONTROLS, FAULTS } from '../controls.ts'
import { ask } from './support/ask.ts'

/** The simulator as a process of its own. */
async function processFor(scope: Scope, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [inCheckout('simulator/main.ts')], {
    env: { SIM_LISTEN: '127.0.0.1:0', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const exited = once(child, 'exit')
  scope.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const [line] = child.stdout ? await once(createInterface(child.stdout), 'line') : []
  const { listening }: { readonly listening: string } = JSON.parse(String(line))
  return { url: listening, child, exited }
}

t.test('every answer says that it is simulated, errors and what is unknown included', async (t) => {
  const simulator = await simulatorFor(t)
  const answers = [
    await ask(simulator),
    await ask(simulator, { stream: true }),
    await ask(simulator, { model: 'no-such-model' }),
    await ask(simulator, {}, { fault: 'status-503' }),
    await ask(simulator, {}, { fault: 'html' }),
    await ask(simulator, {}, { fualt: 'hang' }),
    await fetch(`${simulator.url}/v1/models`),
    await fetch(`${simulator.url}/models/gpt-4.1`),
    await fetch(`${simulator.url}/v1/moderations`, { method: 'POST', body: '{}' }),
    await fetch(`${simulator.url}/v1/nothing`),
    await fetch(`${simulator.url}/_sim/bill`),
  ]
  for (const answer of answers) {
    t.equal(answer.headers.get('x-simulated'), 'agentcostcontrol', `${answer.status} ${answer.url}`)
    await answer.text()
  }
  t.same(
    answers.slice(6, 10).map(({ status }) => status),
    [200, 200, 200, 404],
  )
})

t.test('requests are recorded as they came', async (t) => {
  const simulator = await simulatorFor(t)
  await (await ask(simulator)).text()
  const [request] = simulator.requests()
  t.match(request, { method: 'POST', target: '/v1/chat/completions' })
  t.match(JSON.parse(String(request?.body)), { model: 'gpt-4.1-mini' })
  const told = JSON.parse(await (await fetch(`${simulator.url}/_sim/requests`)).text())
  t.equal(told.requests[0].body, request?.body.toString('base64'))
})

t.test('as a process: seed, pace and prices from its environment, SIGTERM and a lost parent end it', async (t) => {
  const first = await processFor(t, { SIM_SEED: '5', SIM_PARENT_WATCH: '1' })
  const [here, there] = [await simulatorFor(t, { seed: 5 }), { ...(await simulatorFor(t)), url: first.url }]
  const said = async (simulator: typeof here) => JSON.parse(await (await ask(simulator)).text()).choices
  t.same(await said(here), await said(there))
  first.child.disconnect()
  t.same(await first.exited, [0, null])
  const second = await processFor(t, { SIM_CHUNK_DELAY_MS: '15' })
  const begun = performance.now()
  await (await ask({ ...here, url: second.url }, { stream: true }, { 'output-tokens': '4' })).text()
  t.ok(performance.now() - begun >= 60)
  second.child.kill('SIGTERM')
  t.same(await second.exited, [0, null])
})

t.test('a parent that dies while the simulator starts leaves none behind', async (t) => {
  const child = spawn(process.execPath, [inCheckout('simulator/main.ts')], {
    env: { SIM_LISTEN: '127.0.0.1:0', SIM_PARENT_WATCH: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.disconnect()
  t.same(await once(child, 'exit'), [0, null])
})

t.test(
  'fast mode: one fixed answer, and streams of as many chunks as are asked for, with usage if asked for',
  async (t) => {
    const fast = await processFor(t, { SIM_FAST: '1' })
    const send = (body: object, headers = {}) =>
      fetch(`${fast.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) })
    const [one, two] = [await send({ a: 1 }), await send({ a: 2 })]
    t.equal(one.headers.get('x-simulated'), 'agentcostcontrol')
    t.equal(await one.text(), await two.text())
    const headers = { 'x-sim-chunks': '12', 'x-sim-chunk-delay-ms': '1' }
    const bare = await (await send({ stream: true }, headers)).text()
    t.equal(bare.match(/^data: /gm)?.length, 12 + 2)
    t.notMatch(bare, 'usage')
    const told = await (await send({ stream: true, stream_options: { include_usage: true } }, headers)).text()
    t.match(told, /"choices":\[\],"usage":\{.*\n\ndata: \[DONE\]\n\n$/)
  },
)

t.test('fast mode speaks the format of the path, each stream ending as that format ends', async (t) => {
  const fast = await processFor(t, { SIM_FAST: '1' })
  const send = async (path: string, headers = {}) =>
    (await fetch(`${fast.url}${path}`, { method: 'POST', headers, body: '{}' })).text()
  const headers = { 'x-sim-chunks': '12' }
  const gemini = '/v1beta/models/gemini-2.5-flash'
  t.match(JSON.parse(await send('/v1/messages')), { type: 'message', usage: { output_tokens: 120 } })
  t.match(JSON.parse(await send(`${gemini}:generateContent`)), { usageMetadata: { totalTokenCount: 320 } })
  const message = await send('/v1/messages', headers)
  t.equal(message.match(/^data: /gm)?.length, 12 + 4)
  t.match(message, /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/)
  const content = await send(`${gemini}:streamGenerateContent?alt=sse`, headers)
  t.equal(content.match(/^data: /gm)?.length, 12 + 1)
  t.match(content, /"finishReason":"STOP".*\r\n\r\n$/)
})

t.test('README.md names every control, fault and variable, and no other', async (t) => {
  const readme = readFileSync(inCheckout('simulator/README.md'), 'utf8')
  const table = readme.split('\n').filter((line) => line.startsWith('| `'))
  const first = table.map((line) => line.split('|')[1] ?? '')
  const controls = first.join(' ').match(/x-sim-[a-z-]+/g) ?? []
  t.same([...new Set(controls)].sort(), [...CONTROLS, 'chunks'].map((name) => `x-sim-${name}`).sort())
  const faults = first
    .filter((cell) => cell.includes('x-sim-fault') || !cell.includes('x-sim-'))
    .flatMap((cell) => [...cell.matchAll(/`(?:x-sim-fault: )?([a-z0-9-]+)(?:-NNN)?`/g)].map(([, name]) => name))
  t.same(faults.sort(), ['status', ...FAULTS].sort())
  const main = readFileSync(inCheckout('simulator/main.ts'), 'utf8')
  t.same(
    [...new Set(readme.match(/\bSIM_[A-Z_]+/g))].sort(),
    [...new Set(main.match(/\bSIM_[A-Z_]+/g))].sort(),
    'variables',
  )
})
