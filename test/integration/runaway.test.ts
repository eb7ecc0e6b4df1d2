import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { chat } from '../support/chat.ts'
import { AMPLE_BUDGET, sidecarFor, type TestSidecar, writePolicies } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const security = (runaway: string): string => `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: loops }
spec:
  detectors: {}
  runaway:
    ${runaway}
`

async function begun(t: Test, runaway: string) {
  const simulator = await simulatorFor(t)
  const policies = { 'budget.yaml': AMPLE_BUDGET, 'security.yaml': security(runaway) }
  const place = { upstream: `${simulator.url}/v1`, policies }
  return { place, sidecar: await sidecarFor(t, place), simulator }
}

const ask = (sidecar: TestSidecar, content: string, agent = 'looping', before: readonly object[] = []) =>
  chat(sidecar.url, {
    headers: { 'x-acc-agent': agent },
    body: { messages: [...before, { role: 'user', content }] },
  })

const LONG = 'read the whole of the log, look for the line that failed, and say why it failed and what is to be done '

t.test('a loop is stopped by a pause that survives a restart, and ends with the rule that made it', async (t) => {
  const { place, sidecar, simulator } = await begun(t, 'repeats: { count: 5 }\n    action: pause\n    pauseMs: 3600000')
  const replies = []
  for (let at = 0; at < 8; at++) replies.push(await ask(sidecar, `${LONG.repeat(4)} attempt ${at}`))
  t.same(
    replies.map(({ code }) => code),
    [null, null, null, null, ...Array.from({ length: 4 }, () => 'acc_agent_paused')],
  )
  t.ok(Number(replies.at(-1)?.headers.get('retry-after')) > 3_500)
  t.equal(simulator.bill.entries().length, 4)
  t.equal((await ask(sidecar, LONG, 'other')).status, 200)
  const events = await sidecar.events(9)
  t.match(
    events.find(({ findings }) => findings.length > 0),
    {
      outcome: 'denied',
      findings: [
        {
          detectorId: 'loop',
          ruleId: 'repeated-prompt',
          action: 'block',
          mode: 'enforce',
          // Without it the control plane makes no security event of it.
          detail: { source: 'user', category: 'runaway', taxonomy: { owaspLlm: 'LLM10:2025' }, places: [] },
        },
      ],
    },
  )
  t.equal(await sidecar.metric('acc_agents_stopped_here'), 1)
  await until('the pause is on disk', () => (existsSync(`${sidecar.dataDir}/agent-states.json`) ? true : null))
  await sidecar.kill()
  const again = await sidecarFor(t, { ...place, dataDir: sidecar.dataDir, policyDir: sidecar.policyDir })
  t.equal((await ask(again, 'hello')).code, 'acc_agent_paused')
  writePolicies(again.policyDir, { 'security.yaml': security('repeats: { count: 5 }') })
  await until('it may go on', async () => ((await ask(again, `hello ${Math.random()}`)).status === 200 ? true : null))
})

t.test('a conversation that grows, a batch of different prompts and slow repeats are not stopped', async (t) => {
  const { sidecar } = await begun(t, 'repeats: { count: 5 }\n    action: pause')
  const history: object[] = []
  for (let turn = 0; turn < 12; turn++) {
    const text = `${turn} ${'abcdefghijkl'.slice(turn)} and what of number ${turn * 7919}? ${LONG.slice(turn * 5, turn * 5 + 40)}`
    t.equal((await ask(sidecar, text, 'talker', history)).status, 200)
    history.push({ role: 'user', content: text }, { role: 'assistant', content: 'yes' })
    t.equal((await ask(sidecar, `translate: ${'word'.repeat(turn)} ${turn ** 5}`, 'batch')).status, 200)
  }
  const sessions = Array.from({ length: 10 }, (_, at) =>
    chat(sidecar.url, { headers: { 'x-acc-agent': 'desk', 'x-acc-session': `s-${at}` } }),
  )
  t.same([...new Set((await Promise.all(sessions)).map(({ status }) => status))], [200], 'people who all say hello')
})

t.test('a throttle slows a loop down and says when to come back; an alert is a finding and stops nobody', async (t) => {
  const { sidecar } = await begun(
    t,
    'repeats: { count: 3 }\n    action: throttle\n    throttle: { requestsPerMinute: 20 }',
  )
  const codes: (string | null)[] = []
  for (let at = 0; at < 3; at++) codes.push((await ask(sidecar, 'again')).code)
  const first = await ask(sidecar, 'again')
  const refused = first.code === null ? await ask(sidecar, 'again') : first
  t.same(codes, [null, null, null])
  t.match(refused, { status: 429, code: 'acc_agent_throttled' })
  const retryAfterS = Number(refused.headers.get('retry-after'))
  t.ok(retryAfterS >= 1 && retryAfterS <= 3, `${retryAfterS} s`)
  writePolicies(sidecar.policyDir, { 'security.yaml': security('repeats: { count: 3 }') })
  await until('the policy has changed', async () => ((await ask(sidecar, 'again')).status === 200 ? true : null))
  for (let at = 0; at < 4; at++) t.equal((await ask(sidecar, 'once more')).status, 200)
  t.ok((await sidecar.metric('acc_findings_total', { detector: 'loop', action: 'alert' })) >= 1)
})
