import { budgetDocument } from '@agentcostcontrol/contract'
import type { FastifyRequest } from 'fastify'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import { ApiError } from '../errors.ts'
import type { BudgetDetail, BudgetInput, BudgetService, ShownBudget } from './service.ts'
import { resetsOf } from './settings.ts'
import { ACTIVATIONS } from './status.ts'

const { apiVersion, kind, metadata, spec } = budgetDocument.shape

/** A budget as YAML has it; what every document says may be left out. */
const body = z.strictObject({ apiVersion: apiVersion.optional(), kind: kind.optional(), metadata, spec })

const instant = z.string().describe('RFC 3339 UTC')

const shownBudget = z.object({
  id: z.string().describe('its name'),
  uid: z.string(),
  managedBy: z.enum(['git', 'api']).describe('what git manages is read-only here'),
  source: z.string().nullable().describe('`FILE:LINE` in the policy folder; `null` for one that the API made'),
  document: z.record(z.string(), z.unknown()).describe('as its author wrote it; see the body of POST'),
  status: z
    .enum(ACTIVATIONS)
    .nullable()
    .describe('`activating` until every sidecar that is there runs a revision that has it; `null` for a deleted one'),
  limitNanoUsd: z.string().nullable().describe('nano-USD, a decimal integer; `null` for one that was deleted'),
  resets: z.number().nullable().describe('all that it was reset, by its document and through the API'),
  version: z.number().nullable().describe('grows with each change, for If-Match; `null` for one of git'),
  createdAt: instant.nullable(),
  createdBy: z.string().nullable().describe('id of the key'),
  updatedAt: instant.nullable(),
  updatedBy: z.string().nullable(),
  deletedAt: instant.nullable().describe('`null` while it is in force'),
})

const budgetDetail = shownBudget.extend({
  apiResets: z
    .array(z.object({ number: z.number(), resetAt: instant, resetBy: z.string(), reason: z.string() }))
    .describe('through the API, the newest 50 first'),
})

const params = z.object({ id: z.string().max(253).describe('name of the budget') })

const ifMatch = z
  .string()
  .regex(/^(\*|(W\/)?"\d{1,15}")$/, 'expected the ETag of the budget, like "3", or *')
  .describe('the ETag that it was read with, against lost updates; `*` for whichever')

/** As the schema has it. */
function shown({ name, uid, managedBy, source, document, limitNanoUsd, inForce, activation, api }: ShownBudget) {
  return {
    id: name,
    uid,
    managedBy,
    source,
    document,
    status: activation,
    limitNanoUsd,
    resets: inForce === null ? null : resetsOf(inForce),
    version: api?.version ?? null,
    createdAt: api?.createdAt ?? null,
    createdBy: api?.createdBy ?? null,
    updatedAt: api?.updatedAt ?? null,
    updatedBy: api?.updatedBy ?? null,
    deletedAt: api?.deletedAt ?? null,
  }
}

const detailed = (budget: BudgetDetail) => ({ ...shown(budget), apiResets: [...budget.resets] })

/** The header that a version is told by. */
const etagOf = ({ api }: ShownBudget): Record<string, string> => (api === null ? {} : { etag: `"${api.version}"` })

/** Bodies as they were sent: a document is kept as its author wrote it. */
const SENT = new WeakMap<FastifyRequest, unknown>()
const keepSent = (request: FastifyRequest, _: unknown, done: () => void): void => {
  SENT.set(request, request.body)
  done()
}
const sentBy = (request: FastifyRequest, name: string): BudgetInput => ({
  name,
  sent: z.record(z.string(), z.unknown()).parse(SENT.get(request)),
})

const versionOf = (header: string): number | null => (header === '*' ? null : Number(/\d+/.exec(header)?.[0]))

/** Budgets: read, made, changed, deleted and reset. */
export function budgetRoutes(api: Api, budgets: BudgetService): void {
  const common = { config: { callers: ADMIN } } as const
  api.route({
    ...common,
    method: 'POST',
    url: '/api/v1/budgets',
    preValidation: keepSent,
    schema: {
      summary: 'Makes a budget, and publishes it with the policies in force; one that was deleted is made again',
      body,
      response: { 201: budgetDetail, ...anyOf(400, 409, 413, 422, 503) },
    },
    handler: async (request, reply) => {
      const made = await budgets.make(request.admin(), sentBy(request, request.body.metadata.name))
      reply.code(201).headers({ ...etagOf(made), location: `/api/v1/budgets/${encodeURIComponent(made.name)}` })
      return detailed(made)
    },
  })
  api.route({
    ...common,
    method: 'GET',
    url: '/api/v1/budgets',
    schema: {
      summary: 'Budgets in force, those of the policy folder and those that the API made, by name',
      querystring: z.strictObject({
        cursor: z.string().max(253).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      response: {
        200: z.object({ budgets: z.array(shownBudget), nextCursor: z.string().nullable() }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { cursor, limit } = request.query
      const page = await budgets.list(request.admin(), cursor ?? null, limit)
      return { budgets: page.budgets.map(shown), nextCursor: page.nextCursor }
    },
  })
  api.route({
    ...common,
    method: 'GET',
    url: '/api/v1/budgets/:id',
    schema: {
      summary: 'A budget with its resets; one of the API also when it was deleted',
      params,
      response: { 200: budgetDetail, ...anyOf(400, 404, 503) },
    },
    handler: async (request, reply) => {
      const found = await budgets.find(request.admin(), request.params.id)
      reply.headers(etagOf(found))
      return detailed(found)
    },
  })
  api.route({
    ...common,
    method: 'PUT',
    url: '/api/v1/budgets/:id',
    preValidation: keepSent,
    schema: {
      summary: 'Puts another document in the place of a budget of the API; what was spent stays',
      params,
      headers: z.object({ 'if-match': ifMatch }),
      body,
      response: { 200: budgetDetail, ...anyOf(400, 404, 409, 412, 413, 422, 503) },
    },
    handler: async (request, reply) => {
      const { id } = request.params
      const { name } = request.body.metadata
      if (name !== id) throw new ApiError('acc_api_invalid', `metadata.name: expected "${id}", as the path has it`)
      const version = versionOf(request.headers['if-match'])
      const changed = await budgets.replace(request.admin(), sentBy(request, id), version)
      reply.headers(etagOf(changed))
      return detailed(changed)
    },
  })
  api.route({
    ...common,
    method: 'DELETE',
    url: '/api/v1/budgets/:id',
    schema: {
      summary: 'Takes a budget of the API out of force; what it spent is kept, and counts if it is made again',
      params,
      headers: z.object({ 'if-match': ifMatch }),
      response: { 204: z.null(), ...anyOf(400, 404, 409, 412, 422, 503) },
    },
    handler: async (request, reply) => {
      await budgets.remove(request.admin(), request.params.id, versionOf(request.headers['if-match']))
      reply.code(204)
      return null
    },
  })
  api.route({
    ...common,
    method: 'POST',
    url: '/api/v1/budgets/:id/reset',
    schema: {
      summary: 'Begins the period of a budget anew with nothing spent, also of one that git manages',
      params,
      body: z.strictObject({
        reason: z.string().min(1).max(500).describe('kept with the reset, and shown'),
        resets: z
          .int()
          .min(0)
          .optional()
          .describe('how many resets there were through the API when it was read: with another number nothing is done'),
      }),
      response: { 200: budgetDetail, ...anyOf(400, 404, 412, 422, 503) },
    },
    handler: async (request) => {
      const { reason, resets } = request.body
      return detailed(await budgets.reset(request.admin(), request.params.id, reason, resets ?? null))
    },
  })
}
