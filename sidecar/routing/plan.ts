import { type CompiledProvider, findPrice, type PriceBook, worstPrice } from '@agentcostcontrol/policy'
import { type Upstreams, upstreamVariable } from '../config.ts'
import { type Denial, denial, type Inspected, type Planned } from '../exchange.ts'

/** Stage 5: the targets, in the order in which they are tried. */
export type Plan = (inspected: Inspected) => Planned | Denial

/** Makes stage 5. @param upstreams base URLs where no ProviderConfig names one */
export function createPlan(prices: PriceBook, upstreams: Upstreams): Plan {
  return (inspected) => {
    const { identified, provider } = inspected.authorized
    const baseUrl = provider.baseUrl ?? upstreams.get(identified.provider)
    if (baseUrl === undefined) {
      return denial(
        'acc_upstream_unconfigured',
        `Nobody says where "${identified.provider}" is: set baseUrl in a ProviderConfig for it, or ${upstreamVariable(identified.provider)}.`,
      )
    }
    const { ask } = identified
    if (ask.kind === 'passThrough')
      return { inspected, targets: [{ provider, model: '', baseUrl, priced: null, insteadOf: null }] }
    const { model, pricedAs = model } = ask.request
    const found = findPrice(prices, provider, pricedAs, identified.raw.receivedAtMs)
    if (!found && provider.onUnpricedModel === 'deny') {
      return denial(
        'acc_model_unpriced',
        `The rate card ${prices.version} has no price for the model "${pricedAs.slice(0, 100)}" of ${identified.provider}${listedAs(provider, pricedAs)}. Use a model that it knows, state it under models in the ProviderConfig "${provider.name}", or set onUnpricedModel: worstCase there.`,
      )
    }
    return {
      inspected,
      targets: [{ provider, model, baseUrl, priced: found ?? worstPrice(prices, provider), insteadOf: null }],
    }
  }
}

/** What the policy says that a model is, for the message: the list or the name may be misspelt there. */
function listedAs(provider: CompiledProvider, asked: string): string {
  const stated = provider.models.get(asked)
  return stated ? `, which the ProviderConfig says is "${stated.model}" of ${stated.priceList ?? 'no price list'}` : ''
}
