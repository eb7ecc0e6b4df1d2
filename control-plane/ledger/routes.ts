import {
  counterSchema,
  LEASE_BYTES_MAX,
  leaseHelloSchema,
  leaseSyncAnswerSchema,
  leaseSyncSchema,
  leaseWelcomeSchema,
  nanoWireSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, SIDECAR } from '../api.ts'
import { ApiError } from '../errors.ts'
import type { LedgerOperator } from './operator.ts'
import type { LedgerService } from './service.ts'

/** How sidecars come to leases. */
export function ledgerRoutes(api: Api, ledger: LedgerService): void {
  const common = { method: 'POST', bodyLimit: LEASE_BYTES_MAX, config: { callers: SIDECAR } } as const
  api.route({
    ...common,
    url: '/sidecar/v1/leases/hello',
    schema: {
      summary: 'A holder of leases begins, and tells what it holds',
      body: leaseHelloSchema,
      response: { 200: leaseWelcomeSchema, ...anyOf(400, 413, 429, 503) },
    },
    handler: (request) => ledger.hello(request.sidecar(), request.body),
  })
  api.route({
    ...common,
    url: '/sidecar/v1/leases/sync',
    schema: {
      summary: 'A holder tells of its leases and asks for more',
      body: leaseSyncSchema,
      response: { 200: leaseSyncAnswerSchema, ...anyOf(400, 409, 413, 429, 503) },
    },
    handler: (request) => ledger.sync(request.sidecar(), request.body),
  })
}

const signed = z.string().regex(/^-?\d{1,40}$/)

const listedCounter = counterSchema.extend({
  limitNanoUsd: signed.nullable().describe('`null` where no revision that was published here has the budget'),
  settledNanoUsd: signed.describe('charged by events'),
  escrowNanoUsd: signed.describe('set aside in leases, and not charged yet as far as is known'),
  overrunNanoUsd: signed.describe('charged above what the leases held'),
  availableNanoUsd: signed
    .nullable()
    .describe('what is left to grant; negative where more is committed than the limit'),
  leases: z.number().describe('active leases'),
})

const lease = z.strictObject({
  counter: counterSchema,
  instanceId: z.uuid(),
  generation: z.int().min(1),
})

/** What operators see and do. */
export function operatorRoutes(api: Api, operator: LedgerOperator): void {
  const common = { config: { callers: ADMIN } } as const
  api.route({
    ...common,
    method: 'GET',
    url: '/api/v1/ledger',
    schema: {
      summary: 'The state of the ledger, and who holds leases',
      response: {
        200: z.object({
          epoch: z.number(),
          recovering: z.boolean().describe('counters that were open when the epoch began grant nothing'),
          begunBy: z
            .uuid()
            .nullable()
            .describe(
              'the sidecar whose word alone began the recovery; `null` where it is known otherwise, or none runs',
            ),
          holders: z.array(
            z.object({
              instanceId: z.uuid(),
              generation: z.number(),
              epoch: z.number(),
              helloAt: z.string(),
              heeded: z.boolean().describe('`false`: it began a recovery that was ended, and begins no other one'),
            }),
          ),
        }),
        ...anyOf(503),
      },
    },
    handler: async (request) => {
      const { holders, ...state } = await operator.overview(request.admin())
      return { ...state, holders: [...holders] }
    },
  })
  api.route({
    ...common,
    method: 'GET',
    url: '/api/v1/ledger/counters',
    schema: {
      summary: 'What of each budget is settled, set aside and left, by subject and period',
      querystring: z.strictObject({
        cursor: z.string().max(2_000).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
      }),
      response: {
        200: z.object({ counters: z.array(listedCounter), nextCursor: z.string().nullable() }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { cursor, limit } = request.query
      const rows = await operator.counters(request.admin(), readCursor(cursor), limit + 1)
      const counters = rows.slice(0, limit)
      const last = rows.length > limit ? counters.at(-1) : undefined
      return { counters: [...counters], nextCursor: last ? cursorOf(last) : null }
    },
  })
  api.route({
    ...common,
    method: 'POST',
    url: '/api/v1/ledger/releases',
    schema: {
      summary: 'Writes off what a lease that has ended holds, so that it can be granted again',
      body: lease.extend({ nanoUsd: nanoWireSchema }),
      response: { 204: z.null(), ...anyOf(400, 404, 503) },
    },
    handler: async (request, reply) => {
      const { nanoUsd, ...key } = request.body
      await operator.release(request.admin(), key, BigInt(nanoUsd))
      reply.code(204)
      return null
    },
  })
  api.route({
    ...common,
    method: 'POST',
    url: '/api/v1/ledger/recovery/end',
    schema: {
      summary:
        'Ends the recovery of a ledger that lost something: what holders spent that will not come back is stated',
      body: z.strictObject({
        spent: z
          .array(z.strictObject({ counter: counterSchema, nanoUsd: nanoWireSchema }))
          .max(1_000)
          .default([]),
      }),
      response: { 204: z.null(), ...anyOf(400, 503) },
    },
    handler: async (request, reply) => {
      const spent = request.body.spent.map(({ counter, nanoUsd }) => ({ counter, nano: BigInt(nanoUsd) }))
      await operator.endRecovery(request.admin(), spent)
      reply.code(204)
      return null
    },
  })
}

const cursorOf = ({ budgetUid, subject, periodId }: z.infer<typeof counterSchema>): string =>
  Buffer.from(JSON.stringify({ budgetUid, subject, periodId })).toString('base64url')

function readCursor(cursor: string | undefined): z.infer<typeof counterSchema> | null {
  if (cursor === undefined) return null
  try {
    return counterSchema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw new ApiError('acc_api_invalid', 'cursor: use the nextCursor of a page')
  }
}
