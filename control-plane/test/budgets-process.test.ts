import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ChannelAnswer } from '@agentcostcontrol/contract'
import t from 'tap'
import { askApi, clusterUrlOf, controlPlaneFor, enrol, sendEvents } from '../../test/support/control-plane.ts'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { budgetBody } from './support/budgets.ts'
import { batchOf, charge, usageEvent } from './support/events.ts'

t.test('a budget of the API works without a policy folder, and its alerts are logged and counted', async (t) => {
  const plane = await controlPlaneFor(t, { policyDir: join(folderFor(t), 'none') })
  const other = await controlPlaneFor(t, {
    policyDir: plane.policyDir,
    env: {
      DATABASE_URL: clusterUrlOf(plane),
      CONTROL_PLANE_SIGNING_KEY_FILE: join(plane.dataDir, 'policy-signing-key.pem'),
    },
  })
  const key = plane.adminKey ?? ''
  const made = await askApi(`${plane.url}/api/v1/budgets`, key, budgetBody('house'))
  t.equal(made.status, 201)
  t.same((await askApi(`${other.url}/api/v1/budgets/house`, key)).body, made.body, 'the other replica has it')

  const instanceId = randomUUID()
  const credential = await enrol(other.url, key, instanceId)
  const poll = { versions: { policy: 0, leases: 0, commands: 0 }, refused: null, waitMs: 1 }
  const { body } = await askApi<ChannelAnswer>(`${other.url}/sidecar/v1/channel`, credential, poll)
  t.match(body.policy?.manifest, /\.api\/budgets\/house\.yaml/, 'sidecars are sent it')

  const event = usageEvent({ instanceId, charges: [charge({ budgetUid: 'Budget/house', nanoUsd: '800000000' })] })
  t.match(await sendEvents(other.url, credential, batchOf([event])), { status: 200, body: { stored: 1 } })
  const logged = await until('the alerts are logged', () => {
    const found = other.log.filter(({ message }) => message === 'a budget was spent to a mark')
    return found.length === 3 ? found : null
  })
  t.same(logged.map(({ threshold, kind }) => `${threshold} ${kind}`).toSorted(), [
    '50 threshold',
    '75 threshold',
    '80 warning',
  ])
  t.match(await (await fetch(`${other.adminUrl}/metrics`)).text(), 'acc_budget_alerts_total{kind="warning"} 1')
  t.match((await askApi(`${plane.url}/api/v1/budgets/status/summary`, key)).body, {
    budgets: [{ id: 'house', state: 'warning', top: { sharePercent: 80 } }],
    alerts: { length: 3 },
  })
  t.equal(await other.stop(), 0)
  t.equal(await plane.stop(), 0)
})
