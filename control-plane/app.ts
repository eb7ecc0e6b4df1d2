import swagger from '@fastify/swagger'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import {
  type FastifyZodOpenApiTypeProvider,
  fastifyZodOpenApiPlugin,
  fastifyZodOpenApiTransformers,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-zod-openapi'
import { agentRoutes } from './agents/routes.ts'
import type { AgentService } from './agents/service.ts'
import { agentStateRoutes } from './agents/state-routes.ts'
import type { AgentStateService } from './agents/state-service.ts'
import { ADMIN, type Api } from './api.ts'
import { authRoutes } from './auth/routes.ts'
import type { AuthService } from './auth/service.ts'
import { budgetRoutes } from './budgets/routes.ts'
import type { BudgetService } from './budgets/service.ts'
import type { BudgetStatus } from './budgets/status.ts'
import { statusRoutes } from './budgets/status-routes.ts'
import type { Clock } from './clock.ts'
import { ApiError, problemOf, toApiError } from './errors.ts'
import type { LedgerOperator } from './ledger/operator.ts'
import { ledgerRoutes, operatorRoutes } from './ledger/routes.ts'
import type { LedgerService } from './ledger/service.ts'
import { errorFields, type Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import { policyRoutes } from './policies/routes.ts'
import type { PolicyService } from './policies/service.ts'
import { pricingRoutes } from './pricing/routes.ts'
import type { PricingService } from './pricing/service.ts'
import { createRateLimit, type Rate, type RateLimit, shareRateLimit } from './rate-limit.ts'
import type { RedisLink } from './redis.ts'
import { type SecurityServices, securityRoutes } from './security/service.ts'
import type { Channel } from './sidecars/channel.ts'
import { channelRoutes, sidecarRoutes } from './sidecars/routes.ts'
import type { SidecarService } from './sidecars/service.ts'
import { threatIndexRoute, threatIntelRoutes } from './threat-intel/routes.ts'
import type { ThreatIntelService } from './threat-intel/service.ts'
import type { IngestService } from './usage/ingest-service.ts'
import type { ReadService } from './usage/read-service.ts'
import { ingestRoutes, readRoutes } from './usage/routes.ts'
import { trailRoutes } from './usage/trail-routes.ts'
import type { TrailService } from './usage/trail-service.ts'

/** What the API is made of. */
export interface AppOptions {
  /** By which replicas share their limits; left out where there is none. */
  readonly redis?: RedisLink | null
  readonly agents: AgentService
  readonly agentStates: AgentStateService
  readonly auth: AuthService
  readonly budgets: BudgetService
  readonly budgetStatus: BudgetStatus
  readonly ingest: IngestService
  readonly ledger: LedgerService
  readonly operator: LedgerOperator
  readonly read: ReadService
  readonly channel: Channel
  readonly security: SecurityServices
  readonly sidecars: SidecarService
  readonly threatIntel: ThreatIntelService
  readonly trails: TrailService
  readonly pricing: PricingService
  readonly policies: PolicyService
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

const BODY_BYTES_MAX = 64 * 1024

/** Requests a second of one key, and in one go. */
const OF_A_KEY = { perSecond: 100, burst: 200 }
/** The same of what shows no valid key, by address: each costs a look into the database. */
const OF_STRANGERS = { perSecond: 5, burst: 20 }

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const

/** Makes the API; it listens where its `listen` says. */
export async function createApp(options: AppOptions): Promise<Api> {
  const { auth, log, metrics, clock, redis = null } = options
  const limit = (name: string, rate: Rate): RateLimit => {
    const own = createRateLimit({ clock, ...rate })
    return redis === null ? own : shareRateLimit(name, own, rate, redis)
  }
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    logger: false,
    // Names of agents stand in paths: 253 characters, each as many as twelve where it is written by percent signs.
    routerOptions: { maxParamLength: 4_000 },
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    // Requests under way are finished; connections that are idle are closed.
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  }).withTypeProvider<FastifyZodOpenApiTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.decorateRequest('caller', null)
  app.decorateRequest('admin', function admin(this: FastifyRequest) {
    if (this.caller?.kind !== 'admin') throw new ApiError('acc_api_forbidden', 'This needs an admin key.')
    return this.caller
  })
  app.decorateRequest('sidecar', function sidecar(this: FastifyRequest) {
    if (this.caller?.kind !== 'sidecar') throw new ApiError('acc_api_forbidden', 'This is for sidecars.')
    return this.caller
  })
  app.addHook('onRequest', (_, reply, done) => void done(void reply.headers(HEADERS)))
  app.addHook('onRequest', guard(auth, limit('key', OF_A_KEY), limit('address', OF_STRANGERS)))
  app.addHook('onResponse', (request, reply, done) => {
    metrics.observe(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime)
    done()
  })
  app.setErrorHandler((error, _, reply) => sendProblem(reply, error, log))
  app.setNotFoundHandler((_, reply) =>
    sendProblem(reply, new ApiError('acc_api_not_found', 'There is no such path.'), log),
  )
  await app.register(fastifyZodOpenApiPlugin)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'AgentCostControl', version: '1', description: 'The API of the control plane.' },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    ...fastifyZodOpenApiTransformers,
  })
  // Behind the registration, so that the document sees them.
  app.after(() => {
    authRoutes(app, auth)
    agentRoutes(app, options.agents)
    agentStateRoutes(app, options.agentStates, clock.nowMs)
    statusRoutes(app, options.budgetStatus, options.budgets)
    budgetRoutes(app, options.budgets)
    ingestRoutes(app, options.ingest)
    ledgerRoutes(app, options.ledger)
    operatorRoutes(app, options.operator)
    readRoutes(app, options.read)
    channelRoutes(app, options.channel)
    securityRoutes(app, options.security)
    sidecarRoutes(app, options.sidecars)
    threatIntelRoutes(app, options.threatIntel)
    threatIndexRoute(app, options.threatIntel)
    trailRoutes(app, options.trails)
    policyRoutes(app, options.policies)
    pricingRoutes(app, options.pricing)
    app.get('/api/v1/openapi.json', { config: { callers: ADMIN }, schema: { hide: true } }, async () => app.swagger())
  })
  await app.ready()
  return app
}

