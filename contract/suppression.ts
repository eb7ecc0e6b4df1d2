/**
 * Findings that people looked at and let pass for a while. Unlike a policy's allowances they end by themselves, and need
 * no revision.
 */
import * as z from 'zod'
import { agentNameSchema } from './agent-command.ts'
import { DETECTOR_IDS } from './finding.ts'
import { toolNameSchema } from './tool-pins.ts'

/** Longest time that one lasts. */
export const SUPPRESSION_MS_MAX = 366 * 24 * 60 * 60 * 1_000
/** Most of one organisation that are in force at once. */
export const SUPPRESSIONS_MAX = 1_000

/** What is let pass: findings to which all that is named fits. */
export const suppressedSchema = z.strictObject({
  detector: z.enum(DETECTOR_IDS),
  rule: z.string().min(1).max(253).nullable().describe('one rule of the detector; `null`: any'),
  agent: agentNameSchema.nullable().describe('`(none)`: requests that name no agent; `null`: any'),
  textHash: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'expected the first 32 hex digits of a SHA-256')
    .nullable()
    .describe('of the whole text that the finding stands in, as events tell it; `null`: any'),
  tool: toolNameSchema.nullable().describe('the tool that is defined, called, or whose result it is; `null`: any text'),
})

/** One, as sidecars are told. How long it still lasts is told as a duration: nobody has to agree on the time. */
export const suppressionSchema = suppressedSchema.extend({
  id: z.uuid(),
  endsInMs: z.int().min(0).max(SUPPRESSION_MS_MAX),
})

/** What is let pass. */
export type Suppressed = z.infer<typeof suppressedSchema>
/** One, as sidecars are told. */
export type Suppression = z.infer<typeof suppressionSchema>
