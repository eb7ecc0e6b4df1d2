import { join } from 'node:path'
import t, { type Test } from 'tap'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { chat } from '../support/chat.ts'
import { askApi, controlPlaneFor } from '../support/control-plane.ts'
import { inCheckout } from '../support/paths.ts'
import { folderFor } from '../support/scope.ts'
import { AMPLE_BUDGET, sidecarFor, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

/** Long enough to be scanned in a worker. */
const long = (how: string): string => `${how} ${'The quick brown fox jumps over the lazy dog. '.repeat(200)}`
const user = (content: string) => ({ role: 'user', content })
const HOWS = ['scan:exit', 'scan:throw', 'scan:memory', 'scan:loop'] as const
const agentOf = (choice: string, how: string): string => (how === 'scan:loop' ? `${choice}-loop` : choice)
const reasonOf = (how: string): string => (how === 'scan:loop' ? 'timed-out' : 'worker-crashed')

const CHOICES = ['open', 'closed'] as const
const ACTIONS = '{ low: block, medium: block, high: block, critical: block }'
/** A policy for each choice, which is patient but with an agent whose scan never ends: a busy machine must not decide. */
const policyOf = (choice: string, how: string, timeoutMs: number): string => `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: ${choice}${how} }
spec:
  selector: { agent: ${choice}${how} }
  detectors: { secrets: { request: ${ACTIONS}, response: ${ACTIONS} } }
  onOverload: ${choice}
  onTimeout: ${choice}
  timeoutMs: ${timeoutMs}
`

async function begun(t: Test) {
  const simulator = await simulatorFor(t)
  const databaseUrl = await (await clusterFor(t))()
  const tokenFile = join(folderFor(t), 'token')
  const plane = await controlPlaneFor(t, {
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      ...Object.fromEntries(
        CHOICES.flatMap((choice) => [
          [`${choice}.yaml`, policyOf(choice, '', 60_000)],
          [`${choice}-loop.yaml`, policyOf(choice, '-loop', 500)],
        ]),
      ),
    },
    env: { DATABASE_URL: databaseUrl, CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile },
  })
  const sidecar = await withPolicy(
    sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      env: { ACC_CONTROL_PLANE_URL: plane.url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile },
      nodeArgs: ['--import', inCheckout('test/preload/failing-scan.ts')],
    }),
  )
  const api = <Body>(path: string) => askApi<Body>(`${plane.url}/api/v1${path}`, plane.adminKey ?? '')
  return { simulator, sidecar, api }
}

interface Shown {
  readonly events: readonly { readonly agent: string; readonly direction: string; readonly rule: string }[]
}

t.test(
  'a worker that crashes, hangs or runs out of memory costs its own request alone; the policy’s choice is followed, counted and told to people',
  async (t) => {
    const { simulator, sidecar, api } = await begun(t)
    for (const choice of CHOICES) {
      const passes = choice === 'open'
      for (const how of HOWS) {
        const headers = { 'x-acc-agent': agentOf(choice, how), 'x-sim-tag': `${choice} ${how}` }
        const asked = await chat(sidecar.url, { headers, body: { messages: [user(long(how))] } })
        if (passes) t.equal(asked.status, 200, `${how} passes`)
        else {
          t.match(
            asked,
            { status: 503, code: 'acc_inspection_unavailable', message: /"closed(-loop)?" is closed/ },
            how,
          )
          t.notMatch(asked.text, 'quick brown', 'and nothing of the text is told')
        }
        const answered = await chat(sidecar.url, {
          headers: { ...headers, 'x-sim-reply': long(how) },
          body: { max_tokens: 4_000 },
        })
        t.equal(answered.status, passes ? 200 : 503, `${how} in an answer`)
        t.equal(answered.text.includes('quick brown'), passes)
        const next = await chat(sidecar.url, {
          headers: { 'x-acc-agent': choice },
          body: { messages: [user(long('fine'))] },
        })
        t.equal(next.status, 200, 'the next one has a worker')
      }
    }
    const sent = simulator.requests().filter(({ body }) => body.includes('scan:'))
    t.equal(sent.length, HOWS.length, 'what is refused is not sent')
    for (const reason of ['timed-out', 'worker-crashed']) {
      const each = HOWS.filter((how) => reasonOf(how) === reason).length
      t.equal(await sidecar.metric('acc_scan_failures_total', { reason }), 4 * each, reason)
      for (const action of ['alert', 'block'])
        for (const direction of ['request', 'response'])
          t.equal(
            await sidecar.metric('acc_findings_total', { detector: 'inspection', rule: reason, action, direction }),
            each,
            `${reason} ${action} ${direction}`,
          )
    }
    t.equal(await sidecar.metric('acc_uninspected_timeout_total'), HOWS.length)
    t.equal(await sidecar.metric('acc_uninspected_answers_total'), HOWS.length)

    const { body } = await until('the control plane has them all', async () => {
      const told = await api<Shown>('/security/events?detector=inspection&severity=high&limit=200')
      return told.body.events.length === 4 * HOWS.length ? told : null
    })
    const kinds = body.events.map(({ agent, direction, rule }) => `${agent} ${direction} ${rule}`)
    for (const choice of CHOICES)
      for (const how of HOWS)
        for (const direction of ['request', 'response'])
          t.ok(kinds.includes(`${agentOf(choice, how)} ${direction} ${reasonOf(how)}`), `${choice} ${direction} ${how}`)
    t.match(await api('/security/summary?detector=inspection'), {
      body: {
        detector: [{ key: 'inspection', findings: 4 * HOWS.length }],
        severity: [{ key: 'high' }],
        action: [
          { key: 'alert', findings: 2 * HOWS.length },
          { key: 'block', findings: 2 * HOWS.length },
        ],
      },
    })

    const lines = sidecar.log.filter(({ message }) => message === 'a text could not be inspected')
    t.ok(
      lines.length >= 1 && lines.length < 4 * HOWS.length,
      `${lines.length} lines of the log, for ${4 * HOWS.length} failures`,
    )
    t.match(lines[0], { level: 'error', reason: 'worker-crashed', done: 'passed uninspected', sinceLastLine: 1 })
    t.notMatch(JSON.stringify(sidecar.log), 'quick brown')
  },
)
