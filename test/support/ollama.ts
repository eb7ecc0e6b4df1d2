import type { ModelPrice, RateCard } from '@agentcostcontrol/contract'
import { Ollama } from 'ollama'
import type { Told } from './sdk-errors.ts'
import { tagged } from './twins.ts'

/** What the models of the tests cost, in USD per million tokens: a machine's hours over its tokens. */
const PRICES = { 'qwen3:8b': ['0.1', '0.4'], 'llama3.2:3b': ['0.02', '0.05'] } as const

/** The same as a policy says it; every other model is free. */
export const OLLAMA_POLICY = `apiVersion: agentcostcontrol.io/v1
kind: ProviderConfig
metadata: { name: ollama }
spec:
  provider: ollama
  models:
${Object.entries(PRICES)
  .map(
    ([name, [input, output]]) =>
      `    "${name}": { price: { input: "${input}", output: "${output}" }, contextTokensMax: 40960 }\n`,
  )
  .join('')}    "*": { price: { input: "0", output: "0" } }
`

/** And as the simulator bills it. */
export const OLLAMA_CARD: RateCard = {
  version: 'ollama.1',
  sources: [],
  models: Object.entries(PRICES).map(
    ([model, [input, output]]): ModelPrice => ({
      provider: 'ollama',
      model,
      aliases: [],
      snapshots: false,
      effectiveFrom: '1970-01-01T00:00:00Z',
      effectiveTo: null,
      contextTokensMax: 40_960,
      outputTokensMax: null,
      rates: {
        input: String(Number(input) * 1e6),
        output: String(Number(output) * 1e6),
        cacheRead: null,
        cacheWrite5m: null,
        cacheWrite1h: null,
      },
      contextTiers: [],
      serviceTiers: { batch: null, flex: null, priority: null },
      hours: [],
      webSearchPicoUsdPerCall: null,
      source: 'test',
    }),
  ),
}

/** Ollama's official client, as an agent sets it up; every request carries the tag. */
export const ollamaAt = (host: string, tag: string, headers: Readonly<Record<string, string>> = {}): Ollama =>
  new Ollama({ host, headers: { ...tagged(tag), ...headers } })

/** What an error of Ollama's client says of itself. */
export function toldByOllama(error: unknown): Told {
  if (!(error instanceof Error)) return { thrown: error }
  const { name, message } = error
  return {
    class: error.constructor.name,
    name,
    message,
    ...('status_code' in error ? { status: error.status_code } : {}),
  }
}
