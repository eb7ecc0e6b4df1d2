/**
 * Definitions of tools as agents saw them first, and what people think of those that changed: sidecars tell first sights
 * and changes upward, decisions come down with the commands. Nothing of a definition's own text is told: names, hashes
 * and the paths of what changed.
 */
import * as z from 'zod'
import { agentNameSchema } from './agent-command.ts'

/** Longest name of a tool, in UTF-16 code units. */
export const TOOL_NAME_MAX = 256
/** Most paths that a report tells of a change. */
export const CHANGED_PATHS_MAX = 50
/** Longest of these paths, in UTF-16 code units. */
export const CHANGED_PATH_CHARS_MAX = 200
/** Most reports in one message. */
export const TOOL_PIN_BATCH_MAX = 200
/** Most decisions of one organisation that are in force at once. */
export const TOOL_PIN_DECISIONS_MAX = 10_000

/** The name of a tool in a report, a list or a path. */
export const toolNameSchema = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,256}$/u, `expected 1 to ${TOOL_NAME_MAX} characters without control characters`)

const definitionHash = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 as 64 hex digits')

/** A definition that an agent's sidecar saw for the first time. */
export const toolPinReportSchema = z.strictObject({
  agent: agentNameSchema.describe('`(none)` for requests that name none'),
  tool: toolNameSchema,
  hash: definitionHash.describe(
    'SHA-256 of the canonical JSON of its name, description, schema and whatever else it says',
  ),
  previousHash: definitionHash.nullable().describe('of the one that was pinned before; `null` for a first sight'),
  changedPaths: z
    .array(z.string().max(CHANGED_PATH_CHARS_MAX))
    .max(CHANGED_PATHS_MAX)
    .describe('where it differs from that one, or from `similarTo`: JSON paths, without any text'),
  similarTo: toolNameSchema.nullable().describe('a tool that went away and was much like it; `null` for none'),
  at: z.iso.datetime().describe('by the clock of the sidecar'),
})

/** Reports, in one message; each may be told again. */
export const toolPinBatchSchema = z.strictObject({
  reports: z.array(toolPinReportSchema).min(1).max(TOOL_PIN_BATCH_MAX),
})

/** The answer, when all of them are stored. */
export const toolPinBatchAnswerSchema = z.strictObject({ stored: z.int().min(0).describe('that were new') })

/** What may be decided of a definition. `approved`: as good as pinned. `rejected`: a finding wherever it is seen. */
export const TOOL_PIN_VERDICTS = ['approved', 'rejected'] as const

/** What a person decided of one definition. */
export const toolPinDecisionSchema = z.strictObject({
  agent: agentNameSchema,
  tool: toolNameSchema,
  hash: definitionHash,
  decision: z.enum(TOOL_PIN_VERDICTS),
})

/** A definition that an agent's sidecar saw for the first time. */
export type ToolPinReport = z.infer<typeof toolPinReportSchema>
/** What a person decided of one definition. */
export type ToolPinDecision = z.infer<typeof toolPinDecisionSchema>
/** The answer to reports. */
export type ToolPinBatchAnswer = z.infer<typeof toolPinBatchAnswerSchema>
