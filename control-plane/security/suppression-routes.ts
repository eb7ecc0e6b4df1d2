import { AGENT_REASON_MAX, suppressedSchema } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import type { SuppressionService } from './suppression-service.ts'

const instant = z.string().describe('RFC 3339, by the clock of the database')
const of = suppressedSchema.shape

const suppression = suppressedSchema.extend({
  id: z.uuid(),
  reason: z.string(),
  createdAt: instant,
  createdBy: z.string().describe('id of the key of its author'),
  expiresAt: instant,
  endedAt: instant.nullable().describe('when somebody ended it before its time'),
  endedBy: z.string().nullable(),
  inForce: z.boolean(),
})

const body = z.strictObject({
  detector: of.detector,
  rule: of.rule.default(null),
  agent: of.agent.default(null),
  textHash: of.textHash.default(null),
  tool: of.tool.default(null),
  reason: z.string().trim().min(1).max(AGENT_REASON_MAX),
  expiresAt: z.iso.datetime({ offset: true }).describe('RFC 3339; at most a year ahead'),
})

/** Findings that people let pass for a while. */
export function suppressionRoutes(api: Api, suppressions: SuppressionService): void {
  const url = '/api/v1/security/suppressions'
  const config = { callers: ADMIN }
  api.route({
    method: 'POST',
    url,
    config,
    schema: {
      summary: 'Lets findings pass to which all that is named fits, behind every sidecar, until it expires',
      body,
      response: { 200: suppression, ...anyOf(400, 409, 413, 503) },
    },
    handler: (request) => {
      const { reason, expiresAt, ...what } = request.body
      return suppressions.make(request.admin(), what, reason, expiresAt)
    },
  })
  api.route({
    method: 'GET',
    url,
    config,
    schema: {
      summary: 'Those in force, newest first',
      querystring: z.strictObject({
        all: z.enum(['true', 'false']).default('false').describe('`true`: those that are over as well'),
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      response: {
        200: z.object({ suppressions: z.array(suppression), nextCursor: z.string().nullable() }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { all, cursor, limit } = request.query
      const page = await suppressions.list(request.admin(), all === 'true', cursor ?? null, limit)
      return { ...page, suppressions: [...page.suppressions] }
    },
  })
  api.route({
    method: 'DELETE',
    url: `${url}/:id`,
    config,
    schema: {
      summary: 'Ends one before its time; its row stays',
      params: z.strictObject({ id: z.uuid() }),
      response: { 200: suppression, ...anyOf(400, 404, 503) },
    },
    handler: (request) => suppressions.end(request.admin(), request.params.id),
  })
}
