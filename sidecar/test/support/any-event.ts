import {
  BUDGET_EFFECTS,
  CODES,
  FINDING_ACTIONS,
  FINDING_PLACES_MAX,
  type FindingDetail,
  NO_USAGE,
  SEGMENT_SOURCES,
  SEVERITIES,
  USAGE_FIELDS,
  type UsageAttempt,
  type UsageEvent,
} from '@agentcostcontrol/contract'
import fc from 'fast-check'

const text = fc.oneof(fc.constantFrom('', 'a', 'b', 'gpt-4.1'), fc.string({ unit: 'binary', maxLength: 12 }))
const count = fc.oneof(fc.nat(5_000), fc.nat(1_000_000_000))
/** Amounts as they are, and as no provider bills them. */
const amount = fc
  .oneof(fc.bigInt(0n, 100n), fc.bigInt(0n, 10n ** 12n), fc.bigInt(0n, 2n ** 70n))
  .map((nano) => nano.toString())
const usage = fc
  .record(Object.fromEntries(USAGE_FIELDS.map((field) => [field, count])))
  .map((counts) => ({ ...NO_USAGE, ...counts }))

const anyAttempt: fc.Arbitrary<UsageAttempt> = fc
  .record({
    provider: fc.constantFrom('openai', 'anthropic'),
    requestedModel: text,
    responseModel: fc.option(text),
    sameModel: fc.boolean(),
    responseId: fc.option(text),
    status: fc.option(fc.integer({ min: 100, max: 599 })),
    precision: fc.constantFrom('exact' as const, 'estimated' as const, 'none' as const),
    reason: fc.option(text),
    usage: fc.option(usage),
    rawUsage: fc.jsonValue({ maxDepth: 2 }),
    serviceTier: fc.constantFrom(null, 'standard' as const, 'batch' as const, 'flex' as const, 'priority' as const),
    rateCardVersion: text,
    costNanoUsd: fc.option(amount),
    costPicoUsd: fc.dictionary(fc.constantFrom(...USAGE_FIELDS), amount),
    chargedNanoUsd: amount,
    chargedIsCost: fc.boolean(),
    boundNanoUsd: amount,
  })
  .map(({ sameModel, chargedIsCost, ...attempt }) => ({
    ...attempt,
    responseModel: sameModel ? attempt.requestedModel : attempt.responseModel,
    chargedNanoUsd: chargedIsCost && attempt.costNanoUsd !== null ? attempt.costNanoUsd : attempt.chargedNanoUsd,
  }))

const anyDetail: fc.Arbitrary<FindingDetail> = fc.record({
  source: fc.constantFrom(...SEGMENT_SOURCES),
  tool: fc.option(text),
  category: text,
  score: fc.double({ min: 0, max: 1, noNaN: true }),
  detectorVersion: text,
  taxonomy: fc.record({ owaspLlm: fc.option(text), owaspAgentic: fc.option(text), mitreAtlas: fc.option(text) }),
  inspectionUs: fc.option(count),
  places: fc.array(fc.record({ textHash: fc.constant('0'.repeat(32)), start: count, end: count }), {
    maxLength: FINDING_PLACES_MAX,
  }),
})

const anyDecision = fc.record(
  {
    action: fc.constantFrom(...BUDGET_EFFECTS),
    budget: text,
    subject: text,
    limit_usd: text,
    remaining_usd: text,
    requested_usd: fc.option(text),
    resets_at: fc.option(text),
    asked_model: text,
  },
  { requiredKeys: ['action', 'budget', 'subject', 'limit_usd', 'remaining_usd', 'requested_usd', 'resets_at'] },
)

const members = {
  eventId: fc.uuid(),
  intentAt: fc
    .date({ min: new Date('2026-11-20'), max: new Date('2026-11-26'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  instanceId: fc.uuid(),
  principal: fc.record({
    agent: fc.option(text),
    workflow: fc.option(text),
    session: fc.option(text),
    task: fc.option(text),
    tags: fc.dictionary(text, text, { maxKeys: 3 }),
  }),
  operation: text,
  method: fc.constantFrom('GET', 'POST'),
  path: text,
  streamed: fc.boolean(),
  outcome: fc.constantFrom('completed', 'denied', 'aborted', 'cut', 'failed', 'unresolved'),
  code: fc.option(fc.constantFrom(...CODES)),
  clientStatus: fc.option(fc.integer({ min: 100, max: 599 })),
  policyRevision: text,
  attempts: fc.array(anyAttempt, { maxLength: 3 }),
  findings: fc.array(
    fc.record(
      {
        detectorId: text,
        ruleId: text,
        severity: fc.constantFrom(...SEVERITIES),
        direction: fc.constantFrom('request' as const, 'response' as const),
        action: fc.constantFrom(...FINDING_ACTIONS),
        mode: fc.constantFrom('audit' as const, 'enforce' as const),
        count: fc.integer({ min: 1, max: 9 }),
        detail: anyDetail,
      },
      { requiredKeys: ['detectorId', 'ruleId', 'severity', 'direction', 'action', 'mode', 'count'] },
    ),
    { maxLength: 3 },
  ),
  charges: fc.array(
    fc.record({
      budgetUid: text,
      subject: text,
      periodId: text,
      generation: fc.integer({ min: 1, max: 9 }),
      nanoUsd: amount,
    }),
    { maxLength: 3 },
  ),
  clampedOutputTokens: fc.option(count),
  durationMs: fc.nat(),
  upstreamFirstByteMs: fc.option(fc.nat()),
}

/** Any event that the types allow, however odd. */
export const anyEvent: fc.Arbitrary<UsageEvent> = fc
  .tuple(fc.record(members), fc.option(anyDecision))
  .map(([event, budgetDecision]) => (budgetDecision === null ? event : { ...event, budgetDecision }))
