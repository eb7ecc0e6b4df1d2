import {
  type BudgetDecision,
  type EventCharge,
  type NanoUsd,
  nanoToWire,
  type PicoUsd,
  type Principal,
  USAGE_FIELDS,
  type UsageAttempt,
  type UsageEvent,
  type UsageField,
  ZERO_USD,
} from '@agentcostcontrol/contract'
import type { PriceBook } from '@agentcostcontrol/policy'
import type { Reservation } from '../budget/types.ts'
import type { Clock } from '../clock.ts'
import { type Identified, type Inspected, isDenial, type RawExchange, type Reserved, type Target } from '../exchange.ts'
import type { Metered } from '../metering/meter.ts'
import type { ReadPrincipal } from '../principal.ts'
import { told } from '../told.ts'
import type { Forwarded } from '../upstream/forward.ts'
import { recordedPath } from './recorded-path.ts'

/** Makes the events of one sidecar. */
export interface UsageEvents {
  /** What an intent tells if nothing more is heard: charged at the bound. @param decision of a budget that changed it */
  unresolved(
    inspected: Inspected,
    target: Target,
    reservation: Reservation,
    clampedOutputTokens: number | null,
    decision: BudgetDecision | null,
  ): UsageEvent
  /** The end of an exchange whose attempt was sent, or was about to be. */
  attempted(reserved: Reserved, forwarded: Forwarded, metered: Metered): UsageEvent
  /** The end of an exchange of which nothing was sent; `known` is as far as it got. */
  unsent(raw: RawExchange, known: Identified | null, policyRevision: string, end: UnsentEnd): UsageEvent
}

/** How an exchange ended of which nothing was sent. */
export type UnsentEnd = Pick<UsageEvent, 'outcome' | 'code' | 'clientStatus' | 'findings'> & {
  readonly budgetDecision: BudgetDecision | null
}

/** What all events have in common. */
export interface UsageEventOptions {
  readonly instanceId: string
  readonly prices: Pick<PriceBook, 'version'>
  readonly clock: Clock
  /** Names the sender of what was refused before it was read. */
  readonly readPrincipal: ReadPrincipal
}

/** RFC 3339 with milliseconds; the part down to the second is made once a second. */
function createIsoTime(): (ms: number) => string {
  let second = Number.NaN
  let prefix = ''
  return (ms) => {
    const current = Math.floor(ms / 1_000)
    if (current !== second) {
      second = current
      prefix = new Date(current * 1_000).toISOString().slice(0, 20)
    }
    return `${prefix}${String(ms - current * 1_000).padStart(3, '0')}Z`
  }
}

const NOBODY: Principal = { agent: null, workflow: null, session: null, task: null, tags: {} }

