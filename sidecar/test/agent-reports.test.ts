import { HEARTBEAT_TASKS_MAX, type TaskReport } from '@agentcostcontrol/contract'
import t from 'tap'
import { createLocalApi } from '../agents/local-api.ts'
import { AGENTS_MAX, createAgentReports, type Heartbeat, TASKS_MAX } from '../agents/reports.ts'
import { createReadPrincipal } from '../principal.ts'

const heartbeat = (agent: string, over: Partial<Heartbeat> = {}): Heartbeat => ({
  agent,
  workflow: null,
  session: null,
  status: 'idle',
  cpuShare: null,
  memoryBytes: null,
  queueDepth: null,
  ...over,
})

const task = (taskId: string, over: Partial<TaskReport> = {}): TaskReport => ({
  agent: 'a',
  taskId,
  name: null,
  workflow: null,
  session: null,
  status: 'running',
  saidAt: '2026-11-24T12:00:00.000Z',
  queuedAt: null,
  startedAt: null,
  endedAt: null,
  errorCode: null,
  ...over,
})

/** Reports whose clock a test holds. */
function reportsFor({ keep = true } = {}) {
  const time = { ms: 0 }
  const clock = { nowMs: () => Date.UTC(2026, 10, 24, 12) + time.ms, monotonicMs: () => time.ms }
  return { time, clock, reports: createAgentReports({ clock, keep }) }
}

t.test('what comes while a message is on its way is told in the next one', async (t) => {
  const { reports, time } = reportsFor()
  reports.heartbeat(heartbeat('a'))
  reports.heartbeat(heartbeat('b'))
  reports.tasks([task('t-1'), task('t-2')])
  time.ms = 1_500
  const first = reports.next()
  t.match(first.agents, [{ agent: 'a', ageMs: 1_500 }, { agent: 'b' }])
  reports.heartbeat(heartbeat('a', { status: 'error' }))
  reports.tasks([task('t-1', { status: 'completed', endedAt: '2026-11-24T12:00:01.000Z' })])
  first.settle()
  const second = reports.next()
  t.match(second.agents, [{ agent: 'a', status: 'error', ageMs: 0 }])
  t.match(second.tasks, [{ taskId: 't-1', status: 'completed' }])
  second.settle()
  t.match(reports.next(), { agents: [], tasks: [] })
})

t.test('a task that has ended does not run again, however late it is told that it began', async (t) => {
  const { reports } = reportsFor()
  reports.tasks([task('t-1', { status: 'failed', errorCode: 'timeout' })])
  reports.tasks([
    task('t-1', { status: 'running', saidAt: '2026-11-24T13:00:00.000Z', startedAt: '2026-11-24T11:00:00.000Z' }),
  ])
  t.match(reports.next().tasks, [{ status: 'failed', errorCode: 'timeout', startedAt: '2026-11-24T11:00:00.000Z' }])
})

t.test(
  'there is room for so many agents and tasks: the oldest heartbeat gives way, tasks are refused, all of a call',
  async (t) => {
    const { reports } = reportsFor()
    for (let at = 0; at <= AGENTS_MAX; at++) reports.heartbeat(heartbeat(`agent-${at}`))
    reports.heartbeat(heartbeat('agent-1', { status: 'running' }))
    const { agents } = reports.next()
    t.equal(agents.length, AGENTS_MAX)
    t.notOk(agents.some(({ agent }) => agent === 'agent-0'))
    for (let at = 0; at < TASKS_MAX - 1; at++) t.ok(reports.tasks([task(`t-${at}`)]))
    t.notOk(reports.tasks([task('new-1'), task('new-2')]))
    t.ok(reports.tasks([task('t-0', { status: 'completed' }), task('new-1')]), 'one that is known takes no room')
    t.match(reports.stats(), { waitingTasks: TASKS_MAX, refusedTasks: 2, replacedAgents: 1 })
    let told = 0
    for (; reports.stats().waitingTasks > 0; told++) {
      const message = reports.next()
      t.ok(message.tasks.length <= HEARTBEAT_TASKS_MAX)
      message.settle()
    }
    t.equal(told, TASKS_MAX / HEARTBEAT_TASKS_MAX)
  },
)

