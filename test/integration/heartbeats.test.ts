import { randomUUID } from 'node:crypto'
import { AGENT_STATUSES, TASK_STATUSES } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import type { Agent, AgentPage, TaskPage } from '../../control-plane/agents/service.ts'
import type { SidecarPage } from '../../control-plane/sidecars/service.ts'
import { TASKS_MAX } from '../../sidecar/agents/reports.ts'
import { send } from '../support/ask.ts'
import { askApi, enrol, readApi, type TestControlPlane } from '../support/control-plane.ts'
import { planeFor } from '../support/plane.ts'
import { chunked, RawConnection, request } from '../support/raw-http.ts'
import { readEvents, sidecarFor, type TestSidecar, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

type Reported = 'heartbeat' | 'tasks'

/** Tells a sidecar something, as an agent does. */
async function tell(sidecar: TestSidecar, what: Reported, body: unknown, agent: string | null = null) {
  const response = await fetch(`${sidecar.url}/acc/v1/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(agent === null ? {} : { 'x-acc-agent': agent }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const answer: { readonly accepted?: number; readonly code?: string; readonly message?: string } = JSON.parse(
    await response.text(),
  )
  return { status: response.status, headers: response.headers, ...answer }
}

const agentsOf = async (plane: TestControlPlane, key: string): Promise<readonly Agent[]> =>
  (await readApi<AgentPage>(`${plane.url}/api/v1/agents`, key)).agents
const tasksOf = async (plane: TestControlPlane, key: string, query = ''): Promise<TaskPage['tasks']> =>
  (await readApi<TaskPage>(`${plane.url}/api/v1/tasks${query}`, key)).tasks

t.test(
  'two agents behind one sidecar and one behind another show up with heartbeat, tasks and cost, to their own key alone',
  async (t) => {
    const simulator = await simulatorFor(t)
    const { plane, key, env } = await planeFor(t)
    const options = { upstream: `${simulator.url}/v1`, env }
    const [shared, own] = [
      await withPolicy(sidecarFor(t, options)),
      await sidecarFor(t, { ...options, env: { ...env, ACC_AGENT: 'writer', ACC_WORKFLOW: 'reports' } }),
    ]
    await Promise.all([
      send(shared.url, { headers: { 'x-acc-agent': 'reader' } }),
      tell(shared, 'heartbeat', { status: 'running', cpuShare: 0.25, memoryBytes: 1e8, queueDepth: 3 }, 'reader'),
      tell(shared, 'heartbeat', { agent: 'tester', status: 'paused' }),
      tell(own, 'heartbeat', { agent: 'somebody else', status: 'idle' }),
      tell(
        shared,
        'tasks',
        {
          tasks: [
            { taskId: 't-1', status: 'queued' },
            { taskId: 't-2', status: 'running' },
          ],
        },
        'reader',
      ),
      tell(own, 'tasks', { taskId: 't-1', name: 'a report', status: 'failed', errorCode: 'timeout' }),
    ])
    const agents = await until('three agents, one with its cost', async () => {
      const found = await agentsOf(plane, key)
      return found.length === 3 && found.some(({ requestsToday }) => requestsToday > 0) ? found : null
    })
    t.match(agents, [
      {
        agent: 'reader',
        status: 'running',
        queuedTasks: 1,
        runningTasks: 1,
        requestsToday: 1,
        costTodayNanoUsd: /^[1-9]/,
      },
      { agent: 'tester', status: 'paused', queuedTasks: 0, costTodayNanoUsd: '0' },
      { agent: 'writer', status: 'idle', instances: 1 },
    ])
    t.match(agents[0]?.heartbeats, [{ cpuShare: 0.25, memoryBytes: 1e8, queueDepth: 3, status: 'running' }])
    t.match(await tasksOf(plane, key, '?agent=writer'), [
      { taskId: 't-1', name: 'a report', workflow: 'reports', status: 'failed', errorCode: 'timeout', endedAt: /Z$/ },
    ])
    const { sidecars } = await until('figures of both sidecars', async () => {
      const page = await readApi<SidecarPage>(`${plane.url}/api/v1/sidecars`, key)
      return page.sidecars.filter(({ figures }) => figures !== null).length === 2 ? page : null
    })
    for (const { figures } of sidecars) {
      t.match(figures, { version: /^\d+\.\d+/, nodeVersion: process.version, startedAt: /Z$/ })
      t.ok((figures?.memoryBytes ?? 0) > 1e7)
    }
    const credential = await enrol(plane.url, key, randomUUID())
    for (const [path, bearer] of [
      ['agents', credential],
      ['tasks', credential],
      ['agents', null],
    ] as const)
      t.not((await askApi(`${plane.url}/api/v1/${path}`, bearer)).status, 200, path)
    t.equal((await askApi(`${plane.url}/sidecar/v1/heartbeat`, key, {})).status, 403, 'an admin is no sidecar')
    t.match(await askApi(`${plane.url}/sidecar/v1/heartbeat`, credential, { bootId: 'x' }), {
      status: 400,
      body: { code: 'acc_api_invalid' },
    })
    t.equal(await own.metric('acc_heartbeat_messages_total', { result: 'failed' }), 0)
  },
)

t.test(
  'while the control plane is away agents are answered; when it is back it knows how they are and every task, also those told at the end',
  async (t) => {
    const simulator = await simulatorFor(t)
    const { plane, key, again, env } = await planeFor(t)
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env })
    await until('a message', async () =>
      (await sidecar.metric('acc_heartbeat_messages_total', { result: 'taken' })) > 0 ? true : null,
    )
    await plane.kill()
    t.match(await tell(sidecar, 'heartbeat', { agent: 'a', status: 'running' }), { status: 202, accepted: 1 })
    await tell(sidecar, 'tasks', { agent: 'a', taskId: 'early', status: 'completed' })
    await tell(sidecar, 'tasks', { agent: 'a', taskId: 'early', status: 'running', startedAt: '2026-11-24T12:00:00Z' })
    await until('a failure', async () =>
      (await sidecar.metric('acc_heartbeat_messages_total', { result: 'failed' })) > 0 ? true : null,
    )
    await tell(sidecar, 'heartbeat', { agent: 'a', status: 'idle' })
    const back = await again()
    const [agent] = await until('the agent', async () => {
      const found = await agentsOf(back, key)
      return found.length === 1 ? found : null
    })
    t.match(agent, { agent: 'a', status: 'idle' })
    t.match(await tasksOf(back, key), [{ taskId: 'early', status: 'completed', startedAt: '2026-11-24T12:00:00.000Z' }])
    await tell(sidecar, 'tasks', { agent: 'a', taskId: 'last', status: 'completed' })
    t.equal(await sidecar.stop(), 0)
    t.match(await tasksOf(back, key), [{ taskId: 'last' }, { taskId: 'early' }])
    t.notMatch(sidecar.complaint(), /./)
  },
)

t.test(
  'a sidecar that was killed is heard of again under its name, and what the control plane had stays',
  async (t) => {
    const simulator = await simulatorFor(t)
    const { plane, key, env } = await planeFor(t)
    const options = { upstream: `${simulator.url}/v1`, env }
    const first = await sidecarFor(t, options)
    await tell(first, 'heartbeat', { agent: 'a', status: 'running' })
    await tell(first, 'tasks', { agent: 'a', taskId: 't-1', status: 'running' })
    await until('the task', async () => ((await tasksOf(plane, key)).length === 1 ? true : null))
    await first.kill()
    const second = await sidecarFor(t, { ...options, dataDir: first.dataDir })
    await tell(second, 'heartbeat', { agent: 'a', status: 'error' })
    await tell(second, 'tasks', { agent: 'a', taskId: 't-1', status: 'failed' })
    await until('the end of the task', async () => ((await tasksOf(plane, key))[0]?.status === 'failed' ? true : null))
    t.match(await agentsOf(plane, key), [{ agent: 'a', status: 'error', instances: 1, runningTasks: 0 }])
  },
)

t.test(
  'standing alone a sidecar takes reports and counts them; none is sent to a provider, recorded, or taken for a request',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
    const { status } = await tell(sidecar, 'heartbeat', { agent: 'a', status: 'idle' })
    t.equal(status, 202)
    for (let at = 0; at < 3; at++)
      t.equal((await tell(sidecar, 'tasks', { agent: 'a', taskId: `t-${at}`, status: 'running' })).status, 202)
    const paths = [
      '/acc/v1/heartbeat?x=1',
      '/acc/v1/nothing',
      '/acc/',
      '/acc/v1/tasks/../heartbeat',
      '/%61cc/v1/heartbeat',
      '/openai/acc/v1/heartbeat',
    ]
    for (const path of paths) {
      const connection = await RawConnection.open(t, sidecar.port)
      connection.send(request(`POST ${path}`, ['content-type: application/json'], '{"agent":"a","status":"idle"}'))
      const answer = await connection.answer()
      t.match(answer.start, path === paths[0] ? / 202 / : / (?:403|404) /, path)
    }
    const get = await fetch(`${sidecar.url}/acc/v1/heartbeat`)
    t.match([get.status, JSON.parse(await get.text()).code], [404, 'acc_report_path_unknown'])
    t.equal(simulator.requests().length, 0)
    t.equal(await sidecar.metric('acc_agent_heartbeats_total'), 2)
    t.equal(await sidecar.metric('acc_agent_tasks_total'), 3)
    t.equal(await sidecar.metric('acc_agent_waiting_tasks'), 0)
    await sidecar.stop()
    t.same(
      readEvents(sidecar.dataDir)
        .map(({ path }) => path)
        .filter((path) => path.startsWith('/acc')),
      [],
    )
  },
)

t.test(
  'whatever body comes, the answer is a plain one, and the next request on the connection is served',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          agent: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
          status: fc.constantFrom(...AGENT_STATUSES, ...TASK_STATUSES, '', null),
          cpuShare: fc.oneof(fc.double(), fc.jsonValue()),
          memoryBytes: fc.oneof(fc.integer(), fc.double()),
          taskId: fc.string({ unit: 'binary' }),
          startedAt: fc.oneof(fc.date({ noInvalidDate: true }).map(String), fc.string()),
          tasks: fc.array(fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
    )
    const body = fc.oneof(
      json.map((value) => Buffer.from(JSON.stringify(value) ?? '')),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    )
    const connection = await RawConnection.open(t, sidecar.port)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('heartbeat', 'tasks'), body, fc.boolean(), async (what, bytes, inChunks) => {
        const target = `POST /acc/v1/${what}`
        connection.send(
          inChunks && bytes.length > 0
            ? request(target, ['transfer-encoding: chunked'], chunked(bytes, [7]))
            : request(target, ['content-type: application/json'], bytes),
        )
        const answer = await connection.answer()
        const told = JSON.parse(answer.body.toString())
        if (/ 202 /.test(answer.start)) return told.accepted >= 1
        return / 400 /.test(answer.start) && /^acc_report_/.test(told.code) && told.message.length > 5
      }),
      { numRuns: 300 },
    )
    const large = await tell(sidecar, 'tasks', ' '.repeat(300_000))
    t.match(large, { status: 413, code: 'acc_body_too_large', message: /exceeds 262144 bytes/ })
    const deep = await tell(sidecar, 'heartbeat', `${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    t.match(deep, { status: 400, code: 'acc_report_invalid' })
    t.equal((await send(sidecar.url, {})).status, 200)
    t.notMatch(sidecar.complaint(), /./)
    t.notOk(sidecar.log.some(({ level }) => level === 'error'))
  },
)

t.test('tasks that find no room are refused with a code, and taken when the control plane is back', async (t) => {
  const simulator = await simulatorFor(t)
  const { plane, key, again, env } = await planeFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env })
  await plane.kill()
  const tasks = (from: number) => ({
    agent: 'a',
    tasks: Array.from({ length: 100 }, (_, at) => ({ taskId: `t-${from + at}`, status: 'queued' })),
  })
  for (let from = 0; from < TASKS_MAX; from += 100) t.equal((await tell(sidecar, 'tasks', tasks(from))).status, 202)
  const full = await tell(sidecar, 'tasks', tasks(TASKS_MAX))
  t.match(full, { status: 503, code: 'acc_report_tasks_full' })
  t.equal(full.headers.get('retry-after'), '5')
  t.equal((await tell(sidecar, 'heartbeat', { agent: 'a', status: 'idle' })).status, 202)
  const back = await again()
  await until('all tasks', async () => ((await agentsOf(back, key))[0]?.queuedTasks === TASKS_MAX ? true : null))
  t.equal((await tell(sidecar, 'tasks', tasks(TASKS_MAX))).status, 202)
})
