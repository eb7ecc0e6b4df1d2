/**
 * The paths that a sidecar answers itself: `POST /acc/v1/heartbeat` and `POST /acc/v1/tasks`, by which agents tell of
 * themselves. No part of the pipeline: nothing of them is inspected, billed, recorded as an event or sent to a provider.
 */
import {
  agentHeartbeatSchema,
  agentTasksSchema,
  type Code,
  type Principal,
  REPORT_BYTES_MAX,
  type ReportCode,
  type TaskReport,
} from '@agentcostcontrol/contract'
import type * as z from 'zod'
import type { Clock } from '../clock.ts'
import type { SidecarConfig } from '../config.ts'
import { statusOf } from '../errors.ts'
import { type Denial, isDenial } from '../exchange.ts'
import type { ReadPrincipal } from '../principal.ts'
import type { AgentReports } from './reports.ts'

/** A call of an agent, read. */
export interface LocalCall {
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** Or why the listener refused it. */
  readonly body: Buffer | Denial
}

/** The answer, JSON. */
export interface LocalAnswer {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** Answers what agents tell. Never throws. */
export type LocalApi = (call: LocalCall) => LocalAnswer

/** What the local API needs. */
export interface LocalApiOptions {
  readonly reports: AgentReports
  readonly readPrincipal: ReadPrincipal
  readonly trustHeaders: SidecarConfig['trustHeaders']
  readonly clock: Clock
}

const BASE = '/acc/'

/** Whether a path is the sidecar's own. Asked of every request: it looks at five characters. */
export const isLocal = (target: string): boolean => target.startsWith(BASE)

const STATUS: Readonly<Record<ReportCode, number>> = {
  acc_report_invalid: 400,
  acc_report_agent_unknown: 400,
  acc_report_path_unknown: 404,
  acc_report_tasks_full: 503,
}

/** Every code with its status; docs/agents.md is held to it. */
export const REPORT_CATALOGUE: readonly { readonly code: string; readonly status: number }[] = Object.entries(
  STATUS,
).map(([code, status]) => ({ code, status }))

/** A refusal that is a value on its way to the answer. */
class Refusal {
  readonly code: ReportCode
  readonly message: string
  constructor(code: ReportCode, message: string) {
    this.code = code
    this.message = message
  }
}

const UNKNOWN_AGENT = new Refusal(
  'acc_report_agent_unknown',
  'Nobody says which agent this is: set ACC_AGENT, or let ACC_TRUST_HEADERS name "agent" and send x-acc-agent or the member "agent".',
)
const FULL = new Refusal(
  'acc_report_tasks_full',
  'Too many tasks wait to be told to the control plane; none of these was taken. Send them again later.',
)

/** Makes the local API. */
export function createLocalApi({ reports, readPrincipal, trustHeaders, clock }: LocalApiOptions): LocalApi {
  /** The rules are those of requests; a member of the body counts as much as the header, and less where both are there. */
  function who(headers: readonly string[], named: string | null | undefined): Principal | Refusal {
    const principal = readPrincipal(headers)
    if (isDenial(principal)) return new Refusal('acc_report_invalid', principal.message)
    return { ...principal, agent: principal.agent ?? (trustHeaders.has('agent') ? (named ?? null) : null) }
  }

  function heartbeat(json: unknown, headers: readonly string[]): number | Refusal {
    const { data, error } = agentHeartbeatSchema.safeParse(json)
    if (error) return invalid(error)
    const principal = who(headers, data.agent)
    if (principal instanceof Refusal) return principal
    const { agent, workflow, session } = principal
    if (agent === null) return UNKNOWN_AGENT
    const { status, cpuShare = null, memoryBytes = null, queueDepth = null } = data
    reports.heartbeat({ agent, workflow, session, status, cpuShare, memoryBytes, queueDepth })
    return 1
  }

  function tasks(json: unknown, headers: readonly string[]): number | Refusal {
    const read = readTasks(json)
    if (read instanceof Refusal) return read
    const principal = who(headers, read.agent)
    if (principal instanceof Refusal) return principal
    const { agent, workflow, session } = principal
    if (agent === null) return UNKNOWN_AGENT
    const saidAt = new Date(clock.nowMs()).toISOString()
    const whose = { agent, workflow, session, saidAt }
    return reports.tasks(read.tasks.map((task) => reportOf(task, whose))) ? read.tasks.length : FULL
  }

  const paths: Readonly<Record<string, (json: unknown, headers: readonly string[]) => number | Refusal>> = {
    '/acc/v1/heartbeat': heartbeat,
    '/acc/v1/tasks': tasks,
  }

  return ({ method, target, headers, body }) => {
    if (isDenial(body)) return denied(body)
    const handle = paths[target.split('?', 1)[0] ?? '']
    if (!handle || method !== 'POST')
      return refused(new Refusal('acc_report_path_unknown', `Here are POST ${Object.keys(paths).join(' and POST ')}.`))
    const json = parse(body)
    const result = json instanceof Refusal ? json : handle(json.value, headers)
    return result instanceof Refusal ? refused(result) : answer(202, { accepted: result })
  }
}

function parse(body: Buffer): { readonly value: unknown } | Refusal {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) }
  } catch {
    return new Refusal('acc_report_invalid', 'The body must be a JSON object in UTF-8.')
  }
}

