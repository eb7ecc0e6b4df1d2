import {
  AGENT_STATUSES,
  HEARTBEAT_BYTES_MAX,
  sidecarHeartbeatAnswerSchema,
  sidecarHeartbeatSchema,
  TASK_STATUSES,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, SIDECAR } from '../api.ts'
import { ApiError } from '../errors.ts'
import type { AgentService } from './service.ts'
import { agentStateAnswer } from './state-routes.ts'

const name = z.string().nullable()
const count = z.number().describe('a whole number')
const cursor = z.string().max(1_400).optional().describe('`nextCursor` of the page before')
const nextCursor = z.string().nullable().describe('`null` on the last page')
const limit = z.coerce.number().int().min(1).max(200).default(50)
const status = z.enum([...AGENT_STATUSES, 'silent']).describe('`silent`: not heard of for a while')

const agent = z.object({
  agent: z.string(),
  status,
  lastHeardAt: name.describe('by the clock of the database; `null`: never'),
  control: agentStateAnswer.nullable().describe('what people hold it to; `null`: nobody said anything for a while'),
  instances: count,
  queuedTasks: count,
  runningTasks: count,
  requestsToday: count.describe('since midnight UTC'),
  costTodayNanoUsd: z.string().describe('nano-USD, a decimal integer'),
  heartbeats: z
    .array(
      z.object({
        instanceId: z.uuid().describe('of its sidecar'),
        lastHeardAt: z.string(),
        status,
        workflow: name,
        session: name,
        cpuShare: z.number().nullable().describe('processors kept busy: 1 is one whole core'),
        memoryBytes: z.number().nullable(),
        queueDepth: z.number().nullable(),
      }),
    )
    .describe('of each sidecar that it is behind, the 20 that were heard of last'),
})

const task = z.object({
  agent: z.string(),
  taskId: z.string(),
  name,
  workflow: name,
  session: name,
  status: z.enum(TASK_STATUSES),
  errorCode: name,
  queuedAt: name.describe('this and the next two by the clock of the agent’s machine'),
  startedAt: name,
  endedAt: name,
  lastHeardAt: z.string().describe('by the clock of the database'),
  instanceId: z.uuid().describe('of the sidecar that told the status'),
})

/** What sidecars tell of themselves and their agents, and what is known of them. */
export function agentRoutes(api: Api, agents: AgentService): void {
  api.route({
    method: 'POST',
    url: '/sidecar/v1/heartbeat',
    bodyLimit: HEARTBEAT_BYTES_MAX,
    config: { callers: SIDECAR },
    schema: {
      summary: 'Tells how a sidecar and its agents are, and of their tasks; it may be told again, in any order',
      body: sidecarHeartbeatSchema,
      response: { 200: sidecarHeartbeatAnswerSchema, ...anyOf(400, 413, 429, 503) },
    },
    handler: async (request) => {
      const { caller } = request
      if (caller?.kind !== 'sidecar') throw new ApiError('acc_api_forbidden', 'This is for sidecars.')
      return agents.heartbeat(caller, request.body)
    },
  })
  const common = { method: 'GET', config: { callers: ADMIN } } as const
  api.route({
    ...common,
    url: '/api/v1/agents',
    schema: {
      summary: 'Agents that told of themselves or are stopped, by name',
      querystring: z.strictObject({ cursor, limit }),
      response: { 200: z.object({ agents: z.array(agent), nextCursor }), ...anyOf(400) },
    },
    handler: async (request) => {
      const page = await agents.agents(request.admin(), request.query.cursor ?? null, request.query.limit)
      return {
        agents: page.agents.map((one) => ({ ...one, heartbeats: [...one.heartbeats] })),
        nextCursor: page.nextCursor,
      }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/tasks',
    schema: {
      summary: 'Tasks of agents, those first that were heard of last for the first time',
      querystring: z.strictObject({
        cursor,
        limit,
        agent: z.string().max(253).optional(),
        status: z.enum(TASK_STATUSES).optional(),
        workflow: z.string().max(253).optional(),
      }),
      response: { 200: z.object({ tasks: z.array(task), nextCursor }), ...anyOf(400) },
    },
    handler: async (request) => {
      const { cursor: from = null, limit: most, agent: of = null, status: is = null, workflow = null } = request.query
      const page = await agents.tasks(request.admin(), { agent: of, status: is, workflow }, from, most)
      return { tasks: [...page.tasks], nextCursor: page.nextCursor }
    },
  })
}
