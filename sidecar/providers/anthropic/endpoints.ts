import { type CarrierRule, carriedBy, type Endpoint, type EndpointRule, isOneOf, type WireFamily } from '../family.ts'
import { renderAnthropicError } from './errors.ts'
import { anthropicMessages } from './messages.ts'

const CARRIERS: readonly CarrierRule[] = [
  { methods: ['POST'], path: /^\/messages\/count_tokens$/, carries: anthropicMessages },
]

const FREE: readonly EndpointRule[] = [
  ...CARRIERS,
  { methods: ['GET', 'HEAD'], path: /^\/models(?:\/[^/]+)?$/ },
  // What a batch costs is decided when it is made: to look at it, or to end it, costs nothing.
  { methods: ['GET', 'HEAD', 'DELETE'], path: /^\/messages\/batches(?:\/[^/]+)?(?:\/results)?$/ },
  { methods: ['POST'], path: /^\/messages\/batches\/[^/]+\/cancel$/ },
  { methods: ['GET', 'HEAD', 'POST', 'DELETE'], path: /^\/files(?:\/[^/]+){0,2}$/ },
  { methods: ['GET', 'HEAD', 'POST', 'DELETE'], path: /^\/skills(?:\/[^/]+){0,3}$/ },
]

/** First segments of the paths. A client's own are not made into names, since those stand in labels and in the log. */
const RESOURCES: ReadonlySet<string> = new Set(['complete', 'files', 'messages', 'models', 'organizations', 'skills'])
const OTHER = 'other'

/** Paths of the messages API as its clients send them, with and without the version: nobody else's begin so. */
export const ANTHROPIC_PATHS = /^(?:\/v1)?\/messages(?:\/count_tokens|\/batches(?:\/.*)?)?$/

/** Endpoints of Anthropic's API, below `/v1`. What is not known to be free may cost. */
export const anthropicFamily: WireFamily = {
  errors: { renderError: renderAnthropicError },
  endpoint(method, path): Endpoint {
    if (method === 'POST' && path === '/messages')
      return { kind: 'metered', adapter: anthropicMessages, path: { model: null, stream: false } }
    const free = isOneOf(FREE, method, path)
    const operation = operationOf(path)
    return free ? { kind: 'free', operation, ...carriedBy(CARRIERS, method, path) } : { kind: 'billable', operation }
  },
}

function operationOf(path: string): string {
  const [, resource = '', part = ''] = path.split('/')
  if (resource === 'messages' && (part === 'count_tokens' || part === 'batches')) return `messages.${part}`
  return RESOURCES.has(resource) ? resource : OTHER
}