/** Makes the maker of events. */
export function createUsageEvents({ instanceId, prices, clock, readPrincipal }: UsageEventOptions): UsageEvents {
  const isoTime = createIsoTime()
  const senderOf = ({ headers }: RawExchange): Principal => {
    const principal = readPrincipal(headers)
    return isDenial(principal) ? NOBODY : principal
  }
  const base = (raw: RawExchange, known: Identified | null, policyRevision: string) => ({
    eventId: raw.id,
    intentAt: isoTime(raw.receivedAtMs),
    instanceId,
    principal: known?.principal ?? senderOf(raw),
    operation: known?.operation ?? 'unknown',
    method: raw.method,
    path: recordedPath(raw.target, known?.ask.kind === 'metered'),
    streamed: known?.ask.kind === 'metered' && known.ask.request.stream,
    policyRevision,
    durationMs: Math.round(clock.monotonicMs() - raw.startedMs),
  })

  const attempt = (target: Target, bound: string): UsageAttempt => ({
    provider: target.provider.provider,
    requestedModel: told(target.model, 256),
    responseModel: null,
    responseId: null,
    status: null,
    precision: 'estimated',
    reason: 'the sidecar ended before the exchange did: the bound',
    usage: null,
    rawUsage: null,
    serviceTier: null,
    rateCardVersion: prices.version,
    ...provenance(target.priced?.pricedAs ?? null),
    costNanoUsd: target.priced === null || target.priced.foundBy === 'worstCase' ? null : bound,
    costPicoUsd: {},
    chargedNanoUsd: bound,
    boundNanoUsd: bound,
  })

  const begun = (inspected: Inspected, target: Target, bound: NanoUsd): UsageEvent => {
    const { identified, policy } = inspected.authorized
    return {
      ...base(identified.raw, identified, policy.revision),
      outcome: 'unresolved',
      code: null,
      clientStatus: null,
      attempts: [attempt(target, nanoToWire(bound))],
      findings: inspected.findings,
      charges: NO_CHARGES,
      clampedOutputTokens: null,
      upstreamFirstByteMs: null,
    }
  }

  return {
    unresolved: (inspected, target, reservation, clampedOutputTokens, decision) =>
      decided(
        {
          ...begun(inspected, target, reservation.bound),
          charges: chargesOf(reservation),
          clampedOutputTokens,
        },
        decision,
      ),
    attempted: (reserved, forwarded, metered) => {
      const { cover, planned, target } = reserved
      const { result } = forwarded
      const { raw } = planned.inspected.authorized.identified
      const event = cover.kind === 'covered' ? cover.intent.event : begun(planned.inspected, target, ZERO_USD)
      const responseModel = result.facts?.responseModel ?? null
      const charged = nanoToWire(metered.charged)
      return {
        ...event,
        durationMs: Math.round(clock.monotonicMs() - raw.startedMs),
        outcome: result.outcome,
        code: result.code,
        clientStatus: result.clientStatus,
        attempts: event.attempts.map((sent) => ({
          ...sent,
          responseModel: responseModel === target.model ? sent.requestedModel : toldOrNull(responseModel),
          responseId: toldOrNull(result.facts?.responseId ?? null),
          status: forwarded.status,
          precision: metered.precision,
          reason: metered.reason,
          usage: metered.usage,
          rawUsage: isSmall(result.facts?.rawUsage, RAW_VALUES_MAX) ? result.facts?.rawUsage : null,
          serviceTier: result.facts?.serviceTier ?? null,
          ...provenance(metered.cost?.pricedAs ?? null),
          costNanoUsd: metered.cost && nanoToWire(metered.cost.total),
          costPicoUsd: metered.cost ? componentsToWire(metered.cost.components) : NO_COMPONENTS,
          ...statedCost(result.facts?.providerCost),
          chargedNanoUsd: charged,
        })),
        charges: event.charges.map((charge) => ({ ...charge, nanoUsd: charged })),
        findings: result.findings.length === 0 ? event.findings : [...event.findings, ...result.findings],
        upstreamFirstByteMs: forwarded.firstByteMs === null ? null : Math.round(forwarded.firstByteMs),
      }
    },
    unsent: (raw, known, policyRevision, { outcome, code, clientStatus, findings, budgetDecision }) =>
      decided(
        {
          ...base(raw, known, policyRevision),
          outcome,
          code,
          clientStatus,
          attempts: [],
          findings,
          charges: NO_CHARGES,
          clampedOutputTokens: null,
          upstreamFirstByteMs: null,
        },
        budgetDecision,
      ),
  }
}

/** Most events have none, and carry no member for it. */
const decided = (event: UsageEvent, budgetDecision: BudgetDecision | null): UsageEvent =>
  budgetDecision === null ? event : { ...event, budgetDecision }

const NO_CHARGES: readonly EventCharge[] = []

/** The bound, on every lease that it was taken from. */
const chargesOf = ({ holds, bound }: Reservation): readonly EventCharge[] => {
  const nanoUsd = nanoToWire(bound)
  return holds.map(({ counter: { budgetUid, subject, periodId }, generation }) => ({
    budgetUid,
    subject,
    periodId,
    generation,
    nanoUsd,
  }))
}

const statedCost = (cost: NanoUsd | undefined): Pick<UsageAttempt, 'providerCostNanoUsd'> =>
  cost === undefined ? {} : { providerCostNanoUsd: nanoToWire(cost) }

const provenance = (pricedAs: string | null): Pick<UsageAttempt, 'pricedAs'> => (pricedAs === null ? {} : { pricedAs })

const NO_COMPONENTS: UsageAttempt['costPicoUsd'] = {}
const RAW_VALUES_MAX = 64

/** A usage report is small; one that is not is not kept. */
function isSmall(raw: unknown, valuesMax: number): boolean {
  if (typeof raw === 'string') return raw.length <= 128
  if (typeof raw !== 'object' || raw === null) return true
  const values = Object.values(raw)
  return values.length <= valuesMax && values.every((value) => isSmall(value, valuesMax / 4))
}

function componentsToWire(
  components: Readonly<Partial<Record<UsageField, PicoUsd>>>,
): Partial<Record<UsageField, string>> {
  const wire: Partial<Record<UsageField, string>> = {}
  for (const field of USAGE_FIELDS) {
    const amount = components[field]
    if (amount !== undefined) wire[field] = amount.toString()
  }
  return wire
}

const toldOrNull = (text: string | null): string | null => (text === null ? null : told(text, 256))
