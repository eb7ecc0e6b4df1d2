import { hash } from 'node:crypto'
import { FINDING_ACTIONS, type Finding, type FindingAction, SEVERITIES, type Segment } from '@agentcostcontrol/contract'
import type { Detector, Grades } from '@agentcostcontrol/detectors'
import type { CompiledDetectorPolicy } from '@agentcostcontrol/policy'
import { isAllowed } from './allowances.ts'
import type { Inspection } from './inspection.ts'

/** A text, or as much of one as a stream keeps. */
export type JudgedText = Pick<Segment, 'source' | 'tool' | 'text' | 'sealed'> & {
  /** False for the window of a stream: the text's hash is not that of a whole. */
  readonly whole: boolean
}

/** What the policy says about one finding. */
export interface Decided {
  /** With the severity that the policy's thresholds give it. */
  readonly finding: Finding
  readonly text: JudgedText
  readonly action: FindingAction
  /** False where the rule is in audit mode: then the action is only recorded. */
  readonly enforced: boolean
}

/**
 * Applies a policy to the findings of one text: what is switched off, below all thresholds, allowed or suppressed is none. Where the
 * text must not be changed, what would be redacted is blocked.
 */
export function decide(
  findings: readonly Finding[],
  text: JudgedText,
  inspection: Inspection,
  direction: 'request' | 'response',
): readonly Decided[] {
  if (findings.length === 0) return NOTHING
  const { security, set } = inspection
  const textHash = lazyHash(text.text)
  const decided: Decided[] = []
  for (const found of findings) {
    const settings = security.byDetector.get(found.detectorId)
    const detector = set.byId.get(found.detectorId)
    if (!settings || isOff(found, settings, detector)) continue
    const finding = graded(found, text, settings, detector)
    if (finding === null || isAllowed(finding, text, settings.allow, textHash)) continue
    if (isSuppressed(finding, text, inspection, textHash)) continue
    const action = settings[direction][finding.severity]
    decided.push({
      finding,
      text,
      action: text.sealed && action === 'redact' ? 'block' : action,
      enforced: settings.mode === 'enforce',
    })
  }
  return decided
}

const NOTHING: readonly Decided[] = []

const HASH_DIGITS = 32

const isSuppressed = (
  { detectorId, ruleId }: Finding,
  { whole, tool }: JudgedText,
  { suppressions, agent }: Inspection,
  textHash: () => string,
): boolean =>
  suppressions.covers(detectorId, ruleId, agent, whole ? textHash().slice(0, HASH_DIGITS) : null, tool ?? null)

/** The SHA-256 of a text, hex, once somebody asks for it. */
function lazyHash(text: string): () => string {
  let known: string | null = null
  return () => {
    known ??= hash('sha256', text)
    return known
  }
}

function isOff({ ruleId }: Finding, { rules }: CompiledDetectorPolicy, detector: Detector | undefined): boolean {
  const said = rules.get(ruleId)
  return said === undefined ? detector?.rulesOff.includes(ruleId) === true : said === 'off'
}

/** A finding with its grade; `null` below all grades. */
function graded(
  finding: Finding,
  { source }: JudgedText,
  { thresholds }: CompiledDetectorPolicy,
  detector: Detector | undefined,
): Finding | null {
  const asked = thresholds[source]
  // Without scores to speak of, a threshold only says how sure a finding has to be.
  if (!detector?.grades) return finding.score >= (asked?.[finding.severity] ?? 0) ? finding : null
  const severity = gradeOf(finding.score, { ...detector.grades[source], ...defined(asked) })
  if (severity === null) return null
  return severity === finding.severity ? finding : { ...finding, severity }
}

const defined = (asked: CompiledDetectorPolicy['thresholds']['user']): Grades =>
  Object.fromEntries(Object.entries(asked ?? {}).filter(([, least]) => least !== undefined))

function gradeOf(score: number, grades: Grades): Finding['severity'] | null {
  const reached = SEVERITIES.filter((severity) => score >= (grades[severity] ?? Number.POSITIVE_INFINITY))
  return reached.at(-1) ?? null
}

const isEnforced = ({ enforced }: Decided): boolean => enforced

/** The strongest action that is enforced; `allow` when there is none. */
export function strongest(decided: readonly Decided[]): FindingAction {
  let rank = 0
  for (const { action, enforced } of decided) if (enforced) rank = Math.max(rank, FINDING_ACTIONS.indexOf(action))
  return FINDING_ACTIONS[rank] ?? 'allow'
}

/** Whether an action keeps the text from going on. */
export const stops = (action: FindingAction): boolean => action === 'block' || action === 'quarantine'

/** Findings that an enforced rule takes out of their text. */
export const toRedact = (decided: readonly Decided[]): readonly Finding[] =>
  decided.filter((one) => isEnforced(one) && one.action === 'redact').map(({ finding }) => finding)

/** The rules for which a text does not go on: those that stop it, or else those that would have taken a part out. */
export function stoppingRules(decided: readonly Decided[]): readonly string[] {
  const rules = ruleIds(decided, stops)
  return rules.length > 0 ? rules : ruleIds(decided, (action) => action === 'redact')
}

/** The rules behind actions that are enforced, for messages: ids only. */
export const ruleIds = (
  decided: readonly Decided[],
  isMeant: (action: FindingAction) => boolean,
): readonly string[] => [
  ...new Set(
    decided
      .filter((one) => isEnforced(one) && isMeant(one.action))
      .map(({ finding }) => `${finding.detectorId}/${finding.ruleId}`),
  ),
]
