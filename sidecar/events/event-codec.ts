/**
 * Events as they lie on disk: JSON arrays, since the names of the members would be most of the bytes and a disk is
 * written for every request. What repeats within an event (charged = cost, responseModel = requestedModel) is left out.
 */
import type { BudgetDecision, EventCharge, TokenUsage, UsageAttempt, UsageEvent } from '@agentcostcontrol/contract'
import { NO_USAGE, USAGE_FIELDS } from '@agentcostcontrol/contract'

const FORMAT = 2
/** Stands for "the same as the member it usually equals". */
const SAME = 0

/** Writes an event. */
export function encodeEvent(event: UsageEvent): string {
  const { principal } = event
  return JSON.stringify([
    FORMAT,
    event.eventId,
    event.intentAt,
    event.instanceId,
    [principal.agent, principal.workflow, principal.session, principal.task, principal.tags],
    event.operation,
    event.method,
    event.path,
    event.streamed ? 1 : 0,
    event.outcome,
    event.code,
    event.clientStatus,
    event.policyRevision,
    event.attempts.map(encodeAttempt),
    event.findings,
    event.charges.map(encodeCharge),
    event.clampedOutputTokens,
    event.durationMs,
    event.upstreamFirstByteMs,
    ...(event.budgetDecision === undefined ? NOTHING : [encodeDecision(event.budgetDecision)]),
  ])
}

const NOTHING: readonly never[] = []

function encodeDecision(decision: BudgetDecision): EncodedDecision {
  const { action, budget, subject, limit_usd, remaining_usd, requested_usd, resets_at, asked_model } = decision
  const always = [action, budget, subject, limit_usd, remaining_usd, requested_usd, resets_at] as const
  return asked_model === undefined ? always : [...always, asked_model]
}

const decodeDecision = ([
  action,
  budget,
  subject,
  limit_usd,
  remaining_usd,
  requested_usd,
  resets_at,
  asked_model,
]: EncodedDecision): BudgetDecision => ({
  action,
  budget,
  subject,
  limit_usd,
  remaining_usd,
  requested_usd,
  resets_at,
  ...(asked_model === undefined ? {} : { asked_model }),
})

function encodeAttempt(attempt: UsageAttempt): readonly unknown[] {
  return [
    attempt.provider,
    attempt.requestedModel,
    attempt.responseModel === attempt.requestedModel ? SAME : attempt.responseModel,
    attempt.responseId,
    attempt.status,
    attempt.precision,
    attempt.reason,
    attempt.usage && USAGE_FIELDS.map((field) => attempt.usage?.[field]),
    attempt.rawUsage,
    attempt.serviceTier,
    attempt.rateCardVersion,
    attempt.costNanoUsd,
    attempt.costPicoUsd,
    attempt.chargedNanoUsd === attempt.costNanoUsd ? SAME : attempt.chargedNanoUsd,
    attempt.boundNanoUsd,
    ...(attempt.pricedAs === undefined && attempt.providerCostNanoUsd === undefined
      ? []
      : [attempt.pricedAs ?? null, attempt.providerCostNanoUsd ?? null]),
  ]
}

const encodeCharge = ({ budgetUid, subject, periodId, generation, nanoUsd }: EventCharge): EncodedCharge => [
  budgetUid,
  subject,
  periodId,
  generation,
  nanoUsd,
]

const decodeCharge = ([budgetUid, subject, periodId, generation, nanoUsd]: EncodedCharge): EventCharge => ({
  budgetUid,
  subject,
  periodId,
  generation,
  nanoUsd,
})

