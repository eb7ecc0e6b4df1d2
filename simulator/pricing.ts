/**
 * What a provider would charge: an own reading of the rate card, so that the sidecar's pricing can be compared with
 * something that shares no code with it. Exact, in pico-USD.
 */
import type { ModelPrice, RateCard, Rates } from '@agentcostcontrol/contract'

/** Usage as OpenAI reports it. */
export interface OpenAiUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details: {
    readonly cached_tokens: number
    readonly audio_tokens: number
    readonly cache_write_tokens?: number
  }
  readonly completion_tokens_details: {
    readonly reasoning_tokens: number
    readonly audio_tokens: number
    readonly accepted_prediction_tokens: number
    readonly rejected_prediction_tokens: number
  }
}

/** Prices usage and web searches by model name; `null` for a model that the card does not know. */
export type Oracle = (model: string, usage: OpenAiUsage, serviceTier: string, searchCalls: number) => bigint | null

/** Makes an oracle of the current OpenAI prices of a card. */
export function createOracle(card: RateCard): Oracle {
  const models = card.models.filter(({ provider, effectiveTo }) => provider === 'openai' && effectiveTo === null)
  return (model, usage, serviceTier, searchCalls) => {
    const price =
      models.find((each) => each.model === model || each.aliases.includes(model)) ??
      models.find(
        (each) =>
          each.snapshots &&
          model.startsWith(`${each.model}-`) &&
          /^\d{4}-\d{2}-\d{2}$/.test(model.slice(each.model.length + 1)),
      )
    return price
      ? bill(price, usage, serviceTier) + BigInt(searchCalls) * BigInt(price.webSearchPicoUsdPerCall ?? 0)
      : null
  }
}

function bill(price: ModelPrice, usage: OpenAiUsage, serviceTier: string): bigint {
  const tier = price.contextTiers.filter(({ aboveInputTokens }) => usage.prompt_tokens > aboveInputTokens).at(-1)
  const base: Rates = tier?.rates ?? price.rates
  const service =
    serviceTier === 'flex' || serviceTier === 'priority' || serviceTier === 'batch'
      ? price.serviceTiers[serviceTier]
      : null
  const input = BigInt(service?.input ?? base.input)
  const output = BigInt(service?.output ?? base.output)
  const { cached_tokens: cached, cache_write_tokens: written = 0 } = usage.prompt_tokens_details
  // A service tier states input and output alone; its cache keeps the ratio of the standard rates, rounded up.
  const scaled = (rate: string | null): bigint => {
    if (rate === null) return input
    if (!service) return BigInt(rate)
    const standard = BigInt(base.input)
    return standard === 0n ? BigInt(rate) : (BigInt(rate) * input + standard - 1n) / standard
  }
  const plain = usage.prompt_tokens - cached - written
  return (
    BigInt(plain) * input +
    BigInt(cached) * scaled(base.cacheRead) +
    BigInt(written) * scaled(base.cacheWrite5m) +
    BigInt(usage.completion_tokens) * output
  )
}
