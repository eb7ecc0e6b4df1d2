import { type CarrierRule, carriedBy, type Endpoint, type EndpointRule, isOneOf, type WireFamily } from '../family.ts'
import type { ProviderAdapter } from '../provider.ts'
import { openaiChat } from './chat.ts'
import { openaiEmbeddings } from './embeddings.ts'
import { renderOpenAiError } from './errors.ts'
import { openaiResponses } from './responses/responses.ts'

const CARRIERS: readonly CarrierRule[] = [
  { methods: ['POST'], path: /^\/responses\/input_tokens$/, carries: openaiResponses },
  { methods: ['POST'], path: /^\/conversations(?:\/[^/]+(?:\/items)?)?$/, carries: openaiResponses },
  { methods: ['POST'], path: /^\/moderations$/, carries: openaiEmbeddings },
]

const FREE: readonly EndpointRule[] = [
  ...CARRIERS,
  { methods: ['GET', 'HEAD', 'DELETE'], path: /^\/models(?:\/[^/]+)*$/ },
  { methods: ['GET', 'HEAD', 'DELETE', 'POST'], path: /^\/chat\/completions\/[^/]+(?:\/messages)?$/ },
  { methods: ['GET', 'HEAD'], path: /^\/chat\/completions$/ },
  { methods: ['HEAD', 'DELETE'], path: /^\/responses\/[^/]+$/ },
  { methods: ['GET', 'HEAD'], path: /^\/responses\/[^/]+\/input_items$/ },
  { methods: ['GET', 'HEAD', 'DELETE'], path: /^\/conversations(?:\/[^/]+(?:\/items(?:\/[^/]+)?)?)?$/ },
  { methods: ['GET', 'HEAD', 'POST', 'DELETE'], path: /^\/files(?:\/[^/]+){0,2}$/ },
  { methods: ['POST'], path: /^\/uploads(?:\/[^/]+){0,2}$/ },
]

/** Responses that were made before, or in the background. */
const RESPONSES_AGAIN: readonly EndpointRule[] = [
  { methods: ['GET'], path: /^\/responses\/[^/]+$/ },
  { methods: ['POST'], path: /^\/responses\/[^/]+\/cancel$/ },
]

/** First segments of the paths. A client's own are not made into names, since those stand in labels and in the log. */
const RESOURCES: ReadonlySet<string> = new Set([
  'assistants',
  'audio',
  'batches',
  'chat',
  'completions',
  'containers',
  'conversations',
  'embeddings',
  'evals',
  'files',
  'fine_tuning',
  'images',
  'models',
  'moderations',
  'organization',
  'realtime',
  'responses',
  'threads',
  'uploads',
  'vector_stores',
  'videos',
])
const OTHER = 'other'

/** Endpoints of OpenAI's API as one provider speaks it, below `/v1`. What is not known to be free may cost. */
export const compatibleFamily = (chat: ProviderAdapter): WireFamily => ({
  errors: { renderError: renderOpenAiError },
  endpoint(method, path): Endpoint {
    if (method === 'POST' && path === '/chat/completions')
      return { kind: 'metered', adapter: chat, path: { model: null, stream: false } }
    if (method === 'POST' && path === '/responses')
      return { kind: 'metered', adapter: openaiResponses, path: { model: null, stream: false } }
    if (method === 'POST' && path === '/embeddings')
      return { kind: 'metered', adapter: openaiEmbeddings, path: { model: null, stream: false } }
    if (isOneOf(RESPONSES_AGAIN, method, path)) return { kind: 'free', operation: 'responses', again: openaiResponses }
    const free = isOneOf(FREE, method, path)
    const resource = path.split('/')[1] ?? ''
    const operation = RESOURCES.has(resource) ? resource : OTHER
    return free ? { kind: 'free', operation, ...carriedBy(CARRIERS, method, path) } : { kind: 'billable', operation }
  },
})

/** OpenAI's own. */
export const openaiFamily: WireFamily = compatibleFamily(openaiChat)
