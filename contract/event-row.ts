import { minUsd, nanoUsd, parseUsd } from './money.ts'
import { totalInputTokens, totalOutputTokens } from './usage.ts'
import type { UsageEvent } from './usage-event.ts'

/** The columns of an event that both planes sum spend over, so that their sums agree; absent names are empty. */
export interface EventRow {
  /** UTC day of the intent. */
  readonly day: string
  readonly agent: string
  readonly workflow: string
  readonly provider: string
  readonly model: string
  /** `exact`, `estimated` or `none`: the worst of the attempts. */
  readonly precision: string
  readonly inputTokens: number
  readonly outputTokens: number
  /** Nano-USD. */
  readonly cost: bigint
  readonly charged: bigint
}

/** No request costs more. What a provider's nonsense would make of it is cut here, since a sum has to fit a column. */
const AMOUNT_MAX = parseUsd('10000000')
const TOKENS_MAX = 2 ** 40

/** Sums the attempts of an event. */
export function eventRow(event: UsageEvent): EventRow {
  let inputTokens = 0
  let outputTokens = 0
  let cost = 0n
  let charged = 0n
  let precision = 'none'
  for (const attempt of event.attempts) {
    if (attempt.usage) {
      inputTokens += totalInputTokens(attempt.usage)
      outputTokens += totalOutputTokens(attempt.usage)
    }
    // What nobody knows the price of stands in the report as what it was charged, never as nothing.
    cost += BigInt(attempt.costNanoUsd ?? attempt.chargedNanoUsd)
    charged += BigInt(attempt.chargedNanoUsd)
    if (attempt.precision === 'estimated' || (attempt.precision === 'exact' && precision === 'none'))
      precision = attempt.precision
  }
  const first = event.attempts[0]
  return {
    day: event.intentAt.slice(0, 10),
    agent: event.principal.agent ?? '',
    workflow: event.principal.workflow ?? '',
    provider: first?.provider ?? '',
    model: first?.requestedModel ?? '',
    precision,
    inputTokens: Math.min(inputTokens, TOKENS_MAX),
    outputTokens: Math.min(outputTokens, TOKENS_MAX),
    cost: minUsd(nanoUsd(cost), AMOUNT_MAX),
    charged: minUsd(nanoUsd(charged), AMOUNT_MAX),
  }
}