/** Reads an event that {@link encodeEvent} wrote. @throws if it is of another format */
export function decodeEvent(encoded: unknown): UsageEvent {
  const fields: readonly unknown[] = Array.isArray(encoded) ? encoded : []
  if (fields[0] !== FORMAT) throw new Error(`an event of format ${String(fields[0])}, known is ${FORMAT}`)
  const [
    ,
    eventId,
    intentAt,
    instanceId,
    principal,
    operation,
    method,
    path,
    streamed,
    outcome,
    code,
    clientStatus,
    policyRevision,
    attempts,
    findings,
    charges,
    clampedOutputTokens,
    durationMs,
    upstreamFirstByteMs,
    decision,
  ] = fields as EncodedEvent
  const [agent, workflow, session, task, tags] = principal
  return {
    eventId,
    intentAt,
    instanceId,
    principal: { agent, workflow, session, task, tags },
    operation,
    method,
    path,
    streamed: streamed === 1,
    outcome,
    code,
    clientStatus,
    policyRevision,
    attempts: attempts.map(decodeAttempt),
    findings,
    charges: charges.map(decodeCharge),
    clampedOutputTokens,
    durationMs,
    upstreamFirstByteMs,
    ...(decision === undefined ? {} : { budgetDecision: decodeDecision(decision) }),
  }
}

function decodeAttempt(fields: EncodedAttempt): UsageAttempt {
  const [
    provider,
    requestedModel,
    responseModel,
    responseId,
    status,
    precision,
    reason,
    usage,
    rawUsage,
    serviceTier,
    rateCardVersion,
    costNanoUsd,
    costPicoUsd,
    charged,
    boundNanoUsd,
    pricedAs = null,
    providerCostNanoUsd = null,
  ] = fields
  return {
    provider,
    requestedModel,
    responseModel: responseModel === SAME ? requestedModel : responseModel,
    responseId,
    status,
    precision,
    reason,
    usage: usage && decodeUsage(usage),
    rawUsage,
    serviceTier,
    rateCardVersion,
    ...(pricedAs === null ? {} : { pricedAs }),
    ...(providerCostNanoUsd === null ? {} : { providerCostNanoUsd }),
    costNanoUsd,
    costPicoUsd,
    chargedNanoUsd: charged === SAME ? (costNanoUsd ?? '0') : charged,
    boundNanoUsd,
  }
}

const decodeUsage = (counts: readonly number[]): TokenUsage => ({
  ...NO_USAGE,
  ...Object.fromEntries(USAGE_FIELDS.map((field, at) => [field, counts[at] ?? 0])),
})

type Principal = UsageEvent['principal']
type EncodedEvent = readonly [
  format: typeof FORMAT,
  eventId: string,
  intentAt: string,
  instanceId: string,
  principal: readonly [
    Principal['agent'],
    Principal['workflow'],
    Principal['session'],
    Principal['task'],
    Principal['tags'],
  ],
  operation: string,
  method: string,
  path: string,
  streamed: 0 | 1,
  outcome: UsageEvent['outcome'],
  code: UsageEvent['code'],
  clientStatus: UsageEvent['clientStatus'],
  policyRevision: string,
  attempts: readonly EncodedAttempt[],
  findings: UsageEvent['findings'],
  charges: readonly EncodedCharge[],
  clampedOutputTokens: UsageEvent['clampedOutputTokens'],
  durationMs: number,
  upstreamFirstByteMs: UsageEvent['upstreamFirstByteMs'],
  decision?: EncodedDecision,
]
type EncodedDecision = readonly [
  action: BudgetDecision['action'],
  budget: string,
  subject: string,
  limit_usd: string,
  remaining_usd: string,
  requested_usd: string | null,
  resets_at: string | null,
  asked_model?: string,
]
type EncodedCharge = readonly [
  budgetUid: string,
  subject: string,
  periodId: string,
  generation: number,
  nanoUsd: string,
]
type EncodedAttempt = readonly [
  provider: string,
  requestedModel: string,
  responseModel: string | null | typeof SAME,
  responseId: string | null,
  status: number | null,
  precision: UsageAttempt['precision'],
  reason: string | null,
  usage: readonly number[] | null,
  rawUsage: unknown,
  serviceTier: UsageAttempt['serviceTier'],
  rateCardVersion: string,
  costNanoUsd: string | null,
  costPicoUsd: UsageAttempt['costPicoUsd'],
  charged: string | typeof SAME,
  boundNanoUsd: string,
  pricedAs?: string | null,
  providerCostNanoUsd?: string | null,
]
