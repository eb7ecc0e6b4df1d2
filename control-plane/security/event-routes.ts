import { FINDING_ACTIONS, SEGMENT_SOURCES, SEVERITIES } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import type { SecurityEventService } from './event-service.ts'

const instant = z.iso.datetime({ offset: true }).describe('RFC 3339')
const taxonomyId = z.string().nullable()

const filter = z.strictObject({
  detector: z.string().max(256).optional(),
  rule: z.string().max(256).optional(),
  severity: z.enum(SEVERITIES).optional(),
  agent: z.string().max(256).optional().describe('`(none)`: requests that named none'),
  action: z.enum(FINDING_ACTIONS).optional(),
  mode: z.enum(['audit', 'enforce']).optional(),
  source: z.enum(SEGMENT_SOURCES).optional(),
  from: instant.optional().describe('inclusive'),
  to: instant.optional().describe('exclusive'),
})

const asked = (query: z.infer<typeof filter>) => ({
  detector: query.detector ?? null,
  rule: query.rule ?? null,
  severity: query.severity ?? null,
  agent: query.agent ?? null,
  action: query.action ?? null,
  mode: query.mode ?? null,
  source: query.source ?? null,
  from: query.from ?? null,
  to: query.to ?? null,
})

const event = z.object({
  id: z.number(),
  eventId: z.uuid().describe('of the request, as in the request log'),
  at: z.string().describe('RFC 3339, by the clock of the sidecar'),
  instanceId: z.uuid(),
  agent: z.string(),
  workflow: z.string(),
  session: z.string().nullable(),
  provider: z.string(),
  model: z.string(),
  direction: z.enum(['request', 'response']),
  streamed: z.boolean(),
  source: z.enum(SEGMENT_SOURCES).describe('who wrote the text'),
  tool: z.string().nullable().describe('the tool that was defined, called, or whose result it was'),
  detector: z.string(),
  detectorVersion: z.string(),
  rule: z.string(),
  category: z.string(),
  severity: z.enum(SEVERITIES),
  score: z.number().describe('the highest of them, 0 to 1'),
  owaspLlm: taxonomyId,
  owaspAgentic: taxonomyId,
  mitreAtlas: taxonomyId,
  action: z.enum(FINDING_ACTIONS),
  mode: z.enum(['audit', 'enforce']),
  count: z.number().describe('findings of this kind in this request'),
  places: z
    .array(z.object({ textHash: z.string(), start: z.number(), end: z.number() }))
    .describe('where the first few stood: SHA-256 of the whole text (32 digits of it), and the span in it'),
  inspectionUs: z.number().nullable().describe('what the inspection of the request took, in microseconds'),
})

const sums = z.array(z.object({ key: z.string(), findings: z.number(), events: z.number() }))

/** What was found. */
export function securityEventRoutes(api: Api, security: SecurityEventService): void {
  const common = { method: 'GET', config: { callers: ADMIN } } as const
  api.route({
    ...common,
    url: '/api/v1/security/events',
    schema: {
      summary: 'What the detectors found in requests and answers, and what was done about it, newest first',
      querystring: filter.extend({
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      response: { 200: z.object({ events: z.array(event), nextCursor: z.string().nullable() }), ...anyOf(400, 503) },
    },
    handler: async (request) => {
      const { cursor, limit, ...narrowed } = request.query
      const page = await security.list(request.admin(), asked(narrowed), cursor ?? null, limit)
      return { ...page, events: page.events.map((each) => ({ ...each, places: [...each.places] })) }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/security/events/:id',
    schema: {
      summary: 'One of them',
      params: z.strictObject({ id: z.coerce.number().int().min(1) }),
      response: { 200: event, ...anyOf(400, 404, 503) },
    },
    handler: async (request) => {
      const found = await security.find(request.admin(), request.params.id)
      return { ...found, places: [...found.places] }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/security/summary',
    schema: {
      summary: 'How much was found, by detector, severity, agent, action and UTC day; at most 100 lines each',
      querystring: filter,
      response: {
        200: z.object({ detector: sums, severity: sums, agent: sums, action: sums, day: sums }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const found = await security.summary(request.admin(), asked(request.query))
      return {
        detector: [...found.detector],
        severity: [...found.severity],
        agent: [...found.agent],
        action: [...found.action],
        day: [...found.day],
      }
    },
  })
}
