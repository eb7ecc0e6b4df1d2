import { type Endpoint, type EndpointRule, isOneOf, type WireFamily } from '../family.ts'
import { chatAdapter } from '../openai/chat.ts'
import { CHAT_DIALECTS } from '../openai/dialects.ts'
import { compatibleFamily } from '../openai/endpoints.ts'
import type { ProviderAdapter } from '../provider.ts'
import { ollamaChat, ollamaEmbed, ollamaGenerate } from './adapters.ts'
import { ollamaErrors } from './errors.ts'

const METERED: Readonly<Record<string, ProviderAdapter>> = {
  '/api/chat': ollamaChat,
  '/api/generate': ollamaGenerate,
  '/api/embed': ollamaEmbed,
  '/api/embeddings': ollamaEmbed,
}

/** Models are listed, shown, fetched and made: that takes a disk, and no tokens. */
const FREE: readonly EndpointRule[] = [
  { methods: ['GET', 'HEAD'], path: /^\/(?:api\/(?:tags|ps|version))?$/ },
  { methods: ['POST'], path: /^\/api\/(?:show|pull|push|create|copy)$/ },
  { methods: ['DELETE'], path: /^\/api\/delete$/ },
  { methods: ['HEAD', 'POST'], path: /^\/api\/blobs\/[^/]+$/ },
]

const V1 = /^\/v1(?=\/)/
const COMPATIBLE = compatibleFamily(chatAdapter(CHAT_DIALECTS.ollama))

/** Paths that are Ollama's without its name in front. */
export const OLLAMA_PATHS =
  /^\/api\/(?:chat|generate|embed|embeddings|tags|ps|version|show|pull|push|create|copy|delete|blobs)(?:\/|$)/

/** Ollama's own API below `/api`, and OpenAI's below `/v1`. */
export const ollamaFamily: WireFamily = {
  errors: ollamaErrors,
  endpoint(method, path, query): Endpoint {
    if (V1.test(path)) {
      const endpoint = COMPATIBLE.endpoint(method, path.replace(V1, ''), query)
      return endpoint.kind === 'metered' ? { errors: COMPATIBLE.errors, ...endpoint } : endpoint
    }
    const adapter = method === 'POST' && Object.hasOwn(METERED, path) ? METERED[path] : undefined
    if (adapter) return { kind: 'metered', adapter, path: { model: null, stream: false } }
    return { kind: isOneOf(FREE, method, path) ? 'free' : 'billable', operation: 'ollama' }
  },
}
