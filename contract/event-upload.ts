/** What a sidecar and the control plane say to each other to enrol, and to bring events up. */
import * as z from 'zod'
import { POLICY_KEYS_MAX, policyKeySchema } from './policy-bundle.ts'
import { usageEventSchema } from './usage-event-schema.ts'

/** Most events in one batch. */
export const BATCH_EVENTS_MAX = 1_000
/** Most bytes in the body of one batch. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024

const seq = z.int().min(1)

/**
 * A batch of events in the order of the sidecar's outbox. A batch may be sent again, in whole, in part or with others:
 * an event counts once.
 */
export const eventBatchSchema = z.strictObject({
  events: z
    .array(z.strictObject({ seq: seq.describe('its number in the outbox'), event: usageEventSchema }))
    .min(1)
    .max(BATCH_EVENTS_MAX),
})

/** The same before its events were looked at: a bad one must not take the others with it. */
export const eventBatchEnvelopeSchema = z.strictObject({
  events: z
    .array(z.strictObject({ seq, event: z.unknown() }))
    .min(1)
    .max(BATCH_EVENTS_MAX),
})

/** The answer: said when all of the batch is in the database, or refused by name; never of a part. */
export const eventBatchAnswerSchema = z.strictObject({
  storedThrough: seq.describe('the last number of the batch: what it holds up to there is stored, or refused below'),
  stored: z.int().min(0).describe('events that were new'),
  repeated: z.int().min(0).describe('events that were known already'),
  refused: z.array(z.strictObject({ seq, reason: z.string() })).describe('events that will never be stored, and why'),
})

/** What a sidecar asks for at its start, and again before what it was given ends. */
export const enrolmentSchema = z.strictObject({ instanceId: z.uuid().describe('made together with its outbox') })

/** A credential of one sidecar. */
export const enrolmentAnswerSchema = z.strictObject({
  credential: z.string(),
  /** Durations count from the asking: no clocks are compared. */
  validForMs: z.int().min(1),
  /** What bundles of policy are signed with, the newest first. One that is signed with another key: enrol again. */
  policyKeys: z.array(policyKeySchema).min(1).max(POLICY_KEYS_MAX),
})

/** A batch. */
export type EventBatch = z.infer<typeof eventBatchSchema>
/** The answer to a batch. */
export type EventBatchAnswer = z.infer<typeof eventBatchAnswerSchema>
/** The answer to an enrolment. */
export type EnrolmentAnswer = z.infer<typeof enrolmentAnswerSchema>
