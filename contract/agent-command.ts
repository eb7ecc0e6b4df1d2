/**
 * What the control plane says of agents: one list of all that were stopped or let go on, told to every sidecar whole, so
 * that nothing hangs on the order in which messages arrive. How long something still lasts is told as a duration: nobody
 * has to agree on the time.
 */
import * as z from 'zod'

/**
 * What an agent is held to. `active`: nothing, which is told so that a pause of the sidecar's own ends as well.
 * `quarantined`: as `paused`, but for security's sake, without an end, and lifted by a release alone.
 */
export const AGENT_STATES = ['active', 'paused', 'quarantined'] as const
/** One of {@link AGENT_STATES}. */
export type AgentState = (typeof AGENT_STATES)[number]

/** Most agents of one organisation that are stopped, or of which it is told that they go on. */
export const AGENT_COMMANDS_MAX = 5_000
/** Longest reason, in UTF-16 code units. */
export const AGENT_REASON_MAX = 200
/** Longest pause that ends by itself, of a person or of a sidecar. */
export const AGENT_PAUSE_MS_MAX = 7 * 24 * 60 * 60 * 1_000

/** The name of an agent in a path or a list: as in `x-acc-agent`, or `(none)` for requests that name none. */
export const agentNameSchema = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,253}$/u, 'expected 1 to 253 characters without control characters')

/** One agent's. */
export const agentCommandSchema = z.strictObject({
  agent: agentNameSchema,
  state: z.enum(AGENT_STATES),
  reason: z.string().max(AGENT_REASON_MAX),
  version: z.int().min(1).describe('of the change that made it so'),
  endsInMs: z
    .int()
    .min(0)
    .max(AGENT_PAUSE_MS_MAX)
    .nullable()
    .describe('after which it is over by itself; `null`: by a change alone'),
  release: z
    .int()
    .min(0)
    .default(0)
    .describe('version of its last release, which ends quarantines of sidecars as well; 0 for none'),
})

/** One agent's. */
export type AgentCommand = z.infer<typeof agentCommandSchema>
/** All of them, as they stood at `version`. */
export interface AgentCommands {
  readonly version: number
  readonly agents: readonly AgentCommand[]
}
