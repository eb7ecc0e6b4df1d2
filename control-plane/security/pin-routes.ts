import {
  AGENT_REASON_MAX,
  TOOL_PIN_VERDICTS,
  toolPinBatchAnswerSchema,
  toolPinBatchSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, SIDECAR } from '../api.ts'
import { TOOL_PIN_STATES, type ToolPinRow } from './pin-repository.ts'
import type { ToolPinService } from './pin-service.ts'

const instant = z.string().describe('RFC 3339')
const hash = z.string().describe('SHA-256 of the canonical JSON of name, description, schema and whatever else it says')

const pin = z.object({
  id: z.number(),
  agent: z.string(),
  tool: z.string(),
  hash,
  state: z
    .enum(TOOL_PIN_STATES)
    .describe('pinned: the first that was seen; pending: differs from what was known of the tool, people decide'),
  previousHash: hash.nullable().describe('of the one that was pinned where it was seen'),
  changedPaths: z.array(z.string()).describe('where it differs from that, or from `similarTo`: JSON paths'),
  similarTo: z.string().nullable().describe('a tool that went away and was much like it'),
  firstSeenAt: instant.describe('RFC 3339, by the clock of the sidecar'),
  instanceId: z.uuid().describe('the sidecar that told of it first'),
  decidedAt: instant.nullable(),
  decidedBy: z.string().nullable().describe('id of the key of who decided'),
  reason: z.string().nullable(),
})

const shown = (row: ToolPinRow) => ({ ...row, changedPaths: [...row.changedPaths] })

/** A message with as many reports as it may hold, in any script. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const VERBS = { approved: 'approve', rejected: 'reject' } as const
const SUMMARIES = {
  approved: 'A definition is as good as the one that was pinned, at every sidecar',
  rejected: 'A definition is a finding wherever it is seen, also if it was the first',
} as const

/** What sidecars see of tools. */
export function toolPinReportRoutes(api: Api, pins: ToolPinService): void {
  api.route({
    method: 'POST',
    url: '/sidecar/v1/tool-pins',
    bodyLimit: BATCH_BYTES_MAX,
    config: { callers: SIDECAR },
    schema: {
      summary: 'Tells of definitions of tools that were seen for the first time; each counts once',
      body: toolPinBatchSchema,
      response: { 200: toolPinBatchAnswerSchema, ...anyOf(400, 413, 429, 503) },
    },
    handler: (request) => pins.report(request.sidecar(), request.body.reports),
  })
}

/** What people decide of tools. */
export function toolPinRoutes(api: Api, pins: ToolPinService): void {
  const url = '/api/v1/security/tool-pins'
  const config = { callers: ADMIN }
  const params = z.strictObject({ id: z.coerce.number().int().min(1) })
  api.route({
    method: 'GET',
    url,
    config,
    schema: {
      summary: 'Definitions of tools that agents were seen with, newest first',
      querystring: z.strictObject({
        agent: z.string().max(256).optional(),
        tool: z.string().max(256).optional(),
        state: z.enum(TOOL_PIN_STATES).optional(),
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      response: { 200: z.object({ toolPins: z.array(pin), nextCursor: z.string().nullable() }), ...anyOf(400, 503) },
    },
    handler: async (request) => {
      const { agent, tool, state, cursor, limit } = request.query
      const filter = { agent: agent ?? null, tool: tool ?? null, state: state ?? null }
      const page = await pins.list(request.admin(), filter, cursor ?? null, limit)
      return { ...page, toolPins: page.toolPins.map(shown) }
    },
  })
  for (const decision of TOOL_PIN_VERDICTS) {
    api.route({
      method: 'POST',
      url: `${url}/:id/${VERBS[decision]}`,
      config,
      schema: {
        summary: SUMMARIES[decision],
        params,
        body: z.strictObject({ reason: z.string().trim().min(1).max(AGENT_REASON_MAX) }),
        response: { 200: pin, ...anyOf(400, 404, 409, 413, 503) },
      },
      handler: async (request) =>
        shown(await pins.decide(request.admin(), request.params.id, decision, request.body.reason)),
    })
  }
  api.route({
    method: 'DELETE',
    url: `${url}/:id`,
    config,
    schema: {
      summary: 'Forgets a definition and what was decided of it',
      params,
      response: { 200: pin, ...anyOf(400, 404, 503) },
    },
    handler: async (request) => shown(await pins.forget(request.admin(), request.params.id)),
  })
}
