import type { UsageAttempt, UsageEvent } from '@agentcostcontrol/contract'

/** An attempt that cost this much nano-USD. */
export const attemptOf = (fields: Partial<UsageAttempt> = {}): UsageAttempt => ({
  provider: 'openai',
  requestedModel: 'gpt-test',
  responseModel: 'gpt-test',
  responseId: 'chatcmpl-1',
  status: 200,
  precision: 'exact',
  reason: null,
  usage: null,
  rawUsage: null,
  serviceTier: null,
  rateCardVersion: 'test.1',
  costNanoUsd: '0',
  costPicoUsd: {},
  chargedNanoUsd: '0',
  boundNanoUsd: '0',
  ...fields,
})

/** An event with one attempt. */
export const eventOf = (eventId: string, fields: Partial<UsageEvent> = {}): UsageEvent => ({
  eventId,
  intentAt: '2026-11-23T12:00:00.000Z',
  instanceId: 'test',
  principal: { agent: 'a', workflow: null, session: null, task: null, tags: {} },
  operation: 'chat.completions',
  method: 'POST',
  path: '/v1/chat/completions',
  streamed: false,
  outcome: 'completed',
  code: null,
  clientStatus: 200,
  policyRevision: 'r',
  attempts: [attemptOf()],
  findings: [],
  charges: [],
  clampedOutputTokens: null,
  durationMs: 1,
  upstreamFirstByteMs: 1,
  ...fields,
})
