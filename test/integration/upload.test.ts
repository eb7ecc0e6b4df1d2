import { writeFileSync } from 'node:fs'
import t from 'tap'
import type { Sums } from '../../control-plane/usage/read-repository.ts'
import type { LogPage } from '../../control-plane/usage/read-service.ts'
import { send } from '../support/ask.ts'
import { askApi, type TestControlPlane } from '../support/control-plane.ts'
import { planeFor } from '../support/plane.ts'
import { budgetYaml, readEvents, sidecarFor, type TestSidecar, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const summary = async (plane: TestControlPlane, key: string): Promise<Sums> =>
  (await askApi<Sums>(`${plane.url}/api/v1/usage/summary`, key)).body

/** The cost of everything on a sidecar's disk. */
const costOnDisk = ({ dataDir }: TestSidecar): bigint =>
  readEvents(dataDir)
    .flatMap(({ attempts }) => attempts)
    .reduce((sum, { costNanoUsd, chargedNanoUsd }) => sum + BigInt(costNanoUsd ?? chargedNanoUsd), 0n)

const stored = (plane: TestControlPlane, key: string, requests: number): Promise<Sums> =>
  until(`${requests} requests in the summary`, async () => {
    const sums = await summary(plane, key).catch(() => null)
    return sums !== null && sums.requests >= requests ? sums : null
  })

t.test(
  'a request shows up in the summary with its cost, whatever became of it; two sidecars share the sums',
  async (t) => {
    const simulator = await simulatorFor(t)
    const policies = { 'budget.yaml': budgetYaml({ name: 'none', limit: '0.000000001', agent: 'broke' }) }
    const { plane, key, env } = await planeFor(t, {}, policies)
    const upstream = `${simulator.url}/v1`
    const first = await withPolicy(sidecarFor(t, { upstream, env }))
    const broke = await withPolicy(sidecarFor(t, { upstream, env: { ...env, ACC_AGENT: 'broke' } }))
    await send(first.url, {})
    await stored(plane, key, 1)
    await send(first.url, { stream: true })
    await send(first.url, { sim: { fault: 'status-500' } })
    await send(broke.url, {})
    const sums = await stored(plane, key, 4)
    t.match(sums, { requests: 4, denied: 1, costNanoUsd: `${costOnDisk(first)}` })
    t.equal(await first.metric('acc_upload_events_total', { result: 'stored' }), 3)
    t.equal(await first.metric('acc_upload_events_total', { result: 'refused' }), 0)
    const { requests } = (await askApi<LogPage>(`${plane.url}/api/v1/requests`, key)).body
    t.same(
      requests.map(({ eventId }) => eventId).sort(),
      [first, broke].flatMap(({ dataDir }) => readEvents(dataDir).map(({ eventId }) => eventId)).sort(),
    )
    t.match(
      requests.find(({ outcome }) => outcome === 'denied'),
      { code: 'acc_budget_exceeded' },
    )
  },
)

t.test(
  'while the control plane is away everything is served; when it is back each event arrives once, also after kill -9 of both',
  async (t) => {
    const simulator = await simulatorFor(t)
    const { plane, key, again, env } = await planeFor(t)
    const options = { upstream: `${simulator.url}/v1`, env }
    const first = await withPolicy(sidecarFor(t, options))
    for (let at = 0; at < 5; at++) t.equal((await send(first.url, {})).status, 200)
    await plane.kill()
    for (let at = 0; at < 10; at++) t.equal((await send(first.url, {})).status, 200, 'served')
    await until('a failed batch', async () => ((await first.metric('acc_upload_failures_total')) > 0 ? true : null))
    t.ok((await first.metric('acc_outbox_unacknowledged_events')) >= 10)
    await first.kill()
    const second = await sidecarFor(t, { ...options, dataDir: first.dataDir })
    t.equal((await send(second.url, {})).status, 200)
    const back = await again()
    const sums = await stored(back, key, 16)
    t.match(sums, { requests: 16, costNanoUsd: `${costOnDisk(second)}` })
    await until('everything acknowledged', async () =>
      (await second.metric('acc_outbox_unacknowledged_events')) === 0 ? true : null,
    )
    t.equal((await summary(back, key)).requests, 16)
  },
)

t.test(
  'at its orderly end a sidecar brings up what it has; with a token that is not valid it serves and keeps it',
  async (t) => {
    const simulator = await simulatorFor(t)
    const { plane, key, env, tokenFile } = await planeFor(t)
    const place = { upstream: `${simulator.url}/v1`, env }
    const sidecar = await withPolicy(sidecarFor(t, place))
    for (let at = 0; at < 3; at++) await send(sidecar.url, {})
    t.equal(await sidecar.stop(), 0)
    t.equal((await summary(plane, key)).requests, 3)
    // One that was killed has its leases still.
    const again = await withPolicy(sidecarFor(t, { ...place, dataDir: sidecar.dataDir }))
    await send(again.url, {})
    await stored(plane, key, 4)
    await again.kill()

    const wrongFile = `${tokenFile}.wrong`
    writeFileSync(wrongFile, 'not a token\n')
    const stranger = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      dataDir: sidecar.dataDir,
      env: { ...env, ACC_CONTROL_PLANE_TOKEN_FILE: wrongFile },
    })
    t.equal((await send(stranger.url, {})).status, 200)
    for (const what of ['events do not reach', 'the channel of the control plane is interrupted']) {
      const told = await until(
        'a line in the log',
        () => stranger.log.find(({ message }) => String(message).startsWith(what)) ?? null,
      )
      t.match(told, { level: 'warn', reason: /enrol with status 401/ })
    }
    t.equal(await stranger.stop(), 0)
    t.equal((await summary(plane, key)).requests, 4)
    t.equal(readEvents(stranger.dataDir).length, 5)
  },
)
