/** Prices that a policy states, in place of a list's or for names that no list knows. */
import type { ModelPrice, Rates } from '@agentcostcontrol/contract'
import { CompiledModel, CompiledPrice } from './priced-model.ts'
import type { PricedModel, StatedModel } from './types.ts'

/** The provenance of rates that a policy states. */
const FROM_POLICY = 'policy'
/** The fee of a hosted call where no list states one: that of `card-index.ts`, USD 35 per thousand. */
const HOSTED_CALL_PICO = 35_000_000_000n
/** What costs nothing needs no limit to be bounded: any number does, so it is one that no model reaches. */
const FREE_CONTEXT_TOKENS = 100_000_000

type Find = (list: string, model: string, atMs: number) => CompiledModel | null

interface Known {
  readonly listed: CompiledModel | null
  readonly priced: CompiledModel
}

/**
 * Makes the look-up of stated prices over a card's. The answer is the same object as long as the list's price is; it is
 * forgotten with the policy that it stands in.
 */
export function statedPrices(
  cardVersion: string,
  find: Find,
): (stated: StatedModel, atMs: number) => PricedModel | null {
  const known = new WeakMap<StatedModel, Known>()
  return (stated, atMs) => {
    const listed = stated.priceList === null ? null : find(stated.priceList, stated.model, atMs)
    const before = known.get(stated)
    if (before && before.listed === listed) return before.priced
    const priced = make(stated, listed, cardVersion)
    if (priced) known.set(stated, { listed, priced })
    return priced
  }
}

function make(stated: StatedModel, listed: CompiledModel | null, cardVersion: string): CompiledModel | null {
  if (stated.rates !== null) {
    const defaults = { hostedCallPico: HOSTED_CALL_PICO, sellsOneHourCache: false }
    const compiled = new CompiledPrice(ownPrice(stated, stated.rates, listed), defaults)
    return new CompiledModel(compiled, 'policy', cardVersion, FROM_POLICY)
  }
  if (!listed) return null
  const { provider, model } = listed.price
  return new CompiledModel(listed.compiled, 'policy', cardVersion, `${provider}/${model}`)
}

/** One flat price: what is negotiated holds for every hour and length. Limits and fees that it leaves out are the list's. */
function ownPrice(stated: StatedModel, rates: Rates, listed: CompiledModel | null): ModelPrice {
  const isFree = [rates.input, rates.output, rates.cacheRead, rates.cacheWrite5m].every(
    (rate) => Number(rate ?? 0) === 0,
  )
  const outputTokensMax = stated.outputTokensMax ?? listed?.outputTokensMax ?? null
  return {
    provider: stated.priceList ?? FROM_POLICY,
    model: stated.model,
    aliases: [],
    snapshots: false,
    effectiveFrom: '1970-01-01T00:00:00Z',
    effectiveTo: null,
    contextTokensMax: stated.contextTokensMax ?? listed?.contextTokensMax ?? (isFree ? FREE_CONTEXT_TOKENS : null),
    outputTokensMax,
    rates,
    contextTiers: [],
    serviceTiers: { batch: null, flex: null, priority: null },
    hours: [],
    webSearchPicoUsdPerCall: listed?.price.webSearchPicoUsdPerCall ?? null,
    source: FROM_POLICY,
  }
}
