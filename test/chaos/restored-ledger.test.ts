import { dirname, join } from 'node:path'
import t from 'tap'
import { acc } from '../../cli/test/support/acc.ts'
import type { Sums } from '../../control-plane/usage/read-repository.ts'
import { send } from '../support/ask.ts'
import { askApi, controlPlaneFor } from '../support/control-plane.ts'
import { folderFor } from '../support/scope.ts'
import { budgetYaml, sidecarFor, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

interface Ledger {
  readonly epoch: number
  readonly recovering: boolean
}

t.test(
  'a control plane that goes back to a copy loses no event, forgets no lease, and grants nothing until that is ended',
  async (t) => {
    const simulator = await simulatorFor(t)
    const data = folderFor(t)
    const tokenFile = join(data, 'token')
    const dataDir = join(data, 'control-plane')
    const policies = { 'budget.yaml': budgetYaml({ name: 'shared', limit: '1.00' }) }
    const env = { CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile }
    const plane = await controlPlaneFor(t, { dataDir, env, policies })
    const key = plane.adminKey ?? ''
    const api = (path: string, body?: unknown) => askApi<Sums & Ledger>(`${plane.url}/api/v1${path}`, key, body)
    const told = (requests: number) =>
      until(`${requests} requests`, async () =>
        (await api('/usage/summary')).body.requests === requests ? true : null,
      )
    const sidecar = await withPolicy(
      sidecarFor(t, {
        upstream: `${simulator.url}/v1`,
        env: { ACC_CONTROL_PLANE_URL: plane.url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile },
      }),
    )
    await send(sidecar.url, {})
    await told(1)
    const file = join(dirname(dataDir), 'copy.zst')
    t.equal((await acc(t, ['backup', file, '--data', data])).code, 0)
    // The ledger grants more, and settles, after the copy was made.
    for (let at = 0; at < 4; at++) await send(sidecar.url, { body: { max_tokens: 32_000 } })
    await told(5)
    t.equal(await plane.stop(), 0)
    const restored = await acc(t, ['restore', file, '--data', data, '--replace'])
    t.equal(restored.code, 0, restored.stderr)

    const listen = new URL(plane.url).host
    const back = await controlPlaneFor(t, { dataDir, env: { ...env, CONTROL_PLANE_LISTEN: listen } })
    await told(5)
    t.match((await api('/ledger')).body, { recovering: true })
    t.ok((await api('/ledger')).body.epoch > 1)
    // What it holds is spent; more than that is not granted: somebody else may hold what the copy does not know of.
    const dear = { model: 'gpt-4.1', prompt: 'x'.repeat(20_000), body: { max_tokens: 32_000 } }
    t.equal((await send(sidecar.url, dear)).status, 429)
    t.equal((await api('/ledger/recovery/end', {})).status, 204)
    await until('it is granted again', async () => ((await send(sidecar.url, dear)).status === 200 ? true : null))
    t.equal(await sidecar.stop(), 0)
    const verdict = await acc(t, ['verify', '--data', data])
    t.match(verdict, { code: 0, stdout: /They are equal/ })
    t.equal(await back.stop(), 0)
  },
)
