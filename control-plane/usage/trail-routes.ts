import {
  budgetDecisionSchema,
  eventChargeSchema,
  eventFindingSchema,
  USAGE_FIELDS,
  usageAttemptSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import type { TrailService } from './trail-service.ts'

const name = z.string().nullable()
const price = z.object({
  list: z.string(),
  model: z.string().describe('its name on the list'),
  foundBy: z.enum(['exact', 'alias', 'snapshot', 'policy', 'worstCase']),
})
const recomputed = z.discriminatedUnion('verdict', [
  z.object({ verdict: z.literal('equal'), price }),
  z.object({
    verdict: z.literal('differs'),
    price,
    costNanoUsd: z.string(),
    costPicoUsd: z.partialRecord(z.enum(USAGE_FIELDS), z.string()),
  }),
  z.object({
    verdict: z.literal('notComputed'),
    why: z.enum(['nothingBilled', 'unpriced', 'bound', 'unknownCard', 'unknownPolicy', 'unknownPrice']),
  }),
])
const number = z.int().describe('which attempt, from 1')

const step = z
  .discriminatedUnion('step', [
    z.object({
      step: z.literal('identified'),
      agent: name,
      workflow: name,
      session: name,
      task: name,
      tags: z.record(z.string(), z.string()),
      instanceId: z.uuid(),
      operation: z.string(),
      method: z.string(),
      path: z.string(),
      streamed: z.boolean(),
    }),
    z.object({ step: z.literal('policy'), revision: z.string() }),
    z.object({
      step: z.literal('inspected'),
      direction: z.enum(['request', 'response']),
      findings: z.array(eventFindingSchema).readonly(),
    }),
    budgetDecisionSchema.extend({ step: z.literal('decided') }),
    z.object({
      step: z.literal('reserved'),
      from: z.array(eventChargeSchema.omit({ nanoUsd: true })).readonly(),
      boundNanoUsd: z.string().describe('the most that the request could cost'),
    }),
    z.object({ step: z.literal('clamped'), outputTokens: z.number() }),
    z.object({
      step: z.literal('routed'),
      attempt: number,
      provider: z.string(),
      model: z.string(),
      rateCardVersion: z.string(),
      pricedAs: name,
      price: price.nullable(),
    }),
    usageAttemptSchema
      .omit({ provider: true, requestedModel: true, rateCardVersion: true, pricedAs: true })
      .extend({ step: z.literal('attempted'), attempt: number, recomputed }),
    z.object({ step: z.literal('charged'), charges: z.array(eventChargeSchema).readonly() }),
    z.object({
      step: z.literal('ended'),
      outcome: z.string(),
      code: name,
      clientStatus: z.number().nullable(),
      durationMs: z.number(),
      upstreamFirstByteMs: z.number().nullable(),
    }),
  ])
  .meta({ id: 'TrailStep', description: 'One step of a request, from who asked to how it ended.' })

/** A single request. */
export function trailRoutes(api: Api, trails: TrailService): void {
  api.route({
    method: 'GET',
    url: '/api/v1/requests/:eventId',
    config: { callers: ADMIN },
    schema: {
      summary: 'One request, decision by decision, and whether its cost can be computed again',
      params: z.strictObject({ eventId: z.uuid().describe('as `x-acc-request-id` and the request log name it') }),
      querystring: z.strictObject({
        intentAt: z.iso
          .datetime({ precision: 3 })
          .optional()
          .describe('as the request log has it; needed for ids that are no UUIDs of version 7'),
      }),
      response: {
        200: z.object({
          eventId: z.uuid(),
          intentAt: z.string(),
          cost: z
            .enum(['equal', 'differs', 'notComputed'])
            .describe('whether usage times price is the stored cost, by component and to the nano'),
          steps: z.array(step).readonly(),
        }),
        ...anyOf(400, 404, 503),
      },
    },
    handler: (request) => trails.trail(request.admin(), request.params.eventId, request.query.intentAt ?? null),
  })
}