t.test('where nobody is to be told, everything is counted and let go', async (t) => {
  const { reports } = reportsFor({ keep: false })
  for (let at = 0; at < 3 * TASKS_MAX; at++) t.ok(reports.tasks([task(`t-${at}`)]))
  reports.heartbeat(heartbeat('a'))
  t.match(reports.stats(), { heartbeats: 1, tasks: 3 * TASKS_MAX, waitingAgents: 0, waitingTasks: 0 })
})

const NOBODY = { agent: null, workflow: null, session: null, tags: {} }

t.test('who tells is decided as for requests: what is configured, then what is trusted, or nobody', async (t) => {
  const ask = (agent: string | null, trusted: readonly 'agent'[], named: string | null, header: string | null) => {
    const { reports, clock } = reportsFor()
    const config = { identity: { ...NOBODY, agent }, trustHeaders: new Set(trusted) }
    const local = createLocalApi({
      reports,
      clock,
      trustHeaders: config.trustHeaders,
      readPrincipal: createReadPrincipal(config),
    })
    const headers = header === null ? [] : ['X-Acc-Agent', header]
    const body = Buffer.from(JSON.stringify({ agent: named, status: 'idle' }))
    const answer = local({ method: 'POST', target: '/acc/v1/heartbeat', headers, body })
    return [answer.status, reports.next().agents[0]?.agent ?? JSON.parse(answer.body.toString()).code]
  }
  t.same(ask('own', ['agent'], 'named', 'header'), [202, 'own'])
  t.same(ask(null, ['agent'], 'named', 'header'), [202, 'header'])
  t.same(ask(null, ['agent'], 'named', null), [202, 'named'])
  t.same(ask(null, [], 'named', 'header'), [400, 'acc_report_agent_unknown'])
  t.same(ask(null, ['agent'], null, null), [400, 'acc_report_agent_unknown'])
  t.same(ask(null, ['agent'], null, ''), [400, 'acc_report_invalid'])
})

t.test(
  'one task may be the body itself, and a mistake is named where it stands, never with what was sent',
  async (t) => {
    const { reports, clock } = reportsFor()
    const config = { identity: { ...NOBODY, agent: 'a' }, trustHeaders: new Set<'agent'>() }
    const local = createLocalApi({
      reports,
      clock,
      trustHeaders: config.trustHeaders,
      readPrincipal: createReadPrincipal(config),
    })
    const ask = (json: unknown) => {
      const body = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json))
      const answer = local({ method: 'POST', target: '/acc/v1/tasks?x=1', headers: [], body })
      return { status: answer.status, ...JSON.parse(answer.body.toString()) }
    }
    t.match(ask({ taskId: 't-1', status: 'queued' }), { status: 202, accepted: 1 })
    t.match(
      ask({
        tasks: [{ taskId: 't-2', status: 'failed', errorCode: 'timeout', startedAt: '2026-11-24T13:00:00+01:00' }],
      }),
      { accepted: 1 },
    )
    t.match(reports.next().tasks, [
      { taskId: 't-1', queuedAt: '2026-11-24T12:00:00.000Z', startedAt: null, endedAt: null },
      {
        taskId: 't-2',
        startedAt: '2026-11-24T12:00:00.000Z',
        endedAt: '2026-11-24T12:00:00.000Z',
        errorCode: 'timeout',
      },
    ])
    const told: readonly (readonly [unknown, RegExp])[] = [
      [{ taskId: 't-1', status: 'secret-word' }, /^status: /],
      [
        {
          tasks: [
            { taskId: 't-1', status: 'queued' },
            { taskId: 'secret-word\n', status: 'queued' },
          ],
        },
        /^tasks\.1\.taskId: /,
      ],
      [{ tasks: [] }, /^tasks: /],
      ['{"secret-word', /^The body must be a JSON object/],
      ['', /^The body must be a JSON object/],
      ['"secret-word"', /^the body: /],
      ['null', /^the body: /],
      ['[]', /^taskId: /],
    ]
    for (const [body, message] of told) {
      const answer = ask(body)
      t.match(answer, { status: 400, code: 'acc_report_invalid', message }, JSON.stringify(body))
      t.notMatch(answer.message, 'secret-word')
    }
  },
)
