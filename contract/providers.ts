/**
 * The providers that can be named, in policies and in paths, and what is known of each. Base URLs and billing habits are
 * those of November 2026; a ProviderConfig or the sidecar's environment names another address.
 */

/** What is known of a provider. */
export interface ProviderFacts {
  /** Where it is unless something else is said, without a slash at the end; `null` where that differs by customer. */
  readonly baseUrl: string | null
  /** Its name on the rate card; `null` where models are named by their maker (`vendor/model`) or are one's own. */
  readonly priceList: string | null
  /** True where requests name deployments, which the customer names as he likes: only a ProviderConfig says which models they are. */
  readonly namesDeployments?: boolean
  /**
   * Whether ending a call in mid-stream ends its billing (OpenRouter's published list of providers). Where it does not,
   * a call that is ended costs as much as one that is read to its end.
   */
  readonly cancelStopsBilling: boolean
}

/** Every provider by name. */
export const PROVIDERS = {
  openai: { baseUrl: 'https://api.openai.com/v1', priceList: 'openai', cancelStopsBilling: true },
  anthropic: { baseUrl: 'https://api.anthropic.com/v1', priceList: 'anthropic', cancelStopsBilling: true },
  azure: { baseUrl: null, priceList: 'azure', namesDeployments: true, cancelStopsBilling: true },
  cerebras: { baseUrl: 'https://api.cerebras.ai/v1', priceList: 'cerebras', cancelStopsBilling: false },
  deepseek: { baseUrl: 'https://api.deepseek.com/v1', priceList: 'deepseek', cancelStopsBilling: true },
  fireworks: { baseUrl: 'https://api.fireworks.ai/inference/v1', priceList: 'fireworks', cancelStopsBilling: true },
  google: { baseUrl: 'https://generativelanguage.googleapis.com', priceList: 'google', cancelStopsBilling: false },
  groq: { baseUrl: 'https://api.groq.com/openai/v1', priceList: 'groq', cancelStopsBilling: false },
  mistral: { baseUrl: 'https://api.mistral.ai/v1', priceList: 'mistral', cancelStopsBilling: false },
  moonshotai: { baseUrl: 'https://api.moonshot.ai/v1', priceList: 'moonshotai', cancelStopsBilling: false },
  ollama: { baseUrl: 'http://127.0.0.1:11434', priceList: null, cancelStopsBilling: true },
  openrouter: { baseUrl: 'https://openrouter.ai/api/v1', priceList: null, cancelStopsBilling: false },
  together: { baseUrl: 'https://api.together.xyz/v1', priceList: 'together', cancelStopsBilling: true },
  vllm: { baseUrl: null, priceList: null, cancelStopsBilling: true },
  xai: { baseUrl: 'https://api.x.ai/v1', priceList: 'xai', cancelStopsBilling: true },
} as const satisfies Readonly<Record<string, ProviderFacts>>

/** The name of a provider. */
export type ProviderName = keyof typeof PROVIDERS

/** Every name, sorted but for OpenAI's, which is the one that a path without a name means. */
export const PROVIDER_NAMES = Object.keys(PROVIDERS).filter((name): name is ProviderName => name in PROVIDERS)

/** What is known of a provider. */
export const providerFacts = (name: ProviderName): ProviderFacts => PROVIDERS[name]
