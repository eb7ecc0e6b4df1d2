/**
 * Which provider a path means. `/NAME/…` names one; without a name the path itself tells, and what no other provider
 * claims is OpenAI's.
 */
import { PROVIDER_NAMES, type ProviderName } from '@agentcostcontrol/contract'
import { ANTHROPIC_PATHS, anthropicFamily } from './anthropic/endpoints.ts'
import type { ProviderRoute } from './family.ts'
import { GEMINI_PATHS, geminiFamily } from './gemini/endpoints.ts'
import { openaiFamily } from './openai/endpoints.ts'
import type { ErrorFormat } from './provider.ts'

const V1 = /^\/v1(?=\/)/
/** For a provider whose base URL holds no part of the path. */
const NOTHING = /^(?!)/

const ROUTES: Readonly<Record<ProviderName, ProviderRoute>> = {
  openai: { family: openaiFamily, base: V1 },
  anthropic: { family: anthropicFamily, base: V1, claims: ANTHROPIC_PATHS },
  cerebras: { family: openaiFamily, base: V1 },
  deepseek: { family: openaiFamily, base: V1 },
  fireworks: { family: openaiFamily, base: /^(?:\/inference)?\/v1(?=\/)/ },
  google: { family: geminiFamily, base: NOTHING, claims: GEMINI_PATHS, aliases: ['gemini'] },
  groq: { family: openaiFamily, base: /^(?:\/openai)?\/v1(?=\/)/ },
  mistral: { family: openaiFamily, base: V1 },
  moonshotai: { family: openaiFamily, base: V1 },
  openrouter: { family: openaiFamily, base: /^(?:\/api)?\/v1(?=\/)/ },
  together: { family: openaiFamily, base: V1 },
  vllm: { family: openaiFamily, base: V1 },
  xai: { family: openaiFamily, base: V1 },
}

/** Providers by what stands in front of a path. */
const BY_PREFIX: ReadonlyMap<string, ProviderName> = new Map(
  PROVIDER_NAMES.flatMap((name) => [name, ...(ROUTES[name].aliases ?? [])].map((prefix) => [prefix, name] as const)),
)

/** A request's path, read. */
export interface Routed {
  readonly provider: ProviderName
  readonly route: ProviderRoute
  /** The path as sent, below the provider's base URL. */
  readonly path: string
}

/** @param path as sent, without its query */
export function routePath(path: string): Routed {
  const end = path.indexOf('/', 1)
  const named = end === -1 ? undefined : BY_PREFIX.get(path.slice(1, end))
  const provider = named ?? PROVIDER_NAMES.find((name) => ROUTES[name].claims?.test(path)) ?? 'openai'
  const route = ROUTES[provider]
  return { provider, route, path: (named ? path.slice(end) : path).replace(route.base, '') }
}

/** How a refusal is told to a request that was not read further. @param target path and query as sent */
export function errorFormatOf(method: string, target: string): ErrorFormat {
  const [sent = '', query = ''] = target.split('?', 2)
  const { route, path } = routePath(sent)
  const endpoint = route.family.endpoint(method, path, query)
  return endpoint.kind === 'metered' ? (endpoint.errors ?? route.family.errors) : route.family.errors
}
