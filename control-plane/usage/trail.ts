/** The decision trail of a request, made from its stored event alone. */
import type { BudgetDecision, EventCharge, EventFinding, UsageAttempt, UsageEvent } from '@agentcostcontrol/contract'
import type { PriceSource, Recomputed } from '@agentcostcontrol/policy'

/** One step of a request, in the order in which they are taken. */
export type TrailStep =
  | ({ readonly step: 'identified' } & UsageEvent['principal'] &
      Pick<UsageEvent, 'instanceId' | 'operation' | 'method' | 'path' | 'streamed'>)
  /** Which revision of the policy decided. */
  | { readonly step: 'policy'; readonly revision: string }
  /** What detectors found in the request, or in the answer, and what was done. */
  | {
      readonly step: 'inspected'
      readonly direction: 'request' | 'response'
      readonly findings: readonly EventFinding[]
    }
  /** What a budget did with it, where it did not just let it pass. */
  | ({ readonly step: 'decided' } & BudgetDecision)
  /** From which leases the bound of the request was taken. */
  | {
      readonly step: 'reserved'
      readonly from: readonly Omit<EventCharge, 'nanoUsd'>[]
      /** The bound: nano-USD, from each of them. */
      readonly boundNanoUsd: string
    }
  /** The output limit that the provider was told in place of the request's own. */
  | { readonly step: 'clamped'; readonly outputTokens: number }
  /** Where an attempt was sent, and how its price was found. */
  | {
      readonly step: 'routed'
      /** From 1. */
      readonly attempt: number
      readonly provider: string
      readonly model: string
      readonly rateCardVersion: string
      readonly pricedAs: string | null
      /** `null` where the cost was not made of a price that is known here. */
      readonly price: PriceSource | null
    }
  /** What came of it, what it cost, and whether that cost can be computed again. */
  | ({ readonly step: 'attempted'; readonly attempt: number; readonly recomputed: Recomputed } & Omit<
      UsageAttempt,
      'provider' | 'requestedModel' | 'rateCardVersion' | 'pricedAs'
    >)
  /** What each lease was charged. */
  | { readonly step: 'charged'; readonly charges: readonly EventCharge[] }
  /** How it ended for its client. */
  | ({ readonly step: 'ended' } & Pick<
      UsageEvent,
      'outcome' | 'code' | 'clientStatus' | 'durationMs' | 'upstreamFirstByteMs'
    >)

/** Makes the trail. @param recomputed of each attempt, in their order */
export function trailOf(event: UsageEvent, recomputed: readonly Recomputed[]): readonly TrailStep[] {
  const { principal, instanceId, operation, method, path, streamed, attempts, charges, clampedOutputTokens } = event
  return [
    { step: 'identified', ...principal, instanceId, operation, method, path, streamed },
    { step: 'policy', revision: event.policyRevision },
    ...inspected(event, 'request'),
    ...(event.budgetDecision === undefined ? [] : [{ step: 'decided' as const, ...event.budgetDecision }]),
    ...(charges.length === 0 ? [] : [reserved(event)]),
    ...(clampedOutputTokens === null ? [] : [{ step: 'clamped' as const, outputTokens: clampedOutputTokens }]),
    ...attempts.flatMap((attempt, at) => sent(attempt, at + 1, recomputed[at])),
    ...inspected(event, 'response'),
    ...(charges.length === 0 ? [] : [{ step: 'charged' as const, charges }]),
    ended(event),
  ]
}

function inspected({ findings }: UsageEvent, direction: 'request' | 'response'): readonly TrailStep[] {
  const there = findings.filter((finding) => finding.direction === direction)
  return there.length === 0 ? [] : [{ step: 'inspected', direction, findings: there }]
}

/** Each attempt has a bound of its own, and all of them are charged to the leases of the first. */
function reserved({ charges, attempts }: UsageEvent): TrailStep {
  const bound = attempts.reduce((sum, { boundNanoUsd }) => sum + BigInt(boundNanoUsd), 0n)
  return { step: 'reserved', from: charges.map(({ nanoUsd: _, ...lease }) => lease), boundNanoUsd: `${bound}` }
}

function sent(attempt: UsageAttempt, number: number, recomputed: Recomputed | undefined): readonly TrailStep[] {
  const { provider, requestedModel, rateCardVersion, pricedAs = null, ...rest } = attempt
  const check = recomputed ?? { verdict: 'notComputed', why: 'unknownCard' }
  const price = check.verdict === 'notComputed' ? null : check.price
  return [
    { step: 'routed', attempt: number, provider, model: requestedModel, rateCardVersion, pricedAs, price },
    { step: 'attempted', attempt: number, ...rest, recomputed: check },
  ]
}

const ended = ({ outcome, code, clientStatus, durationMs, upstreamFirstByteMs }: UsageEvent): TrailStep => ({
  step: 'ended',
  outcome,
  code,
  clientStatus,
  durationMs,
  upstreamFirstByteMs,
})
