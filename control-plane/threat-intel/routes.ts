import { Readable } from 'node:stream'
import { threatIndexVersionSchema } from '@agentcostcontrol/contract'
import { FEED_FORMATS } from '@agentcostcontrol/detectors/threat-intel'
import type { FastifyReply } from 'fastify'
import * as z from 'zod'
import { ADMIN, type Api, anyOf, SIDECAR } from '../api.ts'
import { ApiError } from '../errors.ts'
import { urlProblem } from './fetch.ts'
import type { IntelList } from './list-repository.ts'
import type { ThreatIntelService } from './service.ts'
import { LIST_KINDS } from './tasks.ts'
import { LIST_BYTES_MAX } from './unpack.ts'

const PATH = '/api/v1/security/threat-intel'
const REFRESH_SECONDS = 3_600
/** Uploads that one replica takes at once: it holds each whole. */
const UPLOADS_MAX = 4

const instant = z.string().describe('RFC 3339, by the clock of the database')
const count = z.number().describe('a whole number')
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected 1 to 63 of a-z, 0-9, ".", "_" and "-"')
const named = z.strictObject({ name })
const format = z.enum(FEED_FORMATS)
const kind = z
  .enum(LIST_KINDS)
  .describe('`block`: what it names is bad; `suppress`: is no threat, whatever other lists say')

const shown = z.object({
  name: z.string(),
  format,
  kind,
  url: z.string().nullable().describe('`null` where people upload it'),
  refreshSeconds: count.nullable(),
  createdAt: instant,
  createdBy: z.string().describe('id of the key of its author'),
  contentHash: z.string().nullable().describe('SHA-256 of its text; `null` before there was any'),
  contentBytes: count.describe('of its text'),
  changedAt: instant.nullable().describe('when it became what it is'),
  checkedAt: instant.nullable().describe('when it was last uploaded, or fetched, whether it had changed or not'),
  ageSeconds: count.nullable().describe('since `checkedAt`'),
  entries: count.describe('that are in the index; of a list of the kind `suppress` its values'),
  kinds: z
    .object({ domain: count, url: count, ip: count, 'file-hash': count, package: count })
    .partial()
    .describe('indicators among them'),
  suppressed: count.describe('named by lists of the kind `suppress`, and hosts that everybody puts things on'),
  skipped: count.describe('what could not be read'),
  problems: z.array(z.object({ line: z.number(), message: z.string() })).describe('the first of it'),
  failures: count.describe('fetches that failed since the last one that did not'),
  lastError: z.string().nullable(),
  failedAt: instant.nullable(),
  nextFetchAt: instant.nullable(),
})

const url = z
  .url()
  .max(2_048)
  .superRefine((text, { addIssue }) => {
    const problem = urlProblem(new URL(text))
    if (problem !== null) addIssue({ code: 'custom', message: problem })
  })

const made = z.strictObject({
  name,
  format,
  kind: kind.optional(),
  url: url.nullable().default(null).describe('where it is published; `null`: people upload it'),
  refreshSeconds: z
    .int()
    .min(60)
    .max(604_800)
    .optional()
    .describe(`how often it is fetched; ${REFRESH_SECONDS} if left out`),
})

/** What a list of warnings names is no threat; of another one it has to be said. */
const kindOf = (of: z.infer<typeof format>, said: z.infer<typeof kind> | undefined): z.infer<typeof kind> | null => {
  if (of !== 'misp-warninglist') return said ?? null
  if (said === 'block')
    throw new ApiError('acc_api_invalid', 'kind: a list of the format misp-warninglist can only be "suppress".')
  return 'suppress'
}

const sent = (list: IntelList) => ({ ...list, problems: [...list.problems] })

