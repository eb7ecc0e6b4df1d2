/** What people said that every sidecar follows at once. Each list is told whole: nothing hangs on the order of messages. */
import * as z from 'zod'
import { AGENT_COMMANDS_MAX, agentCommandSchema } from './agent-command.ts'
import { SUPPRESSIONS_MAX, suppressionSchema } from './suppression.ts'
import { TOOL_PIN_DECISIONS_MAX, toolPinDecisionSchema } from './tool-pins.ts'

/** All of it, as it stood at `version`. */
export const commandsSchema = z.strictObject({
  version: z.int().min(0).describe('of all the lists together: another one after any change'),
  agents: z.array(agentCommandSchema).max(AGENT_COMMANDS_MAX).describe('agents that are stopped or go on'),
  suppressions: z.array(suppressionSchema).max(SUPPRESSIONS_MAX).default([]).describe('findings that are let pass'),
  toolPins: z
    .array(toolPinDecisionSchema)
    .max(TOOL_PIN_DECISIONS_MAX)
    .default([])
    .describe('definitions of tools that were approved or rejected'),
})

/** All of it. */
export type Commands = z.infer<typeof commandsSchema>
