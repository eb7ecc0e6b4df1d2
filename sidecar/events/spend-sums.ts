import type { EventRow } from '@agentcostcontrol/contract'

/** Spend of so many requests that can be summed: of one day, agent, workflow, provider, model and precision. */
export type Spend = EventRow & { readonly requests: number }

type EncodedSpend = readonly [
  day: string,
  agent: string,
  workflow: string,
  provider: string,
  model: string,
  precision: string,
  requests: number,
  inputTokens: number,
  outputTokens: number,
  cost: string,
  charged: string,
]

/** Sums spend as it comes. */
export class SpendSums {
  readonly #sums = new Map<string, Spend>()

  add(spend: Spend): void {
    const { day, agent, workflow, provider, model, precision } = spend
    const key = `${day}\u001f${agent}\u001f${workflow}\u001f${provider}\u001f${model}\u001f${precision}`
    const sum = this.#sums.get(key)
    this.#sums.set(
      key,
      sum
        ? {
            ...sum,
            requests: sum.requests + spend.requests,
            inputTokens: sum.inputTokens + spend.inputTokens,
            outputTokens: sum.outputTokens + spend.outputTokens,
            cost: sum.cost + spend.cost,
            charged: sum.charged + spend.charged,
          }
        : spend,
    )
  }

  rows(): readonly Spend[] {
    return [...this.#sums.values()]
  }

  clear(): void {
    this.#sums.clear()
  }
}

/** Writes sums down; amounts are decimal-integer strings of nano-USD. */
export function encodeSpend(rows: readonly Spend[]): string {
  return JSON.stringify(
    rows.map(
      (row): EncodedSpend => [
        row.day,
        row.agent,
        row.workflow,
        row.provider,
        row.model,
        row.precision,
        row.requests,
        row.inputTokens,
        row.outputTokens,
        row.cost.toString(),
        row.charged.toString(),
      ],
    ),
  )
}

/** Reads what {@link encodeSpend} wrote. */
export function decodeSpend(text: string): readonly Spend[] {
  const rows: readonly EncodedSpend[] = JSON.parse(text)
  return rows.map(
    ([day, agent, workflow, provider, model, precision, requests, inputTokens, outputTokens, cost, charged]) => ({
      day,
      agent,
      workflow,
      provider,
      model,
      precision,
      requests,
      inputTokens,
      outputTokens,
      cost: BigInt(cost),
      charged: BigInt(charged),
    }),
  )
}
