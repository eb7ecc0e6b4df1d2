import { FINDING_ACTIONS, SEVERITIES } from '@agentcostcontrol/contract'
import { Counter, type Registry } from 'prom-client'
import { AGENT_CHANGES, type AgentChange } from '../agents/state-repository.ts'
import { TOOL_PIN_STATES } from './pin-repository.ts'
import type { SecurityCounts } from './service.ts'

/** Counts what is found and what is done with agents. */
export interface SecurityMetrics extends SecurityCounts {
  /** @param change `full`: a finding would have stopped the agent, were there not too many */
  agentChange(change: AgentChange | 'full'): void
}

/** Makes the metrics, in a registry; no name that comes from outside is a label. */
export function createSecurityMetrics(registry: Registry): SecurityMetrics {
  const registers = [registry]
  const events = new Counter({
    name: 'acc_security_events_total',
    help: 'Kinds of findings in events that were stored, by severity and by what was done.',
    labelNames: ['severity', 'action', 'mode'],
    registers,
  })
  for (const severity of SEVERITIES)
    for (const action of FINDING_ACTIONS) events.inc({ severity, action, mode: 'enforce' }, 0)
  const changes = new Counter({
    name: 'acc_agent_changes_total',
    help: 'What was done with agents: pause, resume, quarantine, release; full: not quarantined, since too many are stopped.',
    labelNames: ['change'],
    registers,
  })
  for (const change of [...AGENT_CHANGES, 'full']) changes.inc({ change }, 0)
  const tools = new Counter({
    name: 'acc_tool_pins_total',
    help: 'Definitions of tools that were new (pinned, pending) and decisions on them (approved, rejected).',
    labelNames: ['state'],
    registers,
  })
  for (const state of TOOL_PIN_STATES) tools.inc({ state }, 0)
  const suppressions = new Counter({
    name: 'acc_suppression_changes_total',
    help: 'Suppressions that were made, and ended before their time.',
    labelNames: ['change'],
    registers,
  })
  for (const change of ['made', 'ended']) suppressions.inc({ change }, 0)
  return {
    found: (found) => {
      for (const { severity, action, mode } of found) events.inc({ severity, action, mode })
    },
    agentChange: (change) => changes.inc({ change }),
    toolsSeen: (states) => {
      for (const state of states) tools.inc({ state })
    },
    toolDecided: (state) => tools.inc({ state }),
    suppression: (change) => suppressions.inc({ change }),
  }
}
