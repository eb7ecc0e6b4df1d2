import { join } from 'node:path'
import t from 'tap'
import type { LogPage } from '../../control-plane/usage/read-service.ts'
import type { Trail } from '../../control-plane/usage/trail-service.ts'
import { send } from '../support/ask.ts'
import { chat } from '../support/chat.ts'
import { askApi, controlPlaneFor } from '../support/control-plane.ts'
import { folderFor } from '../support/scope.ts'
import { budgetYaml, sidecarFor, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

t.test(
  'what a client is told as its request’s id leads to its trail, and every cost can be computed again',
  async (t) => {
    const tokenFile = join(folderFor(t), 'token')
    const plane = await controlPlaneFor(t, {
      policies: { 'budget.yaml': budgetYaml({ name: 'ample', limit: '5' }) },
      env: { CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile },
    })
    const simulator = await simulatorFor(t)
    const sidecar = await withPolicy(
      sidecarFor(t, {
        upstream: `${simulator.url}/v1`,
        env: { ACC_CONTROL_PLANE_URL: plane.url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile },
      }),
    )
    const get = <Body>(path: string) => askApi<Body>(`${plane.url}/api/v1/requests${path}`, plane.adminKey)
    const asks = [
      {},
      { stream: true },
      { model: 'gpt-5-mini' },
      { model: 'gpt-4.1', sim: { 'output-tokens': 500 } },
      { sim: { fault: 'status-500' } },
      { stream: true, sim: { fault: 'no-usage' } },
    ] as const
    for (const ask of asks) await send(sidecar.url, ask)
    const { headers } = await chat(sidecar.url)
    const { requests } = await until('all of them', async () => {
      const { body } = await get<LogPage>('?limit=200')
      return body.requests.length === asks.length + 1 ? body : null
    })
    const { body: mine } = await get<Trail>(`/${headers.get('x-acc-request-id')}`)
    t.match(mine, {
      cost: 'equal',
      steps: [{ step: 'identified', path: '/openai/v1/chat/completions' }, { step: 'policy' }],
    })
    t.match(
      mine.steps.find(({ step }) => step === 'reserved'),
      { from: [{ budgetUid: 'Budget/ample' }] },
    )
    const trails = await Promise.all(requests.map(async ({ eventId }) => (await get<Trail>(`/${eventId}`)).body))
    const checks = trails.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.step === 'attempted' ? step.recomputed : [])),
    )
    t.equal(checks.filter(({ verdict }) => verdict === 'equal').length, 5)
    t.same(
      checks.flatMap((check) => (check.verdict === 'notComputed' ? check.why : [])).sort(),
      ['bound', 'nothingBilled'],
      'an error, and a stream without usage',
    )
  },
)
