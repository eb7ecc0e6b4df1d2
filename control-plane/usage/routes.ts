import {
  BATCH_BYTES_MAX,
  eventBatchAnswerSchema,
  eventBatchEnvelopeSchema,
  eventBatchSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, SIDECAR } from '../api.ts'
import { ApiError } from '../errors.ts'
import type { IngestService } from './ingest-service.ts'
import { DIMENSIONS, UNITS } from './read-repository.ts'
import type { ReadService } from './read-service.ts'

const instant = z.iso.datetime().describe('RFC 3339 UTC, on a whole minute, hour or day')
const span = z.strictObject({ from: instant.optional(), to: instant.optional() })
const amount = z.string().describe('nano-USD, a decimal integer')
const count = z.number().describe('a whole number')

const sums = z.object({
  requests: count,
  denied: count,
  failed: count,
  unpriced: count.describe('requests of models without a price; their cost is what they were charged'),
  inputTokens: count,
  outputTokens: count,
  costNanoUsd: amount,
  chargedNanoUsd: amount,
  estimatedNanoUsd: amount.describe('the part of the cost that is an estimate'),
})

const name = z.string().nullable()
const logged = z.object({
  eventId: z.uuid(),
  intentAt: z.string(),
  receivedAt: z.string(),
  instanceId: z.uuid(),
  agent: z.string(),
  workflow: z.string(),
  session: name,
  task: name,
  provider: z.string(),
  model: z.string(),
  outcome: z.string(),
  code: name,
  clientStatus: z.number().nullable(),
  precision: z.string(),
  streamed: z.boolean(),
  inputTokens: count,
  outputTokens: count,
  costNanoUsd: amount,
  chargedNanoUsd: amount,
  durationMs: count,
  firstByteMs: z.number().nullable(),
  clampedOutputTokens: z.number().nullable(),
  operation: z.string(),
  path: z.string(),
  policyRevision: z.string(),
  tags: z.unknown(),
  attempts: z.unknown().describe('each call of a provider, with its cost by component and the version of its prices'),
  findings: z.unknown(),
  charges: z.unknown().describe('what it was charged to each lease that it was reserved from'),
  budgetDecision: z.unknown().describe('which budget did what with it; `null` where all of them just let it pass'),
})

const asked = ({ from, to }: z.infer<typeof span>) => ({ from: from ?? null, to: to ?? null })

/** Events up. */
export function ingestRoutes(api: Api, ingest: IngestService): void {
  api.route({
    method: 'POST',
    url: '/sidecar/v1/events',
    bodyLimit: BATCH_BYTES_MAX,
    config: { callers: SIDECAR },
    schema: {
      summary: 'Brings events up; each counts once, however often it is sent',
      body: eventBatchSchema,
      response: { 200: eventBatchAnswerSchema, ...anyOf(400, 413, 429, 503) },
    },
    // Events are looked at one by one: a bad one must not take the others with it.
    validatorCompiler: () => (value) => ({ value }),
    handler: async (request) => {
      const envelope = eventBatchEnvelopeSchema.safeParse(request.body)
      if (!envelope.success) throw new ApiError('acc_api_invalid', z.prettifyError(envelope.error).slice(0, 500))
      return ingest.ingest(request.sidecar(), envelope.data.events)
    },
  })
}

/** What it cost, from the sums; and the request log. */
export function readRoutes(api: Api, read: ReadService): void {
  const common = { method: 'GET', config: { callers: ADMIN } } as const
  api.route({
    ...common,
    url: '/api/v1/usage/summary',
    schema: {
      summary: 'Sums of a span',
      querystring: span,
      response: { 200: sums, ...anyOf(400) },
    },
    handler: (request) => read.summary(request.admin(), asked(request.query)),
  })
  for (const dimension of DIMENSIONS) {
    api.route({
      ...common,
      url: `/api/v1/usage/${dimension}s`,
      schema: {
        summary: `Sums by ${dimension}, the dearest first`,
        querystring: span.extend({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
        response: { 200: z.object({ rows: z.array(sums.extend({ key: z.string() })) }), ...anyOf(400) },
      },
      handler: async (request) => ({
        rows: [...(await read.by(request.admin(), dimension, asked(request.query), request.query.limit))],
      }),
    })
  }
  api.route({
    ...common,
    url: '/api/v1/usage/series',
    schema: {
      summary: 'Sums by minute, hour or day; buckets without an event are left out',
      querystring: span.extend({ bucket: z.enum(UNITS).default('hour') }),
      response: { 200: z.object({ buckets: z.array(sums.extend({ at: z.string() })) }), ...anyOf(400) },
    },
    handler: async (request) => ({
      buckets: [...(await read.series(request.admin(), request.query.bucket, asked(request.query)))],
    }),
  })
  api.route({
    ...common,
    url: '/api/v1/requests',
    schema: {
      summary: 'The request log, newest first',
      querystring: z.strictObject({
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        agent: z.string().max(256).optional(),
        model: z.string().max(256).optional(),
        outcome: z.string().max(32).optional(),
        ahead: z
          .enum(['true', 'false'])
          .default('false')
          .describe('`true`: just those from a clock that is more than a day ahead of ours; others leave them out'),
      }),
      response: {
        200: z.object({ requests: z.array(logged), nextCursor: z.string().nullable() }),
        ...anyOf(400),
      },
    },
    handler: async (request) => {
      const { cursor, limit, agent, model, outcome, ahead } = request.query
      const filter = { agent: agent ?? null, model: model ?? null, outcome: outcome ?? null, ahead: ahead === 'true' }
      const { requests, nextCursor } = await read.requests(request.admin(), filter, cursor ?? null, limit)
      return { requests: [...requests], nextCursor }
    },
  })
}
