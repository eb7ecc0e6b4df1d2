import { type EventFinding, FINDING_ACTIONS, type Finding, type FindingAction } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'

/** What the policy says about one finding. */
export interface Decided {
  readonly finding: Finding
  readonly action: FindingAction
  /** False where the rule is in audit mode: then the action is only recorded. */
  readonly enforced: boolean
}

/** Applies a policy to the findings of one text. A severity the policy does not name is an alert (the compiler fills it in). */
export function decide(
  findings: readonly Finding[],
  security: CompiledSecurity,
  direction: 'request' | 'response',
): readonly Decided[] {
  return findings.map((finding) => {
    const rule = security.detectors.find(({ detectorId }) => detectorId === finding.detectorId)
    return {
      finding,
      action: rule ? rule[direction][finding.severity] : 'alert',
      enforced: rule?.mode === 'enforce',
    }
  })
}

/** The strongest action that is enforced; `allow` when there is none. */
export function strongest(decided: readonly Decided[]): FindingAction {
  let rank = 0
  for (const { action, enforced } of decided) if (enforced) rank = Math.max(rank, FINDING_ACTIONS.indexOf(action))
  return FINDING_ACTIONS[rank] ?? 'allow'
}

/** What an event keeps of it. */
export const toEventFinding = (
  { finding, action, enforced }: Decided,
  direction: 'request' | 'response',
): EventFinding => ({
  detectorId: finding.detectorId,
  ruleId: finding.ruleId,
  severity: finding.severity,
  direction,
  action,
  mode: enforced ? 'enforce' : 'audit',
})

/** The rules behind an action, for messages: ids only. */
export const ruleIds = (decided: readonly Decided[], action: FindingAction): readonly string[] => [
  ...new Set(
    decided
      .filter((one) => one.enforced && one.action === action)
      .map(({ finding }) => `${finding.detectorId}/${finding.ruleId}`),
  ),
]
