import { openaiChat } from './openai/chat.ts'
import type { ProviderAdapter } from './provider.ts'

/** What an endpoint of a provider is, from method and path alone. */
export type Endpoint =
  | { readonly kind: 'metered'; readonly adapter: ProviderAdapter }
  /** Costs nothing at the provider: lists, files, moderations, stored answers. */
  | { readonly kind: 'free' }
  /** Costs something, or may: not metered in this version. */
  | { readonly kind: 'billable' }

const FREE: readonly { readonly methods: readonly string[]; readonly path: RegExp }[] = [
  { methods: ['GET', 'HEAD', 'DELETE'], path: /^\/models(?:\/[^/]+)*$/ },
  { methods: ['GET', 'HEAD', 'DELETE', 'POST'], path: /^\/chat\/completions\/[^/]+(?:\/messages)?$/ },
  { methods: ['GET', 'HEAD'], path: /^\/chat\/completions$/ },
  { methods: ['POST'], path: /^\/moderations$/ },
  { methods: ['GET', 'HEAD', 'POST', 'DELETE'], path: /^\/files(?:\/[^/]+){0,2}$/ },
  { methods: ['POST'], path: /^\/uploads(?:\/[^/]+){0,2}$/ },
]

/** Classifies an endpoint of OpenAI's API. `path` is decoded, without query and below `/v1`. What is not known to be free may cost. */
export function openaiEndpoint(method: string, path: string): Endpoint {
  if (method === 'POST' && path === '/chat/completions') return { kind: 'metered', adapter: openaiChat }
  const free = FREE.some((rule) => rule.methods.includes(method) && rule.path.test(path))
  return { kind: free ? 'free' : 'billable' }
}
