import {
  type Code,
  nanoToWire,
  type Outcome,
  type PicoUsd,
  type UsageAttempt,
  type UsageEvent,
  type UsageField,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { PriceBook } from '@agentcostcontrol/policy'
import type { Reservation } from '../budget/types.ts'
import type { Clock } from '../clock.ts'
import type { Denial, Identified, Inspected, RawExchange, Reserved, Target } from '../exchange.ts'
import type { Metered } from '../metering/meter.ts'
import type { Forwarded } from '../upstream/forward.ts'

/** Makes the events of one sidecar. */
export interface UsageEvents {
  /** What an intent tells if nothing more is heard: charged at the bound. */
  unresolved(
    inspected: Inspected,
    target: Target,
    reservation: Reservation,
    clampedOutputTokens: number | null,
  ): UsageEvent
  /** The end of an exchange whose attempt was sent, or was about to be. */
  attempted(reserved: Reserved, forwarded: Forwarded, metered: Metered): UsageEvent
  /** The end of an exchange that was refused; `known` is as far as it got. */
  denied(
    raw: RawExchange,
    known: Identified | null,
    policyRevision: string,
    denial: Denial,
    clientStatus: number | null,
  ): UsageEvent
}

/** What all events have in common. */
export interface UsageEventOptions {
  readonly instanceId: string
  readonly prices: PriceBook
  readonly clock: Clock
}

const NOBODY = { agent: null, workflow: null, session: null, task: null, tags: {} }

/** Makes the maker of events. */
export function createUsageEvents({ instanceId, prices, clock }: UsageEventOptions): UsageEvents {
  const base = (raw: RawExchange, known: Identified | null, policyRevision: string) => ({
    eventId: raw.id,
    intentAt: new Date(raw.receivedAtMs).toISOString(),
    instanceId,
    principal: known?.principal ?? NOBODY,
    operation: known?.operation ?? 'unknown',
    method: raw.method,
    path: (raw.target.split('?')[0] ?? '').slice(0, 512),
    streamed: known?.ask.kind === 'metered' && known.ask.request.stream,
    policyRevision,
    durationMs: Math.round(clock.monotonicMs() - raw.startedMs),
  })

  const attempt = (target: Target, bound: string): UsageAttempt => ({
    provider: target.provider.provider,
    requestedModel: target.model.slice(0, 256),
    responseModel: null,
    responseId: null,
    status: null,
    precision: 'estimated',
    reason: 'the sidecar ended before the exchange did: the bound',
    usage: null,
    rawUsage: null,
    serviceTier: null,
    rateCardVersion: prices.version,
    costNanoUsd: bound,
    costPicoUsd: {},
    chargedNanoUsd: bound,
    boundNanoUsd: bound,
  })

  return {
    unresolved: (inspected, target, reservation, clampedOutputTokens) => ({
      ...base(
        inspected.authorized.identified.raw,
        inspected.authorized.identified,
        inspected.authorized.policy.revision,
      ),
      outcome: 'unresolved',
      code: null,
      clientStatus: null,
      attempts: [attempt(target, nanoToWire(reservation.bound))],
      findings: inspected.findings,
      budgets: budgetNames(reservation),
      clampedOutputTokens,
      upstreamFirstByteMs: null,
    }),
    attempted: (reserved, forwarded, metered) => {
      const { inspected } = reserved.planned
      const { identified, policy } = inspected.authorized
      const { result } = forwarded
      const reservation = reserved.cover.kind === 'covered' ? reserved.cover.intent.reservation : null
      return {
        ...base(identified.raw, identified, policy.revision),
        outcome: result.outcome,
        code: result.code,
        clientStatus: result.clientStatus,
        attempts: [
          {
            ...attempt(reserved.target, nanoToWire(reservation?.bound ?? ZERO_USD)),
            responseModel: result.facts?.responseModel?.slice(0, 256) ?? null,
            responseId: result.facts?.responseId?.slice(0, 256) ?? null,
            status: forwarded.status,
            precision: metered.precision,
            reason: metered.reason,
            usage: metered.usage,
            rawUsage: boundedRaw(result.facts?.rawUsage ?? null),
            serviceTier: result.facts?.serviceTier ?? null,
            costNanoUsd: reserved.cover.kind === 'uncovered' ? null : nanoToWire(metered.cost?.total ?? ZERO_USD),
            costPicoUsd: metered.cost ? componentsToWire(metered.cost.components) : {},
            chargedNanoUsd: nanoToWire(metered.charged),
          },
        ],
        findings: result.findings.length === 0 ? inspected.findings : [...inspected.findings, ...result.findings],
        budgets: reservation ? budgetNames(reservation) : [],
        clampedOutputTokens: reserved.clampedOutputTokens,
        upstreamFirstByteMs: forwarded.firstByteMs === null ? null : Math.round(forwarded.firstByteMs),
      }
    },
    denied: (raw, known, policyRevision, denial, clientStatus) => ({
      ...base(raw, known, policyRevision),
      outcome: deniedOutcome(denial.code),
      code: denial.code,
      clientStatus,
      attempts: [],
      findings: denial.findings,
      budgets: [],
      clampedOutputTokens: null,
      upstreamFirstByteMs: null,
    }),
  }
}

const deniedOutcome = (code: Code): Outcome => (code === 'acc_internal' ? 'failed' : 'denied')

const budgetNames = (reservation: Reservation): readonly string[] =>
  reservation.holds.map(({ budgetName, counter }) => `${budgetName}/${counter.subject}/${counter.periodId}`)

/** A usage report is small; one that is not is not kept. */
const boundedRaw = (raw: unknown): unknown => (raw !== null && JSON.stringify(raw).length > 4_096 ? null : raw)

function componentsToWire(
  components: Readonly<Partial<Record<UsageField, PicoUsd>>>,
): Partial<Record<UsageField, string>> {
  const wire: Partial<Record<UsageField, string>> = {}
  for (const [field, amount] of Object.entries(components)) {
    if (isField(field, components) && amount !== undefined) wire[field] = amount.toString()
  }
  return wire
}

const isField = (name: string, of: object): name is UsageField => Object.hasOwn(of, name)
