/** Which cheaper models a request may be sent to instead, by the chains of some of its budgets. */
import { NO_USAGE } from '@agentcostcontrol/contract'
import { type CompiledBudget, findPrice, type PriceBook } from '@agentcostcontrol/policy'
import type { Inspected } from '../exchange.ts'
import { modelPlace } from '../providers/set-model.ts'
import type { CacheMemory } from './cache-memory.ts'
import type { MeteredAsk, PricedTarget } from './hold.ts'

/** What it goes by. */
export interface DowngradeOptions {
  readonly prices: PriceBook
  readonly cache: CacheMemory
}

/** About as many bytes are one token of text: for comparing models, never for a bound. */
const BYTES_PER_TOKEN = 4
/** Output that is compared with where a request says less than that it wants, or nothing. */
const OUTPUT_TOKENS = 1_000

/**
 * The models of the chains, in their order, that cost less than the target does, with what the target's prompt cache
 * saves taken into account: another model has to read the whole conversation anew.
 */
export function cheaperThan(
  { prices, cache }: DowngradeOptions,
  { authorized, body }: Inspected,
  { adapter, request }: MeteredAsk,
  target: PricedTarget,
  budgets: readonly CompiledBudget[],
): readonly PricedTarget[] {
  const chain = chainOf(budgets)
  // Another price than the model's own was asked for (a speed, a place): the other model may have no such thing.
  if (chain.length === 0 || request.pricedAs !== undefined) return []
  const { raw, principal, upstreamTarget } = authorized.identified
  if (modelPlace(upstreamTarget, request) === null) return []
  const { outputTokensAsked, outputTokensLeast = 0 } = adapter.bound(request, body.length)
  const fewest = Math.max(target.provider.minOutputTokens, outputTokensLeast)
  const inputTokens = Math.ceil(body.length / BYTES_PER_TOKEN)
  const outputTokens = Math.min(outputTokensAsked ?? OUTPUT_TOKENS, OUTPUT_TOKENS)
  const costOf = ({ priced }: PricedTarget, cachedTokens: number): bigint => {
    const cacheRead = Math.min(inputTokens, cachedTokens)
    const usage = { ...NO_USAGE, inputUncached: inputTokens - cacheRead, cacheRead, outputVisible: outputTokens }
    return prices.cost(priced, usage, { serviceTier: null, atMs: raw.receivedAtMs }).total
  }
  const stays = costOf(target, cache.cached(principal, target.model))
  return chain.flatMap((model) => {
    if (model === target.model) return []
    const priced = findPrice(prices, target.provider, model, raw.receivedAtMs)
    if (priced === null || (priced.outputTokensMax ?? fewest) < fewest) return []
    const other: PricedTarget = { ...target, model, priced, insteadOf: target.model }
    return costOf(other, cache.cached(principal, model)) < stays ? [other] : []
  })
}

const chainOf = (budgets: readonly CompiledBudget[]): readonly string[] => [
  ...new Set(budgets.flatMap(({ mode, downgrade }) => (mode === 'enforce' ? downgrade : []))),
]
