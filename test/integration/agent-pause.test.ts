import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chat } from '../support/chat.ts'
import { askApi } from '../support/control-plane.ts'
import { planeFor } from '../support/plane.ts'
import { sidecarFor, type TestSidecar, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { inTime, timed } from '../support/two-replicas.ts'
import { until } from '../support/until.ts'

const ask = (sidecar: TestSidecar, agent: string) => chat(sidecar.url, { headers: { 'x-acc-agent': agent } })

/** Waits until a sidecar has written down that an agent is stopped: a kill takes what it only knows. */
const written = ({ dataDir }: TestSidecar, agent: string) =>
  until(`it is written down that ${agent} is stopped`, async () => {
    const text = await readFile(join(dataDir, 'agent-states.json'), 'utf8').catch(() => '')
    return text.includes(agent) ? true : null
  })

/** Waits until an agent's requests are answered so. */
const answered = (sidecar: TestSidecar, agent: string, wanted: number) =>
  until(`${agent} is answered ${wanted}`, async () => {
    const reply = await ask(sidecar, agent)
    return reply.status === wanted ? reply : null
  })

async function begun(t: Test) {
  const simulator = await simulatorFor(t)
  const { plane, key, again, env } = await planeFor(t)
  const start = (dataDir?: string): Promise<TestSidecar> =>
    withPolicy(sidecarFor(t, { upstream: `${simulator.url}/v1`, env, ...(dataDir === undefined ? {} : { dataDir }) }))
  const change = (to: 'pause' | 'resume', agent: string, body: object = { reason: 'a test' }) =>
    askApi(`${plane.url}/api/v1/agents/${agent}/${to}`, key, body)
  return { simulator, plane, again, start, change }
}

t.test(
  'a pause arrives at every sidecar within two seconds, stops that agent alone, and ends by a resume',
  async (t) => {
    const { simulator, start, change } = await begun(t)
    const sidecars = await Promise.all([start(), start()])
    for (const sidecar of sidecars) t.equal((await ask(sidecar, 'looping')).status, 200)
    const times: number[] = []
    for (let round = 0; round < 3; round++) {
      t.equal((await change('pause', 'looping', { reason: 'it asks the same for ever' })).status, 200)
      await Promise.all(sidecars.map((sidecar) => timed(times, answered(sidecar, 'looping', 403))))
      const billed = simulator.bill.entries().length
      const refused = await Promise.all(sidecars.map((sidecar) => ask(sidecar, 'looping')))
      for (const { code, message, headers } of refused) {
        t.equal(code, 'acc_agent_paused')
        t.match(message, /"looping" is paused until it is resumed: it asks the same for ever/)
        t.equal(headers.get('x-should-retry'), 'false')
        t.equal(headers.get('retry-after'), null)
      }
      t.equal(simulator.bill.entries().length, billed, 'nothing was sent')
      t.same(await Promise.all(sidecars.map(async (each) => (await ask(each, 'other')).status)), [200, 200])
      t.equal((await change('resume', 'looping')).status, 200)
      await Promise.all(sidecars.map((sidecar) => timed(times, answered(sidecar, 'looping', 200))))
    }
    inTime(t, times)
    t.equal((await change('pause', '(none)')).status, 200)
    await until('requests without a name are refused', async () =>
      (await chat(sidecars[0]?.url ?? '')).code === 'acc_agent_paused' ? true : null,
    )
  },
)

t.test('a pause with an end says when to come back, and ends by itself', async (t) => {
  const { start, change } = await begun(t)
  const sidecar = await start()
  t.equal((await change('pause', 'hasty', { reason: 'cool down', durationMs: 8_000 })).status, 200)
  const { headers } = await answered(sidecar, 'hasty', 403)
  const retryAfterS = Number(headers.get('retry-after'))
  t.ok(retryAfterS >= 1 && retryAfterS <= 8, `${retryAfterS} s`)
  await answered(sidecar, 'hasty', 200)
})

t.test(
  'a pause survives the end of both planes, holds without a control plane, and is lifted when that is back',
  async (t) => {
    const { plane, again, start, change } = await begun(t)
    const first = await start()
    t.equal((await change('pause', 'looping')).status, 200)
    await answered(first, 'looping', 403)
    await written(first, 'looping')
    await first.kill()
    await plane.kill()
    const second = await start(first.dataDir)
    t.equal((await ask(second, 'looping')).code, 'acc_agent_paused', 'its first request is refused')
    await again()
    const third = await start()
    await answered(third, 'looping', 403)
    t.equal((await change('resume', 'looping')).status, 200)
    for (const sidecar of [second, third]) await answered(sidecar, 'looping', 200)
  },
)
