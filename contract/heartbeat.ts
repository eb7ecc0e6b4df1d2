/**
 * What agents tell of themselves and of their tasks: to the sidecar beside them, and from there, with the sidecar's own
 * figures, to the control plane.
 */
import * as z from 'zod'

/** What an agent may say that it does. */
export const AGENT_STATUSES = ['starting', 'idle', 'running', 'paused', 'error', 'stopping'] as const
/** One of {@link AGENT_STATUSES}. */
export type AgentStatus = (typeof AGENT_STATUSES)[number]

/** What a task can be: it waits, it runs, or it has ended. */
export const TASK_STATUSES = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const
/** One of {@link TASK_STATUSES}. */
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** Most bytes in the body of one call of an agent. */
export const REPORT_BYTES_MAX = 256 * 1024
/** Most tasks in one call of an agent. */
export const REPORT_TASKS_MAX = 100
/** Most agents that one message of a sidecar tells of. */
export const HEARTBEAT_AGENTS_MAX = 128
/** Most tasks that one message of a sidecar tells of. */
export const HEARTBEAT_TASKS_MAX = 250
/** Most bytes in one message of a sidecar: that many of both, with names as long as they may be. */
export const HEARTBEAT_BYTES_MAX = 4 * 1024 * 1024

/** A name as the sidecar's configuration takes it; PostgreSQL holds no NUL and no half of a surrogate pair. */
const name = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,253}$/u, 'expected 1 to 253 characters without control characters')
const code = z.string().regex(/^[\w.:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ . : -')
/** Processors kept busy: 1 is one whole core. */
const cpuShare = z.number().min(0).max(4_096)
const bytes = z.int().min(0)
const depth = z.int().min(0)

const YEARS = /^20[2-9]\d-/
/** Empty for what is no time at all. */
const inUtc = (at: string): string => (Number.isNaN(Date.parse(at)) ? '' : new Date(at).toISOString())
const instant = z.iso
  .datetime({ offset: true, error: 'expected RFC 3339, like 2026-11-24T12:00:00Z' })
  .refine((at) => YEARS.test(inUtc(at)), 'expected a time from 2020 to 2099')
/** The same as it travels between the planes: in UTC, with milliseconds. */
const utc = z.iso
  .datetime({ precision: 3, error: 'expected RFC 3339 UTC with milliseconds' })
  .refine((at) => YEARS.test(at), 'expected a time from 2020 to 2099')

/** `POST /acc/v1/heartbeat`: how an agent is. A member that is `null` is the same as one that is not there. */
export const agentHeartbeatSchema = z.strictObject({
  agent: name.nullish().describe('used where the sidecar is not told who the agent is, and trusts it to say so'),
  status: z.enum(AGENT_STATUSES),
  cpuShare: cpuShare.nullish().describe('processors kept busy: 1 is one whole core'),
  memoryBytes: bytes.nullish(),
  queueDepth: depth.nullish().describe('tasks that wait in the agent'),
})

/** A task of `POST /acc/v1/tasks`. */
export const agentTaskSchema = z
  .strictObject({
    taskId: name.describe('the same as in the header x-acc-task of its requests; never used for another task'),
    name: name.nullish(),
    status: z.enum(TASK_STATUSES),
    queuedAt: instant.nullish(),
    startedAt: instant.nullish(),
    endedAt: instant.nullish(),
    errorCode: code.nullish().describe('what it failed with, never a text of it'),
  })
  .refine((task) => task.endedAt == null || hasEnded(task.status), {
    path: ['endedAt'],
    message: 'expected only with completed, failed or cancelled',
  })
  .refine((task) => task.errorCode == null || task.status === 'failed' || task.status === 'cancelled', {
    path: ['errorCode'],
    message: 'expected only with failed or cancelled',
  })

/** `POST /acc/v1/tasks` with several; one alone may be the body itself, with `agent` beside its members. */
export const agentTasksSchema = z.strictObject({
  agent: name.nullish(),
  tasks: z.array(agentTaskSchema).min(1).max(REPORT_TASKS_MAX),
})

/** How an agent is, as its sidecar passes it on. */
export const agentReportSchema = z.object({
  agent: name,
  workflow: name.nullable(),
  session: name.nullable(),
  status: z.enum(AGENT_STATUSES),
  cpuShare: cpuShare.nullable(),
  memoryBytes: bytes.nullable(),
  queueDepth: depth.nullable(),
  ageMs: z.int().min(0).max(1e12).describe('how long ago the agent said so: no clocks are compared'),
})

/** What is known of a task, as its sidecar passes it on. Its times are those of the agent's machine. */
export const taskReportSchema = z.object({
  agent: name,
  taskId: name,
  name: name.nullable(),
  workflow: name.nullable(),
  session: name.nullable(),
  status: z.enum(TASK_STATUSES),
  saidAt: utc.describe('when the sidecar was told of this status'),
  queuedAt: utc.nullable(),
  startedAt: utc.nullable(),
  endedAt: utc.nullable(),
  errorCode: code.nullable(),
})

/** The sidecar itself. */
export const sidecarFiguresSchema = z.object({
  version: z.string().max(64),
  nodeVersion: z.string().max(64),
  startedAt: utc,
  cpuShare,
  memoryBytes: bytes,
  eventLoopDelayMs: z.number().min(0).max(1e9).describe('99th percentile since the last message'),
  unsentEvents: depth.describe('events that the control plane has not stored yet'),
  queuedScans: depth,
  leaseWaits: depth.describe('requests that wait for money'),
  requestsInFlight: depth,
})

/**
 * `POST /sidecar/v1/heartbeat`: the sidecar's own figures, and what agents told it since the last message that was taken.
 * It is sent again, with what came in between and under the next number, until it is answered.
 */
export const sidecarHeartbeatSchema = z.object({
  bootId: z.uuid().describe('made at each start of the sidecar'),
  seq: z.int().min(1).describe('counts the messages of one start: what comes later with a smaller one is older'),
  sidecar: sidecarFiguresSchema,
  agents: z.array(agentReportSchema).max(HEARTBEAT_AGENTS_MAX),
  tasks: z.array(taskReportSchema).max(HEARTBEAT_TASKS_MAX),
})

/** The answer: said when all of it is in the database. */
export const sidecarHeartbeatAnswerSchema = z.strictObject({ seq: z.int().min(1).describe('of the message') })

/** How an agent is, as its sidecar passes it on. */
export type AgentReport = z.infer<typeof agentReportSchema>
/** What is known of a task. */
export type TaskReport = z.infer<typeof taskReportSchema>
/** The sidecar's own figures. */
export type SidecarFigures = z.infer<typeof sidecarFiguresSchema>
/** A message. */
export type SidecarHeartbeat = z.infer<typeof sidecarHeartbeatSchema>
/** The answer to a message. */
export type SidecarHeartbeatAnswer = z.infer<typeof sidecarHeartbeatAnswerSchema>

const PHASE: Readonly<Record<TaskStatus, number>> = { queued: 0, running: 1, completed: 2, failed: 2, cancelled: 2 }

/** How far a task is: 0 it waits, 1 it runs, 2 it has ended. It never goes back. */
export const taskPhase = (status: TaskStatus): number => PHASE[status]

const hasEnded = (status: TaskStatus): boolean => PHASE[status] === 2

/**
 * What two reports of one task say together, in whatever order they came and however often: the status that is further,
 * of two as far the one that was said later; the earliest times of its beginning. So whoever has heard the same reports
 * knows the same (commutative, associative, idempotent). control-plane/agents/repository.ts says the same in SQL.
 */
export function mergeTasks(one: TaskReport, other: TaskReport): TaskReport {
  return {
    ...(isFurther(one, other) ? one : other),
    name: greater(one.name, other.name),
    workflow: greater(one.workflow, other.workflow),
    session: greater(one.session, other.session),
    queuedAt: earlier(one.queuedAt, other.queuedAt),
    startedAt: earlier(one.startedAt, other.startedAt),
  }
}

function isFurther(one: TaskReport, other: TaskReport): boolean {
  const phases = PHASE[one.status] - PHASE[other.status]
  if (phases !== 0) return phases > 0
  return orderOf(one) > orderOf(other)
}

/** All of it is ASCII, without the character between: as text it is in the order of its parts, and so it is in SQL. */
const orderOf = ({ saidAt, status, endedAt, errorCode }: TaskReport): string =>
  [saidAt, status, endedAt ?? '', errorCode ?? ''].join('\u0001')

/** By bytes, as PostgreSQL's collation "C" has it. */
function greater(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other
  return Buffer.compare(Buffer.from(one), Buffer.from(other)) >= 0 ? one : other
}

const earlier = (one: string | null, other: string | null): string | null =>
  one === null || (other !== null && other < one) ? other : one
