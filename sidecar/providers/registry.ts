/**
 * Which provider a path means. `/NAME/…` names one; without a name the path itself tells, and what no other provider
 * claims is OpenAI's.
 */
import { PROVIDER_NAMES, type ProviderName } from '@agentcostcontrol/contract'
import { ANTHROPIC_PATHS, anthropicFamily } from './anthropic/endpoints.ts'
import type { ProviderRoute } from './family.ts'
import { openaiFamily } from './openai/endpoints.ts'

const V1 = /^\/v1(?=\/)/

const ROUTES: Readonly<Record<ProviderName, ProviderRoute>> = {
  openai: { family: openaiFamily, base: V1 },
  anthropic: { family: anthropicFamily, base: V1, claims: ANTHROPIC_PATHS },
  cerebras: { family: openaiFamily, base: V1 },
  deepseek: { family: openaiFamily, base: V1 },
  fireworks: { family: openaiFamily, base: /^(?:\/inference)?\/v1(?=\/)/ },
  groq: { family: openaiFamily, base: /^(?:\/openai)?\/v1(?=\/)/ },
  mistral: { family: openaiFamily, base: V1 },
  moonshotai: { family: openaiFamily, base: V1 },
  openrouter: { family: openaiFamily, base: /^(?:\/api)?\/v1(?=\/)/ },
  together: { family: openaiFamily, base: V1 },
  vllm: { family: openaiFamily, base: V1 },
  xai: { family: openaiFamily, base: V1 },
}

/** A request's path, read. */
export interface Routed {
  readonly provider: ProviderName
  readonly route: ProviderRoute
  /** The path as sent, below the provider's base URL. */
  readonly path: string
}

/** @param path as sent, without its query */
export function routePath(path: string): Routed {
  const provider = providerOf(path)
  const route = ROUTES[provider]
  const named = path.startsWith(`/${provider}/`) ? path.slice(provider.length + 1) : path
  return { provider, route, path: named.replace(route.base, '') }
}

function providerOf(path: string): ProviderName {
  const end = path.indexOf('/', 1)
  const first = end === -1 ? '' : path.slice(1, end)
  return (
    PROVIDER_NAMES.find((name) => name === first) ??
    PROVIDER_NAMES.find((name) => ROUTES[name].claims?.test(path)) ??
    'openai'
  )
}
