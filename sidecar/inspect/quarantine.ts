import type { UsageEvent } from '@agentcostcontrol/contract'
import type { AgentStates } from '../control/agent-states.ts'

/** Stops the agent of an event for whose findings the policy wants it stopped; the control plane does so everywhere. */
export function quarantineFor({ principal, findings }: UsageEvent, agents: Pick<AgentStates, 'quarantineHere'>): void {
  const found = findings.find(({ action, mode }) => action === 'quarantine' && mode === 'enforce')
  if (found) agents.quarantineHere(principal.agent, `${found.detectorId}/${found.ruleId}`)
}
