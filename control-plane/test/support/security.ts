import type { EventFinding, FindingDetail, Suppressed, ToolPinReport } from '@agentcostcontrol/contract'
import { createAgentStateService } from '../../agents/state-service.ts'
import { systemClock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Wakes } from '../../db/wakes.ts'
import { createMetrics } from '../../metrics.ts'
import type { SecurityEventService } from '../../security/event-service.ts'
import { createSecurity } from '../../security/service.ts'
import { createBeginCommand, createCommands } from '../../sidecars/commands.ts'
import { QUIET } from './database.ts'

/** What people say, and what is found, on a database; nobody hears of it unless there are wakes. */
export function saidOn(database: Database, wakes: Pick<Wakes, 'announce'> = { announce: async () => {} }) {
  const begin = createBeginCommand(wakes)
  const agentStates = createAgentStateService({ database, begin, onChange: () => {}, onFull: () => {} })
  const counts = createMetrics().security
  const { quarantineFor } = agentStates
  const security = createSecurity({ database, clock: systemClock, begin, quarantineFor, counts, log: QUIET })
  const { suppressions, toolPins } = security
  return { agentStates, security, commands: createCommands({ database, agents: agentStates, suppressions, toolPins }) }
}

/** What ingest does with findings. */
export const recordOn = (database: Database): SecurityEventService['record'] => saidOn(database).security.events.record

/** What a finding in a tool's result tells. */
export const findingDetail = (over: Partial<FindingDetail> = {}): FindingDetail => ({
  source: 'tool_result',
  tool: 'read_mail',
  category: 'injection',
  score: 0.9,
  detectorVersion: '1',
  taxonomy: { owaspLlm: 'LLM01:2025', owaspAgentic: 'ASI01', mitreAtlas: null },
  inspectionUs: 120,
  places: [{ textHash: 'a'.repeat(32), start: 3, end: 9 }],
  ...over,
})

/** A finding of an event. */
export const eventFinding = (over: Partial<EventFinding> = {}): EventFinding => ({
  detectorId: 'prompt-injection',
  ruleId: 'ignore-previous',
  severity: 'high',
  direction: 'request',
  action: 'block',
  mode: 'enforce',
  count: 1,
  detail: findingDetail(),
  ...over,
})

/** A first sight of a tool. */
export const toolPinReport = (over: Partial<ToolPinReport> = {}): ToolPinReport => ({
  agent: 'researcher',
  tool: 'read_mail',
  hash: '1'.repeat(64),
  previousHash: null,
  changedPaths: [],
  similarTo: null,
  at: '2026-11-23T12:00:00.000Z',
  ...over,
})

/** Any finding of a detector. */
export const SUPPRESSED: Suppressed = { detector: 'pii', rule: null, agent: null, textHash: null, tool: null }
