import { randomUUID } from 'node:crypto'
import { mergeTasks, TASK_STATUSES, type TaskReport } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { createAgentService } from '../agents/service.ts'
import { sidecarRepository } from '../sidecars/repository.ts'
import { createSidecarService } from '../sidecars/service.ts'
import { createReadService } from '../usage/read-service.ts'
import { AGENTS, agentReport, heartbeatOf, taskReport } from './support/agents.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { INSTANCE } from './support/events.ts'

const newDatabase = await clusterFor(t)
const { database, owner } = await databaseFor(t, await newDatabase())
const EVERY = { agent: null, status: null, workflow: null }

/** An organisation with a service of its own, whose clock a test holds. */
async function organisation(over: Partial<Parameters<typeof createAgentService>[0]> = {}) {
  const orgId = randomUUID()
  await database.inOrg(orgId, (tx) => tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`)
  const clock = { nowMs: () => time.nowMs }
  const time = { nowMs: Date.now() }
  const agents = createAgentService({ ...AGENTS, database, read: createReadService({ database }), clock, ...over })
  const admin = { kind: 'admin', orgId, keyId: '' } as const
  const sidecar = (instanceId = INSTANCE) => ({ kind: 'sidecar', orgId, keyId: '', instanceId }) as const
  return { orgId, agents, admin, sidecar, time }
}

const instant = fc.integer({ min: 0, max: 3 }).map((second) => `2026-11-24T12:00:0${second}.000Z`)
const some = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 2 })
const report: fc.Arbitrary<TaskReport> = fc.record({
  agent: fc.constantFrom('a', 'B'),
  taskId: fc.constantFrom('t-1', 'T-2', 't'),
  name: some(fc.constantFrom('x', 'é', 'Z', '\u{1f600}', '\uffee')),
  workflow: some(fc.constantFrom('w', 'W')),
  session: some(fc.constantFrom('s', 'S')),
  status: fc.constantFrom(...TASK_STATUSES),
  saidAt: instant,
  queuedAt: some(instant),
  startedAt: some(instant),
  endedAt: some(instant),
  errorCode: some(fc.constantFrom('timeout', 'Timeout')),
})
const messages = fc.array(fc.array(report, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 6 })

t.test(
  'tasks told by two sidecars at once, in any order and again, end as if they had been told in order, and never go back',
  async (t) => {
    await fc.assert(
      fc.asyncProperty(messages, async (batches) => {
        const { orgId, agents, sidecar } = await organisation()
        const all = [...batches, ...batches.toReversed()]
        await Promise.all(
          [0, 1].map(async (half) => {
            for (const [at, tasks] of all.entries())
              if (at % 2 === half)
                await agents.heartbeat(sidecar(half === 0 ? INSTANCE : randomUUID()), heartbeatOf({ tasks }))
          }),
        )
        const expected = new Map<string, TaskReport>()
        for (const task of batches.flat()) {
          const key = `${task.agent} ${task.taskId}`
          const known = expected.get(key)
          expected.set(key, known ? mergeTasks(known, task) : task)
        }
        const rows = await owner<TaskReport[]>`
          SELECT agent, task_id AS "taskId", name, workflow, session, status, error_code AS "errorCode",
            to_char(said_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "saidAt",
            to_char(queued_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "queuedAt",
            to_char(started_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "startedAt",
            to_char(ended_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "endedAt"
          FROM acc.agent_tasks WHERE org_id = ${orgId}`
        const found = new Map(rows.map((row) => [`${row.agent} ${row.taskId}`, { ...row }]))
        t.same(found, expected)
      }),
      { numRuns: 40 },
    )
  },
)

t.test(
  'a message that is late says nothing of how a sidecar and its agents are now, but its tasks count',
  async (t) => {
    const { agents, admin, sidecar } = await organisation()
    const bootId = randomUUID()
    const of = (seq: number, status: 'idle' | 'error', taskId: string) => {
      const { sidecar: figures } = heartbeatOf()
      return heartbeatOf({
        bootId,
        seq,
        sidecar: { ...figures, unsentEvents: seq },
        agents: [agentReport({ status })],
        tasks: [taskReport({ taskId })],
      })
    }
    t.same(await agents.heartbeat(sidecar(), of(2, 'idle', 'second')), { seq: 2 })
    t.same(await agents.heartbeat(sidecar(), of(1, 'error', 'first')), { seq: 1 })
    t.same(await agents.heartbeat(sidecar(), of(2, 'error', 'second')), { seq: 2 })
    t.match((await agents.agents(admin, null, 50)).agents, [{ agent: 'researcher', status: 'idle', instances: 1 }])
    t.equal((await agents.sidecars(admin, [INSTANCE])).get(INSTANCE)?.unsentEvents, 2)
    t.same(
      (await agents.tasks(admin, EVERY, null, 50)).tasks.map(({ taskId }) => taskId),
      ['first', 'second'],
    )
    // After a start again it counts from one.
    await agents.heartbeat(sidecar(), heartbeatOf({ seq: 1, agents: [agentReport({ status: 'paused' })] }))
    t.match((await agents.agents(admin, null, 50)).agents, [{ status: 'paused' }])
  },
)

t.test('a sidecar is shown with the figures that it told last, and with none before', async (t) => {
  const { orgId, agents, admin, sidecar } = await organisation()
  const policies = { generation: async () => 0, revisions: async () => new Map<number, string>() }
  const sidecars = createSidecarService({ database, policies, agents })
  const heard = [INSTANCE, randomUUID()].map((instanceId) => ({ instanceId, generation: 0, refused: null }))
  await database.inOrg(orgId, (tx) => sidecarRepository.hear(tx, heard))
  await agents.heartbeat(sidecar(), heartbeatOf())
  const page = await sidecars.list(admin, null, null, 50)
  t.match(page.sidecars.find(({ instanceId }) => instanceId === INSTANCE)?.figures, {
    version: '0.1.0',
    unsentEvents: 3,
    requestsInFlight: 4,
    cpuShare: 0.1,
  })
  t.equal(page.sidecars.find(({ instanceId }) => instanceId !== INSTANCE)?.figures, null)
})

t.test('an agent is silent when it was not heard of for a while, however late its sidecar told so', async (t) => {
  const { agents, admin, sidecar } = await organisation()
  const [one, two] = [randomUUID(), randomUUID()]
  await agents.heartbeat(
    sidecar(one),
    heartbeatOf({ agents: [agentReport({ ageMs: 61_000 }), agentReport({ agent: 'b' })] }),
  )
  const { agents: found } = await agents.agents(admin, null, 50)
  t.match(found, [
    { agent: 'b', status: 'running' },
    { agent: 'researcher', status: 'silent', runningTasks: 1, queuedTasks: 0, costTodayNanoUsd: '0' },
  ])
  await agents.heartbeat(sidecar(two), heartbeatOf({ agents: [agentReport({ ageMs: 30_000, status: 'idle' })] }))
  const [, again] = (await agents.agents(admin, null, 50)).agents
  t.match(again, {
    status: 'idle',
    instances: 2,
    heartbeats: [
      { instanceId: two, status: 'idle' },
      { instanceId: one, status: 'silent' },
    ],
  })
})

t.test('pages of agents and tasks show each once, narrowed as asked', async (t) => {
  const { agents, admin, sidecar } = await organisation()
  const names = Array.from({ length: 7 }, (_, at) => `agent-${at}`)
  await agents.heartbeat(
    sidecar(),
    heartbeatOf({
      agents: names.map((agent) => agentReport({ agent })),
      tasks: names.map((agent, at) =>
        taskReport({ agent, taskId: `t-${at}`, status: at % 2 === 0 ? 'queued' : 'failed' }),
      ),
    }),
  )
  const walk = async <Page extends { readonly nextCursor: string | null }>(
    next: (cursor: string | null) => Promise<Page>,
  ) => {
    const pages = [await next(null)]
    for (let cursor = pages[0]?.nextCursor ?? null; cursor !== null; cursor = pages.at(-1)?.nextCursor ?? null)
      pages.push(await next(cursor))
    return pages
  }
  const agentPages = await walk((cursor) => agents.agents(admin, cursor, 3))
  t.same(
    agentPages.flatMap((page) => page.agents.map(({ agent }) => agent)),
    names,
  )
  const taskPages = await walk((cursor) => agents.tasks(admin, EVERY, cursor, 3))
  t.same(taskPages.flatMap((page) => page.tasks.map(({ agent }) => agent)).sort(), names)
  t.equal((await agents.tasks(admin, { ...EVERY, status: 'failed' }, null, 50)).tasks.length, 3)
  t.equal((await agents.tasks(admin, { ...EVERY, agent: 'agent-1' }, null, 50)).tasks.length, 1)
  t.equal((await agents.tasks(admin, { ...EVERY, workflow: 'none' }, null, 50)).tasks.length, 0)
  for (const cursor of ['', '%', Buffer.from('not a number').toString('base64url')])
    await t.rejects(agents.tasks(admin, EVERY, cursor, 3), { code: 'acc_api_invalid' }, cursor)
})

t.test(
  'what was not heard of for the days that are kept is deleted, once an hour, of its organisation alone',
  async (t) => {
    const forgotten: unknown[] = []
    const one = await organisation({ keepDays: 2, onForgotten: (rows) => forgotten.push(rows) })
    const other = await organisation()
    const told = (instanceId: string) =>
      heartbeatOf({ agents: [agentReport()], tasks: [taskReport({ taskId: instanceId })] })
    const [old, fresh] = [randomUUID(), randomUUID()]
    for (const { agents, sidecar } of [one, other])
      for (const id of [old, fresh]) await agents.heartbeat(sidecar(id), told(id))
    for (const table of ['agent_tasks', 'agent_heartbeats', 'sidecar_heartbeats'])
      await owner`UPDATE ${owner(`acc.${table}`)} SET heard_at = now() - interval '49 hours' WHERE instance_id = ${old}`
    await one.agents.heartbeat(one.sidecar(fresh), told(fresh))
    t.same(forgotten, [0], 'not twice in an hour')
    one.time.nowMs += 3_600_000
    await one.agents.heartbeat(one.sidecar(fresh), told(fresh))
    t.same(forgotten, [0, 3])
    t.same(
      (await one.agents.tasks(one.admin, EVERY, null, 50)).tasks.map(({ taskId }) => taskId),
      [fresh],
    )
    t.equal((await one.agents.sidecars(one.admin, [old, fresh])).size, 1)
    t.equal((await other.agents.tasks(other.admin, EVERY, null, 50)).tasks.length, 2)
  },
)
