import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readiness } from '../support/admin.ts'
import { chat } from '../support/chat.ts'
import type { Scope } from '../support/scope.ts'
import { AMPLE_BUDGET, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const SECURITY = `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: test }
spec:
  detectors: { tool-poisoning: { request: { critical: block, high: block, medium: block } } }
  timeoutMs: 60000`

const tool = (name: string, description: string, properties: object = {}) => ({
  type: 'function',
  function: { name, description, parameters: { type: 'object', properties } },
})

async function started(t: Scope) {
  const { url } = await simulatorFor(t)
  const policies = { 'budget.yaml': AMPLE_BUDGET, 'security.yaml': SECURITY }
  return sidecarFor(t, { upstream: `${url}/v1`, policies })
}

/** What becomes of a request with these tools: its rule, or its status. */
async function ask(sidecar: TestSidecar, tools: readonly unknown[], agent = 'a'): Promise<string> {
  const { status, message } = await chat(sidecar.url, { headers: { 'x-acc-agent': agent }, body: { tools } })
  return /tool-poisoning\/[\w-]+/.exec(message)?.[0] ?? String(status)
}

const CHANGED = 'tool-poisoning/definition-changed'

t.test('ten thousand tools in a request, and a definition of five megabytes, are held to what they were', async (t) => {
  const sidecar = await started(t)
  const many = (text: string) => Array.from({ length: 10_000 }, (_, at) => tool(`tool_${at}`, `${text} ${at}`))
  t.equal(await ask(sidecar, many('Reads')), '200')
  t.equal(await ask(sidecar, many('Reads')), '200')
  t.equal(await ask(sidecar, many('Writes')), CHANGED)
  t.equal(await sidecar.metric('acc_tool_pins'), 512)
  t.ok((await sidecar.metric('acc_tool_pin_unpinned_total')) >= 10_000 - 512)
  const long = 'x y z '.repeat(5_000_000 / 6)
  t.equal(await ask(sidecar, [tool('long', long)], 'b'), '200')
  t.equal(await ask(sidecar, [tool('long', long)], 'b'), '200')
  t.equal(await ask(sidecar, [tool('long', `${long}!`)], 'b'), CHANGED)
  const [event] = (await sidecar.events(6)).filter(({ findings }) => findings.length > 0)
  t.match(
    event?.findings,
    [{ count: 512, action: 'block', detail: { tool: null } }],
    'summed, where there are too many',
  )
  t.equal((await readiness(sidecar.adminUrl)).status, 200)
  await until('they are on disk', () => (statSync(join(sidecar.dataDir, 'tool-pins.json')).size > 50_000 ? true : null))
})

t.test('an agent that changes a tool with each request is refused each time, and fills nothing', async (t) => {
  const sidecar = await started(t)
  t.equal(await ask(sidecar, [tool('clock', 'Tells the time.')]), '200')
  for (let at = 0; at < 250; at++) t.equal(await ask(sidecar, [tool('clock', `It is ${at} o’clock.`)]), CHANGED)
  t.equal(await ask(sidecar, [tool('clock', 'Tells the time.')]), '200')
  t.equal(await sidecar.metric('acc_tool_pins'), 1)
  const told = sidecar.log.filter(({ message }) => message === 'the definition of a tool is not as it was pinned')
  t.equal(told.length, 200)
})

t.test('of two requests at once with different definitions of one name one is refused', async (t) => {
  const sidecar = await started(t)
  const beside = Array.from({ length: 300 }, (_, at) => tool(`beside_${at}`, 'Something else. '.repeat(10)))
  for (let round = 0; round < 10; round++) {
    const both = ['one', 'other'].map((text) => ask(sidecar, [tool('same', text), ...beside], `agent-${round}`))
    t.same((await Promise.all(both)).toSorted(), ['200', CHANGED])
  }
})

t.test('hostile names are names, and none of what a definition says is on disk or in the log', async (t) => {
  const sidecar = await started(t)
  const secret = 'leakedtext'
  const names = ['__proto__', 'constructor', 'toString', 'x'.repeat(100_000), 'a\nb', '\u202e', '💥']
  const properties = JSON.parse(
    `{"__proto__":{"type":"string","description":"${secret}"},"a ${secret}":{"enum":["${secret}"]}}`,
  )
  const tools = (text: string) => names.map((name) => tool(name, `${secret} ${text}`, properties))
  t.equal(await ask(sidecar, tools('one')), '200')
  t.equal(await ask(sidecar, tools('one')), '200')
  t.equal(await ask(sidecar, tools('two')), CHANGED)
  t.equal(await ask(sidecar, tools('one'), '__proto__'), '200')
  t.equal(await ask(sidecar, tools('two'), '__proto__'), CHANGED)
  t.equal(await sidecar.stop(), 0)
  const written = readFileSync(join(sidecar.dataDir, 'tool-pins.json'), 'utf8')
  t.match(written, /"tool":"__proto__"/)
  t.notMatch(written, secret)
  t.notMatch(JSON.stringify(sidecar.log), secret)
})
