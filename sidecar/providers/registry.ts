/**
 * Which provider a path means. `/NAME/…` names one; without a name the path itself tells, and what no other provider
 * claims is OpenAI's.
 */
import { PROVIDER_NAMES, type ProviderName } from '@agentcostcontrol/contract'
import { ANTHROPIC_PATHS, anthropicFamily } from './anthropic/endpoints.ts'
import { AZURE_BASE, AZURE_PATHS, azureFamily } from './azure/endpoints.ts'
import type { ProviderRoute, WireFamily } from './family.ts'
import { GEMINI_PATHS, geminiFamily } from './gemini/endpoints.ts'
import { OLLAMA_PATHS, ollamaFamily } from './ollama/endpoints.ts'
import { chatAdapter } from './openai/chat.ts'
import { CHAT_DIALECTS } from './openai/dialects.ts'
import { compatibleFamily, openaiFamily } from './openai/endpoints.ts'
import type { ErrorFormat } from './provider.ts'

const V1 = /^\/v1(?=\/)/
/** For a provider whose base URL holds no part of the path. */
const NOTHING = /^(?!)/

/** OpenAI's API as a provider speaks it. */
const speaking = (name: keyof typeof CHAT_DIALECTS): WireFamily => compatibleFamily(chatAdapter(CHAT_DIALECTS[name]))

const ROUTES: Readonly<Record<ProviderName, ProviderRoute>> = {
  openai: { family: openaiFamily, base: V1 },
  anthropic: { family: anthropicFamily, base: V1, claims: ANTHROPIC_PATHS },
  azure: { family: azureFamily, base: AZURE_BASE, claims: AZURE_PATHS },
  cerebras: { family: speaking('cerebras'), base: V1 },
  deepseek: { family: speaking('deepseek'), base: V1 },
  fireworks: { family: speaking('fireworks'), base: /^(?:\/inference)?\/v1(?=\/)/ },
  google: { family: geminiFamily, base: NOTHING, claims: GEMINI_PATHS, aliases: ['gemini'] },
  groq: { family: speaking('groq'), base: /^(?:\/openai)?\/v1(?=\/)/ },
  mistral: { family: speaking('mistral'), base: V1 },
  moonshotai: { family: speaking('moonshotai'), base: V1 },
  ollama: { family: ollamaFamily, base: NOTHING, claims: OLLAMA_PATHS },
  openrouter: { family: speaking('openrouter'), base: /^(?:\/api)?\/v1(?=\/)/ },
  together: { family: speaking('together'), base: V1 },
  vllm: { family: speaking('vllm'), base: V1 },
  xai: { family: speaking('xai'), base: V1 },
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
  // First the claims, since some of Azure's paths begin with a name that is not its own.
  const claiming = PROVIDER_NAMES.find((name) => ROUTES[name].claims?.test(path))
  const end = path.indexOf('/', 1)
  const named = claiming || end === -1 ? undefined : BY_PREFIX.get(path.slice(1, end))
  const provider = claiming ?? named ?? 'openai'
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
