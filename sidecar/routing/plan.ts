import type { PriceBook } from '@agentcostcontrol/policy'
import { type Denial, denial, type Inspected, type Planned } from '../exchange.ts'

/** Stage 5: the targets, in the order in which they are tried. */
export type Plan = (inspected: Inspected) => Planned | Denial

/** Makes stage 5. @param upstreams base URL by provider, where no ProviderConfig names one */
export function createPlan(prices: PriceBook, upstreams: Readonly<Record<'openai', string>>): Plan {
  return (inspected) => {
    const { identified, provider } = inspected.authorized
    const baseUrl = provider.baseUrl ?? upstreams[identified.provider]
    const { ask } = identified
    if (ask.kind === 'passThrough') return { inspected, targets: [{ provider, model: '', baseUrl, priced: null }] }
    const { model } = ask.request
    const found = prices.find(identified.provider, model, identified.raw.receivedAtMs)
    if (!found && provider.onUnpricedModel === 'deny') {
      return denial(
        'acc_model_unpriced',
        `The rate card ${prices.version} has no price for the model "${model.slice(0, 100)}" of ${identified.provider}. Use a model that it knows, add the price, or set onUnpricedModel: worstCase in the ProviderConfig "${provider.name}".`,
      )
    }
    return {
      inspected,
      targets: [{ provider, model, baseUrl, priced: found ?? prices.worstCase(identified.provider) }],
    }
  }
}
