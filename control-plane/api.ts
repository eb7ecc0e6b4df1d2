/** What all routes have in common: who may call them, and how they are typed. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { API_CODES } from '@agentcostcontrol/contract'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi'
import * as z from 'zod'
import type { Caller, SidecarCaller } from './auth/service.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks: set before any handler runs. */
    caller: Caller | null
    /** The caller as an admin. @throws ApiError */
    admin(): Caller
    /** The caller as a sidecar. @throws ApiError */
    sidecar(): SidecarCaller
  }
  interface FastifyContextConfig {
    /** Whom a route is for. A route without this answers nobody. */
    callers?: readonly Caller['kind'][]
  }
}

/** The application as routes see it: their zod schemas are their types. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  FastifyZodOpenApiTypeProvider
>

/** People and what they run. */
export const ADMIN: readonly Caller['kind'][] = ['admin']
/** Sidecars with a credential. */
export const SIDECAR: readonly Caller['kind'][] = ['sidecar']
/** Sidecars that have none yet. */
export const ENROLMENT: readonly Caller['kind'][] = ['enrolment']

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(API_CODES),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

const answer = { description: 'A problem', content: { 'application/problem+json': { schema: problem } } } as const

/** The problems that a route can answer with, for the document; 401 and 403 every one can. */
export const anyOf = <Status extends number>(
  ...statuses: readonly Status[]
): Record<Status | 401 | 403, typeof answer> => {
  const entries = [401, 403, ...statuses].map((status) => [status, answer])
  return Object.fromEntries(entries)
}
