import { randomUUID } from 'node:crypto'
import { type EventCharge, NO_USAGE, type UsageAttempt, type UsageEvent } from '@agentcostcontrol/contract'

/** A charge as a sidecar tells of it. */
export const charge = (over: Partial<EventCharge> = {}): EventCharge => ({
  budgetUid: 'Budget/ample',
  subject: '*',
  periodId: 'total',
  generation: 1,
  nanoUsd: '24975',
  ...over,
})

/** An attempt as a sidecar tells of it: 333 input tokens at $0.075 a million. */
export const attempt = (over: Partial<UsageAttempt> = {}): UsageAttempt => ({
  provider: 'openai',
  requestedModel: 'gpt-4.1-mini',
  responseModel: 'gpt-4.1-mini-2025-04-14',
  responseId: 'chatcmpl-1',
  status: 200,
  precision: 'exact',
  reason: null,
  usage: { ...NO_USAGE, inputUncached: 333 },
  rawUsage: { prompt_tokens: 333 },
  serviceTier: 'standard',
  rateCardVersion: '2026-11-10.1',
  costNanoUsd: '24975',
  costPicoUsd: { inputUncached: '24975000' },
  chargedNanoUsd: '24975',
  boundNanoUsd: '50000',
  ...over,
})

/** An event as a sidecar brings it up. */
export const usageEvent = (over: Partial<UsageEvent> = {}): UsageEvent => ({
  eventId: randomUUID(),
  intentAt: new Date().toISOString(),
  instanceId: INSTANCE,
  principal: { agent: 'researcher', workflow: 'reports', session: 's-1', task: null, tags: { team: 'search' } },
  operation: 'chat.completions',
  method: 'POST',
  path: '/openai/v1/chat/completions',
  streamed: false,
  outcome: 'completed',
  code: null,
  clientStatus: 200,
  policyRevision: 'abc',
  attempts: [attempt()],
  findings: [],
  charges: [charge()],
  clampedOutputTokens: null,
  durationMs: 12,
  upstreamFirstByteMs: 5,
  ...over,
})

/** The sidecar of these events. */
export const INSTANCE = 'a3bb189e-8bf9-4888-9912-ace4e6543002'

/** Events as a batch, numbered from `first` on. */
export const batchOf = (events: readonly unknown[], first = 1) => ({
  events: events.map((event, at) => ({ seq: first + at, event })),
})