type AgentTasks = z.infer<typeof agentTasksSchema>

function readTasks(json: unknown): AgentTasks | Refusal {
  if (typeof json === 'object' && json !== null && !('tasks' in json)) {
    const { agent, ...task } = { agent: undefined, ...json }
    const read = agentTasksSchema.safeParse({ agent, tasks: [task] })
    return read.error ? invalid(read.error, 2) : read.data
  }
  const read = agentTasksSchema.safeParse(json)
  return read.error ? invalid(read.error) : read.data
}

/** Where a time is not told, the moment of the telling stands for it. */
function reportOf(
  task: AgentTasks['tasks'][number],
  whose: Pick<TaskReport, 'agent' | 'workflow' | 'session' | 'saidAt'>,
): TaskReport {
  const { taskId, name = null, status, errorCode = null } = task
  const told = (at: string | null | undefined, isNow: boolean): string | null =>
    at == null ? (isNow ? whose.saidAt : null) : new Date(at).toISOString()
  return {
    ...whose,
    taskId,
    name,
    status,
    queuedAt: told(task.queuedAt, status === 'queued'),
    startedAt: told(task.startedAt, status === 'running'),
    endedAt: told(task.endedAt, status !== 'queued' && status !== 'running'),
    errorCode,
  }
}

/** Names members and says what is expected; never quotes what was sent. @param skip members of a path that were put there */
function invalid(error: z.ZodError, skip = 0): Refusal {
  const [issue] = error.issues
  const path = (issue?.path ?? []).slice(issue?.path[0] === 'tasks' ? skip : 0).join('.')
  return new Refusal('acc_report_invalid', `${path || 'the body'}: ${(issue?.message ?? '').slice(0, 300)}`)
}

const RETRY_AFTER = ['retry-after', '5'] as const

const refused = ({ code, message }: Refusal): LocalAnswer =>
  answer(STATUS[code], { code, message }, STATUS[code] === 503 ? RETRY_AFTER : [])

function denied({ code, message, retryAfterS }: Denial): LocalAnswer {
  const told = code === 'acc_body_too_large' ? `The body exceeds ${REPORT_BYTES_MAX} bytes.` : message
  const headers = retryAfterS === null ? [] : ['retry-after', String(retryAfterS)]
  return answer(statusOf(code), { code, message: told }, headers)
}

function answer(
  status: number,
  told: { readonly accepted: number } | { readonly code: Code | ReportCode; readonly message: string },
  extra: readonly string[] = [],
): LocalAnswer {
  const body = Buffer.from(`${JSON.stringify(told)}\n`)
  const length = ['content-type', 'application/json', 'content-length', String(body.length)]
  return { status, headers: [...length, ...extra], body }
}
