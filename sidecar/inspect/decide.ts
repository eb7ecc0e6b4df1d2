import { type EventFinding, FINDING_ACTIONS, type Finding, type FindingAction } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'

/** What the policy says about one finding. */
export interface Decided {
  readonly finding: Finding
  readonly action: FindingAction
  /** False where the rule is in audit mode: then the action is only recorded. */
  readonly enforced: boolean
}

/**
 * Applies a policy to the findings of one text. A severity the policy does not name is an alert (the compiler fills it in).
 * @param sealed the text must not be changed: what would be redacted is blocked
 */
export function decide(
  findings: readonly Finding[],
  security: CompiledSecurity,
  direction: 'request' | 'response',
  sealed = false,
): readonly Decided[] {
  return findings.map((finding) => {
    const rule = security.detectors.find(({ detectorId }) => detectorId === finding.detectorId)
    const action = rule ? rule[direction][finding.severity] : 'alert'
    return {
      finding,
      action: sealed && action === 'redact' ? 'block' : action,
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

/** What an event keeps of findings: one entry a kind, so that its size does not grow with their number. */
export function toEventFindings(
  decided: readonly Decided[],
  direction: 'request' | 'response',
): readonly EventFinding[] {
  const kinds = new Map<string, { first: Decided; count: number }>()
  for (const one of decided) {
    const { finding, action, enforced } = one
    const key = `${finding.detectorId} ${finding.ruleId} ${finding.severity} ${action} ${enforced}`
    const kind = kinds.get(key)
    if (kind) kind.count++
    else kinds.set(key, { first: one, count: 1 })
  }
  return [...kinds.values()].map(({ first: { finding, action, enforced }, count }) => ({
    detectorId: finding.detectorId,
    ruleId: finding.ruleId,
    severity: finding.severity,
    direction,
    action,
    mode: enforced ? 'enforce' : 'audit',
    count,
  }))
}

/** The rules behind an action, for messages: ids only. */
export const ruleIds = (decided: readonly Decided[], action: FindingAction): readonly string[] => [
  ...new Set(
    decided
      .filter((one) => one.enforced && one.action === action)
      .map(({ finding }) => `${finding.detectorId}/${finding.ruleId}`),
  ),
]
