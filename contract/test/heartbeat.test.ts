import fc from 'fast-check'
import t from 'tap'
import {
  agentHeartbeatSchema,
  agentTaskSchema,
  mergeTasks,
  TASK_STATUSES,
  type TaskReport,
  taskPhase,
  taskReportSchema,
} from '../index.ts'

const instant = fc.integer({ min: 0, max: 3 }).map((second) => `2026-11-24T12:00:0${second}.000Z`)
const some = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 2 })
/** Reports of one task, with few values, so that they meet. */
const report: fc.Arbitrary<TaskReport> = fc.record({
  agent: fc.constant('a'),
  taskId: fc.constant('t'),
  name: some(fc.constantFrom('x', 'é', '\u{1f600}', '\uffee')),
  workflow: some(fc.constantFrom('w', 'W')),
  session: some(fc.constantFrom('s', 'S')),
  status: fc.constantFrom(...TASK_STATUSES),
  saidAt: instant,
  queuedAt: some(instant),
  startedAt: some(instant),
  endedAt: some(instant),
  errorCode: some(fc.constantFrom('timeout', 'Timeout')),
})

t.test(
  'in whatever order and however often a task is told of, the same is known, and it never goes back',
  async (t) => {
    fc.assert(
      fc.property(report, report, report, (a, b, c) => {
        t.same(mergeTasks(a, b), mergeTasks(b, a), 'the order does not count')
        t.same(mergeTasks(mergeTasks(a, b), c), mergeTasks(a, mergeTasks(b, c)), 'nor which two came first')
        t.same(mergeTasks(a, a), a, 'nor how often')
        const known = mergeTasks(a, b)
        t.ok(taskPhase(known.status) >= Math.max(taskPhase(a.status), taskPhase(b.status)))
        taskReportSchema.parse(known)
      }),
    )
  },
)

t.test('what cannot be meant is refused by its name', async (t) => {
  const task = { taskId: 't-1', status: 'running' }
  const wrong: readonly (readonly [object, string])[] = [
    [{ ...task, taskId: '' }, 'taskId'],
    [{ ...task, taskId: 'a\nb' }, 'taskId'],
    [{ ...task, taskId: '\ud800' }, 'taskId'],
    [{ ...task, taskId: 'x'.repeat(254) }, 'taskId'],
    [{ ...task, status: 'done' }, 'status'],
    [{ ...task, endedAt: '2026-11-24T12:00:00Z' }, 'endedAt'],
    [{ ...task, errorCode: 'timeout' }, 'errorCode'],
    [{ ...task, status: 'failed', errorCode: 'a text of somebody' }, 'errorCode'],
    [{ ...task, startedAt: 'yesterday' }, 'startedAt'],
    [{ ...task, startedAt: '0000-01-01T00:00:00Z' }, 'startedAt'],
    [{ ...task, startedAt: '2019-12-31T23:59:59Z' }, 'startedAt'],
  ]
  for (const [body, member] of wrong)
    t.same(agentTaskSchema.safeParse(body).error?.issues[0]?.path, [member], JSON.stringify(body))
  t.ok(agentTaskSchema.safeParse({ ...task, startedAt: '2026-11-24T13:00:00+01:00', name: null }).success)
  for (const body of [
    {},
    { status: 'happy' },
    { status: 'idle', cpuShare: -1 },
    { status: 'idle', memoryBytes: 0.5 },
    [],
  ])
    t.notOk(agentHeartbeatSchema.safeParse(body).success, JSON.stringify(body))
  t.match(agentHeartbeatSchema.safeParse({ status: 'idle', prompt: 'x' }).error?.issues[0]?.message, /prompt/)
})
