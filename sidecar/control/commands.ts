import { join } from 'node:path'
import type { Commands } from '@agentcostcontrol/contract'
import type { Clock, Timers } from '../clock.ts'
import type { Logger } from '../log.ts'
import { type AgentStates, openAgentStates } from './agent-states.ts'
import { watchReleases } from './local-releases.ts'
import { openSuppressions, type Suppressions } from './suppressions.ts'
import { openToolPinDecisions, type ToolPinDecisions } from './tool-pin-decisions.ts'

/** What people said of agents, findings and tools, as this sidecar follows it. */
export interface FollowedCommands {
  readonly agents: AgentStates
  readonly suppressions: Suppressions
  readonly toolPins: ToolPinDecisions
  /** Of what is followed; 0 until it was told since the start. */
  readonly version: number
  /** Follows all of it at once; resolves when the next start knows it too. Never rejects. */
  take(commands: Commands): Promise<void>
  close(): void
}

/** What they need. */
export interface FollowedCommandsOptions {
  readonly dataDir: string
  readonly hasControlPlane: boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

/** Opens them as the last process left them. */
export async function openCommands(options: FollowedCommandsOptions): Promise<FollowedCommands> {
  const { dataDir, hasControlPlane, clock, timers, log } = options
  const of = (name: string) => ({ file: join(dataDir, name), hasControlPlane, clock, log })
  const agents = await openAgentStates(of('agent-states.json'))
  const suppressions = await openSuppressions(of('suppressions.json'))
  const toolPins = await openToolPinDecisions(of('tool-pin-decisions.json'))
  const releases = watchReleases({ file: join(dataDir, 'release-agents'), agents, timers, log })
  return {
    agents,
    suppressions,
    toolPins,
    get version() {
      return agents.version
    },
    take: async (commands) => {
      await Promise.all([
        agents.take(commands),
        suppressions.take(commands.suppressions),
        toolPins.take(commands.toolPins),
      ])
    },
    close: () => {
      releases.close()
      for (const part of [agents, suppressions, toolPins]) part.close()
    },
  }
}
