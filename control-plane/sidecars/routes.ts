import { channelAnswerSchema, channelAskSchema, policyProblemSchema } from '@agentcostcontrol/contract'
import type { FastifyReply } from 'fastify'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, SIDECAR } from '../api.ts'
import { ApiError } from '../errors.ts'
import type { Channel } from './channel.ts'
import { SIDECAR_STATES } from './repository.ts'
import type { SidecarService } from './service.ts'

/** A poll with as many problems as it may tell, in any script. */
const ASK_BYTES_MAX = 512 * 1024
/** Beyond the time that a poll waits its connection may be silent for so long. */
const SILENCE_MS_MAX = 30_000

/** The downward channel. */
export function channelRoutes(api: Api, channel: Channel): void {
  api.route({
    method: 'POST',
    url: '/sidecar/v1/channel',
    bodyLimit: ASK_BYTES_MAX,
    config: { callers: SIDECAR },
    schema: {
      summary:
        'A long poll: what is newer than the sidecar has, as soon as there is something; it acknowledges the rest',
      body: channelAskSchema,
      response: { 200: channelAnswerSchema, ...anyOf(400, 413, 429, 503) },
    },
    handler: async (request, reply) => {
      const { caller, body: ask, raw } = request
      if (caller?.kind !== 'sidecar') throw new ApiError('acc_api_forbidden', 'This is for sidecars.')
      const left = new AbortController()
      reply.raw.once('close', () => left.abort())
      // Node takes a connection on which nothing comes or goes for dead; it sets its own time again for the next request.
      raw.socket.setTimeout(ask.waitMs + SILENCE_MS_MAX)
      const { body, last } = await channel.poll(caller, ask, left.signal)
      if (last) reply.header('connection', 'close')
      return sendBytes(reply, body)
    },
  })
}

/** Sends JSON that is bytes already, which the types of the route's answers know nothing of. */
const sendBytes = (reply: FastifyReply, body: Buffer): FastifyReply => reply.type('application/json').send(body)

const instant = z.string().describe('RFC 3339, the clock of the database')

const count = z.number().describe('a whole number')
const figures = z.object({
  lastHeardAt: instant.describe('when it told them, by the clock of the database'),
  version: z.string(),
  nodeVersion: z.string(),
  startedAt: z.string().describe('by its own clock'),
  cpuShare: z.number().describe('processors kept busy: 1 is one whole core'),
  memoryBytes: count,
  eventLoopDelayMs: z.number().describe('99th percentile'),
  unsentEvents: count.describe('events on its disk that are not stored here yet'),
  queuedScans: count,
  leaseWaits: count.describe('requests that wait for money'),
  requestsInFlight: count,
})

/** Which sidecar runs what. */
export function sidecarRoutes(api: Api, sidecars: SidecarService): void {
  api.route({
    method: 'GET',
    url: '/api/v1/sidecars',
    config: { callers: ADMIN },
    schema: {
      summary: 'Sidecars by instance, what each runs, and what it refused and why',
      querystring: z.strictObject({
        state: z
          .enum(SIDECAR_STATES)
          .optional()
          .describe('SYNCED: runs the policy in force; STALE: does not, or is not heard of; NACKED: refused it'),
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
      }),
      response: {
        200: z.object({
          generation: z.number().describe('of the policy in force; 0 for none'),
          counts: z.record(z.enum(SIDECAR_STATES), z.number()),
          sidecars: z.array(
            z.object({
              instanceId: z.uuid(),
              state: z.enum(SIDECAR_STATES),
              generation: z.number().describe('of the policy that it runs; 0 for none'),
              revision: z.string().nullable().describe('of the files that it runs, where that is still known'),
              refusedGeneration: z.number().nullable(),
              problems: z.array(policyProblemSchema).describe('why it refused that'),
              figures: figures.nullable().describe('what it told of itself last'),
              firstHeardAt: instant,
              lastHeardAt: instant,
            }),
          ),
          nextCursor: z.string().nullable(),
        }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { state, cursor, limit } = request.query
      const page = await sidecars.list(request.admin(), state ?? null, cursor ?? null, limit)
      return {
        ...page,
        sidecars: page.sidecars.map((sidecar) => ({ ...sidecar, problems: [...sidecar.problems] })),
      }
    },
  })
}