/** Lists of threat intelligence. */
export function threatIntelRoutes(api: Api, intel: ThreatIntelService): void {
  const config = { callers: ADMIN }
  api.route({
    method: 'POST',
    url: PATH,
    config,
    schema: {
      summary: 'Makes a list that is fetched from its URL from now on, or is yet to be uploaded',
      body: made,
      response: { 200: shown, ...anyOf(400, 409, 413, 503) },
    },
    handler: async (request) => {
      const { kind: said, refreshSeconds, ...list } = request.body
      const every = list.url === null ? null : (refreshSeconds ?? REFRESH_SECONDS)
      const kind = kindOf(list.format, said) ?? 'block'
      return sent(await intel.make(request.admin(), { ...list, kind, refreshSeconds: every }))
    },
  })
  api.route({
    method: 'GET',
    url: PATH,
    config,
    schema: {
      summary:
        'All lists by name, with what they hold, how old that is and what went wrong; and the index made of them',
      response: {
        200: z.object({
          lists: z.array(shown),
          index: z.object({
            version: z.string().nullable().describe('SHA-256 of its bytes; `null` while there are no lists'),
            entries: count,
            bytes: count,
            builtAt: instant.nullable(),
            pending: z.boolean().describe('whether lists have changed since'),
          }),
        }),
        ...anyOf(503),
      },
    },
    handler: async (request) => {
      const { lists, index } = await intel.list(request.admin())
      return { lists: lists.map(sent), index }
    },
  })
  api.route({
    method: 'GET',
    url: `${PATH}/:name`,
    config,
    schema: { summary: 'One of them', params: named, response: { 200: shown, ...anyOf(400, 404, 503) } },
    handler: async (request) => sent(await intel.find(request.admin(), request.params.name)),
  })
  api.route({
    method: 'DELETE',
    url: `${PATH}/:name`,
    config,
    schema: {
      summary: 'Takes one out of force; answered when the index is without it',
      params: named,
      response: { 200: z.object({ name: z.string() }), ...anyOf(400, 404, 503) },
    },
    handler: async (request) => {
      await intel.remove(request.admin(), request.params.name)
      return { name: request.params.name }
    },
  })
  api.route({
    method: 'POST',
    url: `${PATH}/:name/refresh`,
    config,
    schema: {
      summary: 'Fetches one now; `lastError` tells if that failed',
      params: named,
      response: { 200: shown, ...anyOf(400, 404, 409, 503) },
    },
    handler: async (request) => sent(await intel.refresh(request.admin(), request.params.name)),
  })
  uploadRoute(api, intel)
}

/** Takes a body as the bytes that it is, whatever its type says. */
function uploadRoute(api: Api, intel: ThreatIntelService): void {
  let uploads = 0
  api.register(async (scoped: Api) => {
    scoped.removeAllContentTypeParsers()
    scoped.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
    scoped.route({
      method: 'PUT',
      url: `${PATH}/:name/content`,
      bodyLimit: LIST_BYTES_MAX,
      config: { callers: ADMIN },
      // Behind the key, and before the body.
      preParsing: ({ raw: { socket } }, reply, payload, done) => {
        // Whoever went while the key was looked up has told so already, and tells it to nobody any more.
        if (socket.destroyed) {
          done(new ApiError('acc_api_unavailable', 'The connection was closed.'))
          return
        }
        if (uploads >= UPLOADS_MAX) {
          done(new ApiError('acc_api_unavailable', `${UPLOADS_MAX} lists are uploaded already: try again.`))
          return
        }
        uploads++
        // An answer that waits behind another one on its connection does not tell that the connection closed.
        const free = (): void => {
          for (const each of [socket, reply.raw]) each.off('close', free)
          uploads--
        }
        for (const each of [socket, reply.raw]) each.on('close', free)
        done(null, payload)
      },
      schema: {
        summary:
          'Puts the body in place of what a list holds, plain or gzip, 64 MiB at most; answered when it is in force. The same again changes nothing',
        params: named,
        querystring: z.strictObject({
          format: format.optional().describe('makes the list where there is none of this name'),
          kind: kind.optional(),
        }),
        response: { 200: shown, ...anyOf(400, 404, 409, 413, 503) },
      },
      handler: async (request) => {
        const { body } = request
        if (!Buffer.isBuffer(body) || body.length === 0)
          throw new ApiError('acc_api_invalid', 'Send the list as the body of the request.')
        const { format: of, kind: said } = request.query
        const asked = of === undefined ? null : { format: of, kind: kindOf(of, said) }
        // In memory of its own, which another thread can take over.
        return sent(await intel.upload(request.admin(), request.params.name, new Uint8Array(body), asked))
      },
    })
  })
}

/** The index, for sidecars. */
export function threatIndexRoute(api: Api, intel: Pick<ThreatIntelService, 'index'>): void {
  api.route({
    method: 'GET',
    url: '/sidecar/v1/threat-intel/:version',
    config: { callers: SIDECAR },
    schema: {
      summary: 'The index of threat intelligence of this version: bytes that never change',
      params: z.strictObject({ version: threatIndexVersionSchema }),
      response: { ...anyOf(400, 404, 503) },
    },
    handler: async (request, reply) => {
      const { orgId } = request.sidecar()
      const { version } = request.params
      const { bytes, pieces } = await intel.index(orgId, version)
      const etag = `"${version}"`
      reply.headers({ etag, 'cache-control': 'private, max-age=31536000, immutable' })
      if (request.headers['if-none-match'] === etag) return sendRaw(reply, 304, null)
      reply.headers({ 'content-type': 'application/octet-stream', 'content-length': bytes })
      return sendRaw(reply, 200, Readable.from(pieces()))
    },
  })
}

/** Sends what the types of the route's answers know nothing of. */
const sendRaw = (reply: FastifyReply, status: number, body: Readable | null): FastifyReply =>
  reply.code(status).send(body)