const BEARER = /^Bearer ([\w.~+/-]{1,500})$/i

/** Nobody gets past it without a key that the route is for. */
function guard(auth: AuthService, known: RateLimit, strangers: RateLimit) {
  return async (request: FastifyRequest): Promise<void> => {
    const [, bearer] = BEARER.exec(request.headers.authorization ?? '') ?? []
    const caller = bearer === undefined ? null : await auth.identify(bearer)
    const waitMs = await (caller === null ? strangers.take(request.ip) : known.take(caller.keyId))
    if (waitMs > 0) throw new RateLimited(waitMs)
    if (caller === null) throw new ApiError('acc_api_unauthenticated', 'Send a valid key as "Authorization: Bearer …".')
    if (request.is404) return
    if (!request.routeOptions.config.callers?.includes(caller.kind))
      throw new ApiError('acc_api_forbidden', `A key of the kind "${caller.kind}" is not for this.`)
    request.caller = caller
  }
}

class RateLimited extends ApiError {
  readonly waitMs: number
  constructor(waitMs: number) {
    super('acc_api_rate_limited', 'Ask less often.')
    this.waitMs = waitMs
  }
}

function sendProblem(reply: FastifyReply, thrown: unknown, log: Logger): FastifyReply {
  const error = toApiError(thrown)
  if (error.status >= 500) log.warn('a request failed', { problem: error.code, ...errorFields(error.cause ?? error) })
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  if (error instanceof RateLimited) reply.header('retry-after', String(Math.ceil(error.waitMs / 1_000)))
  else if (error.status === 503) reply.header('retry-after', '1')
  // What is left of a body that is too large is not read.
  if (error.status === 413) reply.header('connection', 'close')
  reply.code(error.status).header('content-type', 'application/problem+json')
  return reply.serializer(JSON.stringify).send(problemOf(error))
}
