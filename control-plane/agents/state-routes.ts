import { AGENT_PAUSE_MS_MAX, AGENT_REASON_MAX, AGENT_STATES, agentNameSchema } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import { ApiError } from '../errors.ts'
import { AGENT_CHANGES } from './state-repository.ts'
import type { AgentStateService } from './state-service.ts'

const instant = z.string().describe('RFC 3339, by the clock of the database')

/** What an agent is held to, as it is answered. */
export const agentStateAnswer = z.object({
  state: z.enum(AGENT_STATES).describe('`paused`, `quarantined`: all that it asks is refused'),
  reason: z.string(),
  endsAt: instant.nullable().describe('when it ends by itself; `null`: not'),
  changedAt: instant,
  changedBy: z
    .string()
    .describe('id of the key that it was changed with, or `sidecar` and the instance whose finding did'),
})

const changeAnswer = agentStateAnswer.omit({ state: true }).extend({
  change: z.enum(AGENT_CHANGES),
  eventId: z.uuid().nullable().describe('of the event whose finding did it; `null`: people'),
})

const id = z.strictObject({ id: agentNameSchema.describe('its name; `(none)`: requests that name no agent') })
const reason = z.string().trim().min(1).max(AGENT_REASON_MAX).describe('shown to whoever runs the agent')
const pauseBody = z
  .strictObject({
    reason,
    durationMs: z.int().min(1_000).max(AGENT_PAUSE_MS_MAX).optional(),
    until: z.iso.datetime({ offset: true }).optional().describe('RFC 3339; in place of `durationMs`'),
  })
  .refine(({ durationMs, until }) => durationMs === undefined || until === undefined, {
    message: 'say `durationMs` or `until`, not both',
  })

/** @throws ApiError where the moment is past, or too far off */
function untilMs(until: string, nowMs: number): number {
  const leftMs = Date.parse(until) - nowMs
  if (leftMs < 1_000 || leftMs > AGENT_PAUSE_MS_MAX)
    throw new ApiError('acc_api_invalid', 'until: it must lie between a second and seven days from now')
  return Math.ceil(leftMs)
}

/** Pause and resume, quarantine and release, and what of that there was. */
export function agentStateRoutes(api: Api, states: AgentStateService, nowMs: () => number): void {
  const answer = agentStateAnswer.extend({ agent: z.string() })
  const common = { method: 'POST', config: { callers: ADMIN } } as const
  api.route({
    ...common,
    url: '/api/v1/agents/:id/pause',
    schema: {
      summary: 'Stops an agent behind every sidecar, within two seconds where they are connected',
      params: id,
      body: pauseBody,
      response: { 200: answer, ...anyOf(400, 409, 413, 503) },
    },
    handler: async (request) => {
      const { durationMs, until, reason: why } = request.body
      const endsInMs = until === undefined ? (durationMs ?? null) : untilMs(until, nowMs())
      return states.pause(request.admin(), request.params.id, why, endsInMs)
    },
  })
  api.route({
    ...common,
    url: '/api/v1/agents/:id/resume',
    schema: {
      summary: 'Lets an agent go on, also where a sidecar paused it by itself',
      params: id,
      body: z.strictObject({ reason }),
      response: { 200: answer, ...anyOf(400, 409, 413, 503) },
    },
    handler: (request) => states.resume(request.admin(), request.params.id, request.body.reason),
  })
  api.route({
    ...common,
    url: '/api/v1/agents/:id/quarantine',
    schema: {
      summary: 'Stops an agent behind every sidecar until it is released; a resume does not end it',
      params: id,
      body: z.strictObject({ reason }),
      response: { 200: answer, ...anyOf(400, 409, 413, 503) },
    },
    handler: (request) => states.quarantine(request.admin(), request.params.id, request.body.reason),
  })
  api.route({
    ...common,
    url: '/api/v1/agents/:id/release',
    schema: {
      summary: 'Lets an agent out of quarantine, also where a sidecar put it there by itself',
      params: id,
      body: z.strictObject({ reason }),
      response: { 200: answer, ...anyOf(400, 409, 413, 503) },
    },
    handler: (request) => states.release(request.admin(), request.params.id, request.body.reason),
  })
  api.route({
    method: 'GET',
    url: '/api/v1/agents/:id/history',
    config: { callers: ADMIN },
    schema: {
      summary: 'Who paused, resumed, quarantined and released an agent, and why, newest first',
      params: id,
      querystring: z.strictObject({
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      response: {
        200: z.object({ changes: z.array(changeAnswer), nextCursor: z.string().nullable() }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { cursor, limit } = request.query
      const page = await states.history(request.admin(), request.params.id, cursor ?? null, limit)
      return { ...page, changes: [...page.changes] }
    },
  })
}
