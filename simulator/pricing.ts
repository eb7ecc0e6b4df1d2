/**
 * What a provider would charge: an own reading of the rate card, so that the sidecar's pricing can be compared with
 * something that shares no code with it. Exact, in pico-USD.
 */
import type { ModelPrice, RateCard, Rates } from '@agentcostcontrol/contract'

/** What was consumed: tokens, each counted once, and calls of the provider's own tools. */
export interface Consumed {
  /** Input that neither came from a cache nor went into one. */
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  /** All output, reasoning included. */
  readonly output: number
  readonly searchCalls: number
  /** Searches in files, and containers in which code was run: what OpenAI asks for them. */
  readonly fileSearchCalls: number
  readonly containers: number
}

/** Nothing, to spread over. */
export const NOTHING_CONSUMED: Consumed = {
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  searchCalls: 0,
  fileSearchCalls: 0,
  containers: 0,
}

/** $2.50 for a thousand searches in files, $0.03 for a container: OpenAI's published fees, which the rate card leaves out. */
const FILE_SEARCH_PICO = 2_500_000_000n
const CONTAINER_PICO = 30_000_000_000n

/** Prices by the provider's name on the rate card; `null` for a model that the card does not know. */
export type Oracle = (provider: string, model: string, consumed: Consumed, serviceTier: string) => bigint | null

/** Makes an oracle of the current prices of a card. */
export function createOracle(card: RateCard): Oracle {
  const current = Map.groupBy(
    card.models.filter(({ effectiveTo }) => effectiveTo === null),
    ({ provider }) => provider,
  )
  return (provider, model, consumed, serviceTier) => {
    const models = current.get(provider) ?? []
    const price =
      models.find((each) => each.model === model || each.aliases.includes(model)) ??
      models.find((each) => each.snapshots && isSnapshot(each.model, model))
    const sellsOneHour = models.some(({ rates }) => rates.cacheWrite1h !== null)
    return price ? bill(price, consumed, serviceTier, sellsOneHour) : null
  }
}

const isSnapshot = (family: string, model: string): boolean =>
  model.startsWith(`${family}-`) && /^(?:\d{4}-\d{2}-\d{2}|20\d{6})$/.test(model.slice(family.length + 1))

/** Where a provider sells an hour in its cache and a model's price leaves it out, it costs twice the input (Anthropic's own rule). */
function withOneHour(rates: Rates, sellsOneHour: boolean): Rates {
  if (rates.cacheWrite1h !== null || rates.cacheWrite5m === null || !sellsOneHour) return rates
  const [twice, short] = [BigInt(rates.input) * 2n, BigInt(rates.cacheWrite5m)]
  return { ...rates, cacheWrite1h: (twice > short ? twice : short).toString() }
}

/** The rates of a context tier: a cache price that it leaves out keeps its ratio to the input, rounded up. */
function inTier(rates: Rates, base: Rates): Rates {
  const likeBase = (own: string | null, rate: string | null): string | null =>
    own !== null || rate === null || base.input === '0'
      ? own
      : ((BigInt(rate) * BigInt(rates.input) + BigInt(base.input) - 1n) / BigInt(base.input)).toString()
  return {
    ...rates,
    cacheRead: likeBase(rates.cacheRead, base.cacheRead),
    cacheWrite5m: likeBase(rates.cacheWrite5m, base.cacheWrite5m),
    cacheWrite1h: likeBase(rates.cacheWrite1h, base.cacheWrite1h),
  }
}

function bill(price: ModelPrice, consumed: Consumed, serviceTier: string, sellsOneHour: boolean): bigint {
  const { input: plain, cacheRead, cacheWrite5m, cacheWrite1h } = consumed
  const all = plain + cacheRead + cacheWrite5m + cacheWrite1h
  const tier = price.contextTiers.filter(({ aboveInputTokens }) => all > aboveInputTokens).at(-1)
  const base: Rates = inTier(tier?.rates ?? price.rates, withOneHour(price.rates, sellsOneHour))
  const service =
    serviceTier === 'flex' || serviceTier === 'priority' || serviceTier === 'batch'
      ? price.serviceTiers[serviceTier]
      : null
  // A service tier states input and output of a short request: every other rate keeps its ratio to them, rounded up.
  const served = (rate: string, asked: string | undefined, standard: bigint): bigint =>
    asked === undefined || standard === 0n ? BigInt(rate) : (BigInt(rate) * BigInt(asked) + standard - 1n) / standard
  const input = served(base.input, service?.input, BigInt(price.rates.input))
  const output = served(base.output, service?.output, BigInt(price.rates.output))
  const scaled = (rate: string | null): bigint =>
    rate === null ? input : served(rate, service?.input, BigInt(price.rates.input))
  return (
    BigInt(plain) * input +
    BigInt(cacheRead) * scaled(base.cacheRead) +
    BigInt(cacheWrite5m) * scaled(base.cacheWrite5m) +
    BigInt(cacheWrite1h) * scaled(base.cacheWrite1h ?? base.cacheWrite5m) +
    BigInt(consumed.output) * output +
    BigInt(consumed.searchCalls) * BigInt(price.webSearchPicoUsdPerCall ?? 0) +
    BigInt(consumed.fileSearchCalls) * FILE_SEARCH_PICO +
    BigInt(consumed.containers) * CONTAINER_PICO
  )
}
