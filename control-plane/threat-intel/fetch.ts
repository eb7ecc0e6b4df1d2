import { lookup as resolve } from 'node:dns'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isPublicAddress } from './addresses.ts'

/** What a server said of a list. */
export type Fetched =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'content'
      readonly bytes: Uint8Array<ArrayBuffer>
      readonly etag: string | null
      readonly lastModified: string | null
    }

/** A list could not be fetched; the message says why, for whoever looks after the lists. */
export class FetchFailed extends Error {
  override readonly name = 'FetchFailed'
}

/** How lists are fetched. */
export interface FetchOptions {
  /** `host` or `host:port` that may be at any address, also a private one. */
  readonly allowedHosts: readonly string[]
  /** Most bytes as they come. */
  readonly bytesMax: number
  /** For all of it, redirects and the slowest of answers included. */
  readonly timeoutMs: number
  /** How names are resolved; left out: as the system does. */
  readonly resolve?: Resolve
}

/** Resolves a name to all of its addresses. */
export type Resolve = (
  host: string,
  options: { readonly all: true },
  done: (error: Error | null, addresses: { readonly address: string; readonly family: number }[]) => void,
) => void

/** What was known of it before. */
export interface Known {
  readonly etag: string | null
  readonly lastModified: string | null
}

const REDIRECTS_MAX = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Fetches a list, unless it is what is known. Every hop is held to the same rules. @throws FetchFailed */
export async function fetchList(
  url: string,
  known: Known,
  options: FetchOptions,
  stopping: AbortSignal,
): Promise<Fetched> {
  const late = AbortSignal.timeout(options.timeoutMs)
  const signal = AbortSignal.any([late, stopping])
  try {
    let at = checkedUrl(url, null)
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const answer = await ask(at, known, options, signal)
      const location = REDIRECTS.has(answer.statusCode ?? 0) ? answer.headers.location : undefined
      if (location === undefined) return await read(answer, known, options.bytesMax)
      answer.destroy()
      at = checkedUrl(location, at)
    }
  } catch (error) {
    if (error instanceof FetchFailed) throw error
    if (late.aborted) throw new FetchFailed(`it did not come within ${options.timeoutMs / 1_000} s`, { cause: error })
    throw new FetchFailed(`it could not be fetched: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  throw new FetchFailed(`it redirects more than ${REDIRECTS_MAX} times`)
}

/** Why a URL is none that lists are fetched from; `null` if it is one. */
export function urlProblem(url: URL): string | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `expected http or https, not ${url.protocol.slice(0, -1)}`
  return url.username === '' && url.password === '' ? null : 'a user and a password may not stand in it'
}

function checkedUrl(written: string, from: URL | null): URL {
  const url = URL.parse(written, from?.href)
  const problem = url === null ? 'it is none' : urlProblem(url)
  const where = from === null ? 'its URL' : `the URL that ${from.host} redirects to`
  if (url === null || problem !== null) throw new FetchFailed(`${where} is not followed: ${problem}`)
  if (from?.protocol === 'https:' && url.protocol === 'http:')
    throw new FetchFailed(`${where} is not followed: it goes from https to http`)
  return url
}

function ask(url: URL, known: Known, options: FetchOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const isAllowed = options.allowedHosts.some((host) => host === url.host || host === url.hostname)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // Nobody resolves what is an address already.
  if (!isAllowed && isIP(host) !== 0 && !isPublicAddress(host)) throw new FetchFailed(notPublic(url.hostname, host))
  const { promise, resolve: answered, reject } = Promise.withResolvers<IncomingMessage>()
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    agent: false,
    signal,
    headers: {
      accept: '*/*',
      'accept-encoding': 'gzip',
      'user-agent': 'agentcostcontrol',
      ...(known.etag === null ? {} : { 'if-none-match': known.etag }),
      ...(known.lastModified === null ? {} : { 'if-modified-since': known.lastModified }),
    },
    lookup: isAllowed
      ? options.resolve === undefined
        ? undefined
        : through(options.resolve, false)
      : through(options.resolve ?? resolve, true),
  })
  // One that comes behind the answer is told by the answer as well.
  request.once('response', answered).on('error', reject)
  request.end()
  return promise
}

/** Resolves a name, and lets no connection be made unless all of its addresses are public: the very ones that it is made to. */
const through =
  (find: Resolve, isGuarded: boolean): LookupFunction =>
  (host, options, done) =>
    find(host, { all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      const bad = isGuarded ? addresses?.find(({ address }) => !isPublicAddress(address)) : undefined
      if (error !== null || first === undefined) done(error ?? new FetchFailed(`${host} has no address`), '')
      else if (bad !== undefined) done(new FetchFailed(notPublic(host, bad.address)), '')
      else if (options.all === true) done(null, addresses)
      else done(null, first.address, first.family)
    })

const notPublic = (host: string, address: string): string =>
  `${host} is at ${address}, which is no public address: name the host in CONTROL_PLANE_THREAT_INTEL_ALLOW_HOSTS if it is meant`

async function read(answer: IncomingMessage, known: Known, bytesMax: number): Promise<Fetched> {
  const { statusCode, headers } = answer
  if (statusCode === 304 && (known.etag !== null || known.lastModified !== null)) {
    answer.destroy()
    return { kind: 'unchanged' }
  }
  const tooLarge = `it has more than ${bytesMax / 1024 / 1024} MiB`
  const coding = headers['content-encoding'] ?? 'identity'
  const problem =
    statusCode !== 200
      ? `its server answered with status ${statusCode}`
      : !/^(?:identity|(?:x-)?gzip)$/i.test(coding)
        ? `it is encoded as ${coding.slice(0, 40)}, which was not asked for`
        : Number(headers['content-length'] ?? 0) > bytesMax
          ? tooLarge
          : null
  if (problem !== null) {
    answer.destroy()
    throw new FetchFailed(problem)
  }
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of answer) {
    length += piece.length
    // Leaving the loop ends the connection.
    if (length > bytesMax) throw new FetchFailed(tooLarge)
    pieces.push(piece)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return { kind: 'content', bytes, etag: headers.etag ?? null, lastModified: headers['last-modified'] ?? null }
}
