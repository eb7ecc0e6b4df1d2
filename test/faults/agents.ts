import { type Edit, edit, type Fault } from './fault.ts'

const REPOSITORY = 'control-plane/agents/repository.ts'
const REPORTS = 'sidecar/agents/reports.ts'
const LOCAL = 'sidecar/agents/local-api.ts'

const fault =
  (test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `agents: ${name}`,
    edits,
    test,
    only: [only],
  })

const rule = fault('contract/test/heartbeat.test.ts')
const stored = fault('control-plane/test/agents.test.ts')
const reports = fault('sidecar/test/agent-reports.test.ts')
const told = fault('sidecar/test/heartbeats.test.ts')
const whole = fault('test/integration/heartbeats.test.ts')

/** What agents and sidecars tell of themselves. */
export const AGENTS: readonly Fault[] = [
  rule(
    'what is said later counts, however far it is',
    'in whatever order',
    edit('contract/heartbeat.ts', '  if (phases !== 0) return phases > 0\n', ''),
  ),
  rule(
    'a time that is none is looked at',
    'what cannot be meant',
    edit('contract/heartbeat.ts', "Number.isNaN(Date.parse(at)) ? '' : ", ''),
  ),
  stored('a task runs again in the database', 'tasks told by two sidecars', [
    ...edit(REPOSITORY, '(excluded.phase, excluded.said_at,', '(excluded.said_at,'),
    ...edit(REPOSITORY, '(known.phase, known.said_at,', '(known.said_at,'),
  ]),
  stored(
    'the last that is stored of a task counts',
    'tasks told by two sidecars',
    edit(REPOSITORY, 'THEN excluded.status ELSE known.status', 'THEN excluded.status ELSE excluded.status'),
  ),
  stored(
    'a late message says how a sidecar is now',
    'a message that is late',
    edit(REPOSITORY, 'WHERE known.boot_id <> excluded.boot_id OR known.seq < excluded.seq', 'WHERE true'),
  ),
  stored(
    'a late message says how agents are now',
    'a message that is late',
    edit('control-plane/agents/service.ts', 'if (isNewer && agents.length', 'if (agents.length'),
  ),
  stored(
    'a heartbeat that was long on its way is a new one',
    'an agent is silent',
    edit(REPOSITORY, `now() - "ageMs" * interval '1 millisecond'`, 'now()'),
  ),
  stored(
    'nothing is ever deleted',
    'what was not heard of for the days',
    edit(REPOSITORY, "interval '1 day'", "interval '1 year'"),
  ),
  reports(
    'what came while a message was on its way is forgotten with it',
    'what comes while a message',
    edit(REPORTS, 'if (tasks.get(keyOf(task)) === task) tasks', 'tasks'),
  ),
  reports(
    'tasks wait without a bound',
    'there is room for so many',
    edit(REPORTS, 'if (tasks.size + keys.size > TASKS_MAX)', 'if (tasks.size > 2 * TASKS_MAX)'),
  ),
  reports(
    'an agent that is not trusted names itself in the body',
    'who tells is decided',
    edit(LOCAL, "(trustHeaders.has('agent') ? (named ?? null) : null)", '(named ?? null)'),
  ),
  told(
    'a message that is never taken is told for ever',
    'a message that will never be taken',
    edit('sidecar/control/heartbeats.ts', 'if (!isRefusal(error)) {', 'if (isRefusal !== error) {'),
  ),
  told(
    'an answer to something else counts as one',
    'what was not answered',
    edit('sidecar/control/heartbeats.ts', 'if (answer.seq !== seq)', 'if (answer.seq < seq)'),
  ),
  whole('reports go to the provider', 'standing alone', edit(LOCAL, 'target.startsWith(BASE)', 'target === BASE')),
]
