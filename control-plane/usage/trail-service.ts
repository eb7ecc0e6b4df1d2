import { intentAtOf, type UsageAttempt, usageEventSchema } from '@agentcostcontrol/contract'
import { type PricesThen, providerNamed, type Recomputed, recompute, type StatedModel } from '@agentcostcontrol/policy'
import type { Caller } from '../auth/service.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { PricingService, StatedModels } from '../pricing/service.ts'
import { readRepository } from './read-repository.ts'
import { type TrailStep, trailOf } from './trail.ts'

/** Whether the stored cost of a request is what its usage costs with the prices of its time. */
export type CostCheck = 'equal' | 'differs' | 'notComputed'

/** A request, told step by step. */
export interface Trail {
  readonly eventId: string
  readonly intentAt: string
  /** `equal` where each attempt that has a usage and a price costs what is stored, to the nano and by component. */
  readonly cost: CostCheck
  readonly steps: readonly TrailStep[]
}

/** Tells of single requests. */
export interface TrailService {
  /** @param intentAt RFC 3339 with ms; `null` where the id tells it */
  trail(caller: Caller, eventId: string, intentAt: string | null): Promise<Trail>
}

/** What the service needs. */
export interface TrailServiceOptions {
  readonly database: Database
  readonly pricing: Pick<PricingService, 'list'>
  /** What a policy of an organisation says of a provider's models. */
  readonly statedModels: StatedModels
}

/** Makes the service. */
export function createTrailService({ database, pricing, statedModels }: TrailServiceOptions): TrailService {
  async function check(orgId: string, revision: string, attempt: UsageAttempt, atMs: number): Promise<Recomputed> {
    const list = await pricing.list(attempt.rateCardVersion)
    const provider = providerNamed(attempt.provider)
    const stated: ReadonlyMap<string, StatedModel> | null =
      attempt.pricedAs === 'policy' && provider !== null ? await statedModels(orgId, provider, revision) : null
    const then: PricesThen | null = list && { ...list, atMs, stated }
    return recompute(attempt, then)
  }

  return {
    trail: async ({ orgId }, eventId, asked) => {
      // The key of an event begins with its time, so that one partition alone is looked at.
      const intentAt = asked ?? intentAtOf(eventId)
      if (intentAt === null)
        throw new ApiError(
          'acc_api_invalid',
          'intentAt: this id does not tell it; it stands beside it in the request log',
        )
      const stored = await database.inOrg(orgId, (tx) => readRepository.event(tx, { eventId, intentAt }))
      if (stored === null) throw new ApiError('acc_api_not_found', 'There is no request of this id at this time.')
      const event = usageEventSchema.parse(stored)
      const atMs = Date.parse(event.intentAt)
      const recomputed: Recomputed[] = []
      for (const attempt of event.attempts) recomputed.push(await check(orgId, event.policyRevision, attempt, atMs))
      return { eventId, intentAt, cost: costCheck(recomputed), steps: trailOf(event, recomputed) }
    },
  }
}

function costCheck(recomputed: readonly Recomputed[]): CostCheck {
  if (recomputed.some(({ verdict }) => verdict === 'differs')) return 'differs'
  return recomputed.some(({ verdict }) => verdict === 'equal') ? 'equal' : 'notComputed'
}
