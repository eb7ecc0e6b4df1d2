/**
 * The wire form of an event, for whoever takes one from outside. A member that is not known is left out, so that nothing
 * is carried along that no column is meant for, least of all text of a prompt; and a sidecar that is newer than the
 * control plane loses no event.
 */
import * as z from 'zod'
import { budgetDecisionSchema } from './budget.ts'
import { CODES } from './codes.ts'
import { FINDING_ACTIONS, SEGMENT_SOURCES, SEVERITIES } from './finding.ts'
import { keyPartSchema } from './lease-messages.ts'
import { PERIOD_ID_CHARS_MAX } from './period.ts'
import { USAGE_FIELDS } from './usage.ts'
import { FINDING_PLACES_MAX, type UsageEvent } from './usage-event.ts'

/** Text of one line for a column: PostgreSQL holds no NUL. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\u0000'), 'holds a NUL character')
const name = text(256)
const amount = z.string().regex(/^\d{1,19}$/, 'expected a decimal integer')
const tokens = z.int().min(0)
const id = z.uuid()

const RAW_USAGE_CHARACTERS_MAX = 4_096

const usage = z.object({
  inputUncached: tokens,
  cacheRead: tokens,
  cacheWrite5m: tokens,
  cacheWrite1h: tokens,
  outputVisible: tokens,
  outputReasoning: tokens,
  audioInput: tokens,
  audioOutput: tokens,
  imageInput: tokens,
  imageOutput: tokens,
  hostedToolCalls: tokens,
})

/** A `UsageAttempt` as JSON. */
export const usageAttemptSchema = z.object({
  provider: name,
  requestedModel: name,
  responseModel: name.nullable(),
  responseId: name.nullable(),
  status: z.int().min(100).max(999).nullable(),
  precision: z.enum(['exact', 'estimated', 'none']),
  reason: text(512).nullable(),
  usage: usage.nullable(),
  rawUsage: z
    .unknown()
    .refine((raw) => raw == null || JSON.stringify(raw).length <= RAW_USAGE_CHARACTERS_MAX, 'is too large'),
  serviceTier: z.enum(['standard', 'batch', 'flex', 'priority']).nullable(),
  rateCardVersion: name,
  pricedAs: text(512).exactOptional(),
  costNanoUsd: amount.nullable(),
  costPicoUsd: z.partialRecord(z.enum(USAGE_FIELDS), z.string().regex(/^\d{1,38}$/)),
  providerCostNanoUsd: amount.exactOptional(),
  chargedNanoUsd: amount,
  boundNanoUsd: amount,
})

const taxonomyId = text(32).nullable()
const offset = z.int().min(0)

const findingDetail = z.object({
  source: z.enum(SEGMENT_SOURCES),
  tool: name.nullable(),
  category: text(64),
  score: z.number().min(0).max(1),
  detectorVersion: text(64),
  taxonomy: z.object({ owaspLlm: taxonomyId, owaspAgentic: taxonomyId, mitreAtlas: taxonomyId }),
  inspectionUs: z.int().min(0).nullable(),
  places: z
    .array(z.object({ textHash: z.string().regex(/^[0-9a-f]{32}$/), start: offset, end: offset }))
    .max(FINDING_PLACES_MAX)
    .readonly(),
})

/** An `EventFinding` as JSON. */
export const eventFindingSchema = z.object({
  detectorId: name,
  ruleId: name,
  severity: z.enum(SEVERITIES),
  direction: z.enum(['request', 'response']),
  action: z.enum(FINDING_ACTIONS),
  mode: z.enum(['audit', 'enforce']),
  count: z.int().min(1),
  detail: findingDetail.exactOptional(),
})

/** An `EventCharge` as JSON. */
export const eventChargeSchema = z.object({
  budgetUid: keyPartSchema(300),
  subject: keyPartSchema(256),
  periodId: keyPartSchema(PERIOD_ID_CHARS_MAX),
  generation: z.int().min(1),
  nanoUsd: amount,
})

/** A {@link UsageEvent} as JSON. */
export const usageEventSchema: z.ZodType<UsageEvent> = z
  .object({
    eventId: id,
    intentAt: z.iso
      .datetime({ precision: 3, error: 'expected RFC 3339 UTC with milliseconds' })
      .refine((at) => !at.startsWith('0000'), 'PostgreSQL knows no year 0'),
    instanceId: id,
    principal: z.object({
      agent: name.nullable(),
      workflow: name.nullable(),
      session: name.nullable(),
      task: name.nullable(),
      tags: z.record(name, name).refine((tags) => Object.keys(tags).length <= 32, 'are at most 32'),
    }),
    operation: name,
    method: text(32),
    path: text(2_048),
    streamed: z.boolean(),
    outcome: z.enum(['completed', 'denied', 'aborted', 'cut', 'failed', 'unresolved']),
    code: z.enum(CODES).nullable(),
    clientStatus: z.int().min(100).max(999).nullable(),
    policyRevision: name,
    attempts: z.array(usageAttemptSchema).max(64),
    findings: z.array(eventFindingSchema).max(1_024),
    charges: z.array(eventChargeSchema).max(256),
    clampedOutputTokens: tokens.nullable(),
    budgetDecision: budgetDecisionSchema.exactOptional(),
    durationMs: z.int().min(0),
    upstreamFirstByteMs: z.int().min(0).nullable(),
  })
  .meta({ id: 'UsageEvent', description: 'The one record of one exchange, whatever happened to it.' })
