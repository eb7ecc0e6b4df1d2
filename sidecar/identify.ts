import { headerValue } from './answer/headers.ts'
import { type Ask, type Asked, type Denial, denial, type Identified, isDenial, type RawExchange } from './exchange.ts'
import type { ReadPrincipal } from './principal.ts'
import { isAsciiText } from './providers/byte-strings.ts'
import type { Endpoint } from './providers/family.ts'
import type { KeptHeads, ReadBody, WholeBody } from './providers/kept-heads.ts'
import type { MeteredRequest, ProviderAdapter } from './providers/provider.ts'
import { isRecord, keysWithin } from './providers/read.ts'
import { routePath } from './providers/registry.ts'
import { isMisread, repeatedKey } from './providers/repeated-keys.ts'

/** Stage 2: provider, operation, model, principal, parsed body. */
export type Identify = (raw: RawExchange) => Identified | Denial

/** What a provider might normalise away, so that the path it serves is not the one that was judged. */
const AMBIGUOUS_PATH = /\/\/|\/\.{1,2}(?:\/|$)|[\\;%#?\s]|\p{Cc}/u
/** Nesting of a request body: beyond it what reads values level by level would run out of stack. */
const DEPTH_MAX = 256

/** Makes stage 2. @param heads what bodies may begin with */
export function createIdentify(readPrincipal: ReadPrincipal, heads: KeptHeads): Identify {
  return (raw) => {
    const query = raw.target.indexOf('?')
    const { provider, route, path: sent } = routePath(query === -1 ? raw.target : raw.target.slice(0, query))
    const path = decodePath(sent)
    if (path === null) {
      return denial(
        'acc_route_unknown',
        'The path is not one that every server reads the same way: leave out "//", "/../", "#" and encoded separators.',
      )
    }
    const principal = readPrincipal(raw.headers)
    if (isDenial(principal)) return principal
    const endpoint = route.family.endpoint(raw.method, path, query === -1 ? '' : raw.target.slice(query + 1))
    const ask = endpoint.kind === 'metered' ? readMetered(raw, endpoint, heads) : passThrough(raw, endpoint, heads)
    if (isDenial(ask)) return ask
    return {
      raw,
      provider,
      operation: endpoint.kind === 'metered' ? endpoint.adapter.operation : endpoint.operation,
      upstreamTarget: query === -1 ? sent : sent + raw.target.slice(query),
      principal,
      ask,
      errors: endpoint.kind === 'metered' ? (endpoint.errors ?? route.family.errors) : route.family.errors,
    }
  }
}

type MeteredEndpoint = Extract<Endpoint, { readonly kind: 'metered' }>

/** Nothing is known of the request that an answer is asked for again of. */
const EARLIER: MeteredRequest = { model: '', stream: false, json: {} }

function passThrough(raw: RawExchange, endpoint: Exclude<Endpoint, MeteredEndpoint>, heads: KeptHeads): Ask {
  if (endpoint.kind === 'billable') return { kind: 'passThrough', billable: true, again: null, carried: null }
  const { again, carries } = endpoint
  return {
    kind: 'passThrough',
    billable: false,
    again: again ? { adapter: again, request: EARLIER } : null,
    carried: carries && raw.body.length > 0 ? readCarried(raw, carries, heads) : null,
  }
}

/** Its text alone is of use: that it names no model is for the provider to refuse. */
function readCarried(raw: RawExchange, adapter: ProviderAdapter, heads: KeptHeads): Asked | Denial {
  const body = readBody(raw, heads)
  if (isDenial(body)) return body
  const { json, byteStrings, conversation } = body
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  return { adapter, request: { model: '', stream: false, json }, byteStrings, conversation }
}

function decodePath(sent: string): string | null {
  try {
    const path = sent.includes('%') ? decodeURIComponent(sent) : sent
    return path.startsWith('/') && !AMBIGUOUS_PATH.test(path) ? path : null
  } catch {
    return null
  }
}

/** Longest name of a model: it is part of what is remembered of requests. */
const MODEL_CHARS_MAX = 256
const NO_MODEL = denial(
  'acc_model_missing',
  `The request names no model: a name has at most ${MODEL_CHARS_MAX} characters.`,
)

function readMetered(raw: RawExchange, { adapter, path }: MeteredEndpoint, heads: KeptHeads): Ask | Denial {
  const body = readBody(raw, heads)
  if (isDenial(body)) return body
  const { json, byteStrings, conversation } = body
  const request = adapter.parse(json, path)
  if (isDenial(request)) return request
  if (request.model.length > MODEL_CHARS_MAX) return NO_MODEL
  if (!byteStrings || isAsciiText(request.model))
    return { kind: 'metered', adapter, request, byteStrings, conversation }
  const named = adapter.parse(JSON.parse(raw.body.toString()), path)
  return isDenial(named) ? named : { kind: 'metered', adapter, request: named, byteStrings: false, conversation: null }
}

function readBody(raw: RawExchange, heads: KeptHeads): WholeBody | Denial {
  const encoding = headerValue(raw.headers, 'content-encoding')
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    return denial(
      'acc_body_encoding_unsupported',
      `Request bodies with content-encoding "${encoding.slice(0, 40)}" cannot be inspected: send the JSON as it is.`,
    )
  }
  const parsed = parse(raw.body, heads)
  if (isDenial(parsed)) return parsed
  const { json, text } = parsed
  const slashed: string[] = []
  const keys = keysWithin(DEPTH_MAX, json, slashed)
  if (keys === null) return denial('acc_body_not_json', `The request body is nested deeper than ${DEPTH_MAX} levels.`)
  if (slashed.length > 0 && isMisread(text, slashed)) return MISREAD
  const repeated = repeatedKey(text, keys)
  return repeated === null ? heads.whole(raw.body, parsed) : ambiguous(repeated)
}

function parse(body: Buffer, heads: KeptHeads): ReadBody | Denial {
  try {
    // Bytes that are not UTF-8 would be read differently here and at the provider.
    return heads.parse(body) ?? denial('acc_body_not_json', 'The request body is not valid UTF-8.')
  } catch {
    return denial('acc_body_not_json', notJson(body))
  }
}

/** A name is told; what might be text of somebody's is not. */
const NAME = /^[\w$.-]{1,60}$/

const ambiguous = (key: string): Denial =>
  denial(
    'acc_body_ambiguous',
    `${NAME.test(key) ? `"${key}"` : 'A key'} stands twice in one object of the request body, and servers differ in which of the two they obey: send each key once.`,
  )

const MISREAD = denial(
  'acc_body_ambiguous',
  'A key of the request body is written with an escape that it does not need, and was read as another one: write it as it is.',
)

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** The parser's own words may quote the body, so they are not repeated. */
function notJson(body: Buffer): string {
  if (body.length === 0) return 'The request has no body: send a JSON object.'
  if (body.subarray(0, 3).equals(BYTE_ORDER_MARK))
    return 'The request body begins with a byte order mark, which JSON has not (RFC 8259 §8.1): send it without.'
  return 'The request body is not valid JSON.'
}
