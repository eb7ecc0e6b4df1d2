import type { ToolPinDecision } from '@agentcostcontrol/contract'
import type { AgentStateService } from '../agents/state-service.ts'
import type { Api } from '../api.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Logger } from '../log.ts'
import type { BeginCommand } from '../sidecars/commands.ts'
import type { SecurityEvent } from './event-repository.ts'
import { securityEventRoutes } from './event-routes.ts'
import { createSecurityEventService, type SecurityEventService } from './event-service.ts'
import type { ToolPinState } from './pin-repository.ts'
import { toolPinReportRoutes, toolPinRoutes } from './pin-routes.ts'
import { createToolPinService, type ToolPinService } from './pin-service.ts'
import { suppressionRoutes } from './suppression-routes.ts'
import { createSuppressionService, type SuppressionService } from './suppression-service.ts'

/** What was found, what people let pass of it, and what they think of tools. */
export interface SecurityServices {
  readonly events: SecurityEventService
  readonly suppressions: SuppressionService
  readonly toolPins: ToolPinService
}

/** What they need. */
export interface SecurityOptions {
  readonly database: Database
  readonly clock: Clock
  readonly begin: BeginCommand
  readonly quarantineFor: AgentStateService['quarantineFor']
  /** What is counted, each when it is committed. */
  readonly counts: SecurityCounts
  readonly log: Logger
}

/** Counts for the metrics. */
export interface SecurityCounts {
  found(events: readonly SecurityEvent[]): void
  toolsSeen(states: readonly ToolPinState[]): void
  toolDecided(decision: ToolPinDecision['decision']): void
  suppression(change: 'made' | 'ended'): void
}

/** Makes them. */
export function createSecurity({ counts, log, ...parts }: SecurityOptions): SecurityServices {
  return {
    events: createSecurityEventService({ ...parts, onFound: counts.found }),
    suppressions: createSuppressionService({
      ...parts,
      onChange: (orgId, change, { id, detector, rule, reason }) => {
        counts.suppression(change)
        log.info(`a suppression was ${change}`, { orgId, id, detector, rule, reason })
      },
    }),
    toolPins: createToolPinService({
      ...parts,
      onSeen: counts.toolsSeen,
      onDecided: (orgId, { agent, tool, hash, state, reason }) => {
        if (state === 'approved' || state === 'rejected') counts.toolDecided(state)
        log.info('a definition of a tool was decided of', { orgId, agent, tool, hash, state, reason })
      },
    }),
  }
}

/** All of it as an API. */
export function securityRoutes(api: Api, { events, suppressions, toolPins }: SecurityServices): void {
  securityEventRoutes(api, events)
  suppressionRoutes(api, suppressions)
  toolPinReportRoutes(api, toolPins)
  toolPinRoutes(api, toolPins)
}
