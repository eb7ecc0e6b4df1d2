import { enrolmentAnswerSchema, enrolmentSchema } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, ENROLMENT } from '../api.ts'
import { ApiError } from '../errors.ts'
import type { AuthService } from './service.ts'

/** How sidecars come to a credential. */
export function authRoutes(api: Api, auth: AuthService): void {
  api.route({
    method: 'POST',
    url: '/sidecar/v1/enrol',
    config: { callers: ENROLMENT },
    schema: {
      summary: 'Gives a sidecar a short-lived credential of its own, for an enrolment token',
      body: enrolmentSchema,
      response: { 200: enrolmentAnswerSchema, ...anyOf(400, 429, 503) },
    },
    handler: async (request) => {
      const { caller } = request
      if (caller?.kind !== 'enrolment') throw new ApiError('acc_api_forbidden', 'This is for enrolment tokens.')
      return auth.enrol(caller, request.body.instanceId)
    },
  })
  api.route({
    method: 'POST',
    url: '/api/v1/enrolment-tokens',
    config: { callers: ADMIN },
    schema: {
      summary: 'Makes a token that enrols sidecars; it is shown once',
      response: { 201: z.object({ token: z.string() }), ...anyOf(503) },
    },
    handler: async (request, reply) => {
      reply.code(201)
      return { token: await auth.makeEnrolmentToken(request.admin().orgId) }
    },
  })
}
