import { type EventCharge, PROVIDER_NAMES, providerFacts, type UsageEvent } from '@agentcostcontrol/contract'
import {
  type CompiledPolicy,
  type CompiledProvider,
  findListedPrice,
  type PriceBook,
  type Spender,
  type SpenderModel,
} from '@agentcostcontrol/policy'
import type { Tx } from '../db/database.ts'
import type { PolicyService } from '../policies/service.ts'
import { activationRepository, type LackingRow } from './activation-repository.ts'
import { periodOfBudget } from './settings.ts'

/** What was spent of a budget without a lease of it. */
export type UncoveredCharge = Pick<EventCharge, 'budgetUid' | 'subject' | 'periodId' | 'nanoUsd'>

/**
 * Tells what events of earlier revisions spent of budgets that came into force since, from when they did: their sidecars
 * did not know of those yet. Part of the transaction that stores the events, of which each is new.
 */
export type FindUncovered = (
  tx: Tx,
  orgId: string,
  events: readonly UsageEvent[],
) => Promise<readonly UncoveredCharge[]>

/** What it needs. */
export interface UncoveredOptions {
  readonly policies: Pick<PolicyService, 'inForceWithin'>
  readonly prices: PriceBook
}

/** Makes it. */
export function createFindUncovered({ policies, prices }: UncoveredOptions): FindUncovered {
  return async (tx, orgId, events) => {
    const revisions = new Set(events.map(({ policyRevision }) => policyRevision))
    const lacking = await activationRepository.lacking(tx, [...revisions])
    const policy = lacking.length === 0 ? null : await policies.inForceWithin(tx, orgId)
    if (policy === null) return []
    return events.flatMap((event) =>
      uncoveredBy(
        event,
        policy,
        prices,
        lacking.filter(({ revision }) => revision === event.policyRevision),
      ),
    )
  }
}

function uncoveredBy(
  event: UsageEvent,
  policy: CompiledPolicy,
  prices: PriceBook,
  lacking: readonly LackingRow[],
): readonly UncoveredCharge[] {
  const intentMs = Date.parse(event.intentAt)
  const nano = event.attempts.reduce((sum, { chargedNanoUsd }) => sum + BigInt(chargedNanoUsd), 0n)
  const since = new Map(lacking.map((row) => [row.budgetUid, row]))
  // One that was in force before, and is again, may have been reserved from.
  for (const { budgetUid } of event.charges) since.delete(budgetUid)
  if (nano === 0n || since.size === 0) return []
  return policy.budgetsFor(spenderOf(event, policy, prices)).flatMap(({ budget, subject }) => {
    const row = since.get(budget.uid)
    if (row === undefined || intentMs < row.sinceMs) return []
    // A sidecar's clock may be ahead: no period begins before its time.
    const { id: periodId } = periodOfBudget(budget, Math.min(intentMs, row.nowMs))
    return [{ budgetUid: budget.uid, subject, periodId, nanoUsd: nano.toString() }]
  })
}

/** What an event shows of its request. The key that it was sent with is no part of it. */
function spenderOf({ principal, attempts, intentAt }: UsageEvent, policy: CompiledPolicy, prices: PriceBook): Spender {
  const attempt = attempts.at(-1)
  const provider = PROVIDER_NAMES.find((name) => name === attempt?.provider)
  const configured = provider && policy.provider(provider)
  const model =
    attempt === undefined || configured === undefined
      ? null
      : modelOf(attempt.requestedModel, configured, prices, Date.parse(intentAt))
  return { principal, model, apiKey: () => null }
}

/** As the sidecar finds it: what the policy says of a name, else the price list. */
function modelOf(asked: string, provider: CompiledProvider, prices: PriceBook, atMs: number): SpenderModel {
  const canonicalOf = (name: string): string | null => {
    const stated = provider.models.get(name)
    if (stated) return stated.model
    if (providerFacts(provider.provider).namesDeployments) return null
    return findListedPrice(prices, provider, name, atMs)?.price.model ?? null
  }
  return { provider: provider.provider, asked, canonical: canonicalOf(asked) ?? asked, canonicalOf }
}
