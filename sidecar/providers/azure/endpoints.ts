import { type Endpoint, type EndpointRule, isOneOf, type WireFamily } from '../family.ts'
import { chatAdapter } from '../openai/chat.ts'
import { OPENAI_CHAT } from '../openai/dialects.ts'
import { compatibleFamily } from '../openai/endpoints.ts'
import type { ProviderAdapter } from '../provider.ts'

/** Paths that only Azure has; with OPENAI_BASE_URL set, its SDK puts a version in front of the deployments. */
export const AZURE_PATHS = /^\/openai\/(?:v1\/)?deployments\//
/** That version, which Azure does not know. */
export const AZURE_BASE = /(?<=^\/openai)\/v1(?=\/deployments\/)/

const DEPLOYMENT = /^\/openai\/deployments\/([^/]+)(\/.+)$/
const V1 = /^\/openai\/v1(?=\/)/
const FREE: readonly EndpointRule[] = [
  { methods: ['GET', 'HEAD'], path: /^\/openai\/(?:models|deployments)(?:\/[^/]+)*$/ },
]

/** Before this version the API knew neither `max_completion_tokens` nor `stream_options`. */
const CURRENT_SINCE = '2024-09-01'
const DATED = /^20\d\d-\d\d-\d\d/

/** With data of one's own, documents that nobody sees are added to the prompt, and usage must not be asked for. */
const hasOwnData = (json: Readonly<Record<string, unknown>>): boolean => (json.data_sources ?? null) !== null

function withOwnData(chat: ProviderAdapter): ProviderAdapter {
  return {
    ...chat,
    bound: (request, bodyBytes) => {
      const bound = chat.bound(request, bodyBytes)
      if (bound.kind === 'unbounded' || !hasOwnData(request.json)) return bound
      const { choices, outputTokensAsked, serviceTier } = bound
      const reason = 'data sources'
      return { kind: 'unbounded', reason, hostedToolCallsMax: 0, choices, outputTokensAsked, serviceTier }
    },
    askForUsage: (body, request) => (hasOwnData(request.json) ? null : chat.askForUsage(body, request)),
  }
}

const CURRENT = compatibleFamily(withOwnData(chatAdapter(OPENAI_CHAT)))
const OLDER = compatibleFamily(
  withOwnData(chatAdapter({ ...OPENAI_CHAT, limitField: 'max_tokens', streamUsage: 'always' })),
)

/**
 * Azure OpenAI: OpenAI's API below `/openai/v1`, where the model is the name of a deployment, and below
 * `/openai/deployments/NAME`, where the deployment stands in the path and the version in the query.
 */
export const azureFamily: WireFamily = {
  errors: CURRENT.errors,
  endpoint(method, path, query): Endpoint {
    if (V1.test(path)) return CURRENT.endpoint(method, path.replace(V1, ''), query)
    const [, deployment, below] = DEPLOYMENT.exec(path) ?? []
    if (deployment === undefined || below === undefined)
      return { kind: isOneOf(FREE, method, path) ? 'free' : 'billable', operation: 'deployments' }
    const version = new URLSearchParams(query).get('api-version') ?? ''
    const family = DATED.test(version) && version < CURRENT_SINCE ? OLDER : CURRENT
    const endpoint = family.endpoint(method, below, query)
    return endpoint.kind === 'metered' ? { ...endpoint, path: { ...endpoint.path, model: deployment } } : endpoint
  },
}
