/**
 * The one downward channel: a long poll that carries a vector of versions. What has changed comes back; what the sidecar
 * sends the next time acknowledges it. A message may be lost or repeated: the vector says what is missing.
 */
import * as z from 'zod'
import { commandsSchema } from './commands.ts'
import { counterSchema, nanoWireSchema } from './lease-messages.ts'
import { signedBundleSchema } from './policy-bundle.ts'
import { threatIndexVersionSchema, threatIntelNewsSchema } from './threat-intel.ts'

/** Longest wait of one poll. */
export const CHANNEL_WAIT_MS_MAX = 60_000
/** Most problems that a refusal tells. */
export const REFUSAL_PROBLEMS_MAX = 20

/** Where a policy is wrong, as the policy compiler says it. */
export const policyProblemSchema = z.strictObject({
  file: z.string().max(1_024),
  line: z.int().min(0),
  path: z.string().max(1_024),
  message: z.string().max(2_000),
})

const version = z.int().min(0)

/** A poll. It is answered at once if something is newer than these versions (of `commands` and `threatIntel`: another one), and with nothing new after `waitMs`. */
export const channelAskSchema = z.strictObject({
  versions: z.strictObject({
    policy: version.describe('generation of the policy in force; 0 for none'),
    leases: version.describe('number of the last recall that was followed; 0 for none'),
    commands: version.describe('of the commands that are followed; 0 for none'),
    threatIntel: threatIndexVersionSchema
      .nullable()
      .optional()
      .describe('of the index that was told last; `null` for none. Left out by a sidecar that wants none'),
  }),
  refused: z
    .strictObject({
      generation: z.int().min(1),
      problems: z.array(policyProblemSchema).min(1).max(REFUSAL_PROBLEMS_MAX),
    })
    .nullable()
    .describe('the newest bundle that was not taken, and why; `null` when the last one was'),
  waitMs: z.int().min(0).max(CHANNEL_WAIT_MS_MAX),
})

/** The answer: only what is newer than was asked with. */
export const channelAnswerSchema = z.strictObject({
  policy: signedBundleSchema.nullable(),
  leases: z
    .strictObject({
      version: z.int().min(1),
      recalls: z.array(z.strictObject({ counter: counterSchema, keep: nanoWireSchema })),
    })
    .nullable()
    .describe('leases to give back what is idle of, above `keep`'),
  commands: commandsSchema.nullable().describe('what people said of agents, findings and tools, all of it'),
  threatIntel: threatIntelNewsSchema.nullable().default(null).describe('the index to fetch'),
})

/** A poll. */
export type ChannelAsk = z.infer<typeof channelAskSchema>
/** The answer to a poll. */
export type ChannelAnswer = z.infer<typeof channelAnswerSchema>
