import type { Finding, Severity, Taxonomy } from '@agentcostcontrol/contract'
import {
  type CallArgument,
  DATA_LEAVES,
  decodings,
  extractValues,
  type ReadCall,
  readCall,
  UNTRUSTED_ARGUMENT,
} from '@agentcostcontrol/detectors'
import { exactFingerprint } from './fingerprint.ts'
import { gradeValue, KNOWN } from './grade.ts'
import type { SessionState } from './state.ts'
import { valueKey } from './text-facts.ts'

/** Characters of one argument that are searched for secrets. */
const SEARCHED_CHARS_MAX = 65_536
const RANK: Readonly<Record<Severity, number>> = { low: 0, medium: 1, high: 2, critical: 3 }

/** What names a call, however its JSON is written. */
export function callKey({ arguments: all }: ReadCall, tool: string | undefined): number {
  const text = `${tool ?? ''}\n${all.map((argument) => argument.text).join('\n')}`
  return exactFingerprint(text, 0, text.length)
}

/** Judges a call by what its session has seen before it. */
export function judgeCall(session: SessionState, text: string, call: ReadCall): readonly Finding[] {
  const findings: Finding[] = []
  for (const argument of call.arguments) {
    const untrusted = untrustedArgument(session, argument, call)
    if (untrusted) findings.push(at(text, argument, 'untrusted-argument', untrusted, UNTRUSTED_ARGUMENT))
    const leaving = secretLeaves(session, argument, call)
    if (leaving) findings.push(at(text, argument, 'secret-leaves', leaving, DATA_LEAVES))
  }
  return session.isPrivate && session.isExposed && call.sends ? raised(findings) : findings
}

/** The call's JSON text, read. */
export const readToolCall = (text: string, tool: string | undefined): ReadCall => readCall(text, tool)

function untrustedArgument(
  session: SessionState,
  argument: CallArgument,
  call: ReadCall,
): { readonly severity: Severity; readonly value: string } | null {
  let worst: { readonly severity: Severity; readonly value: string } | null = null
  let host = { end: 0, bits: 0 }
  extractValues(argument.text, (kind, start, end) => {
    let bits = session.knows(valueKey(argument.text, kind, start, end))
    if (kind === 'host') host = { end, bits }
    // A host that the user named stands for every page of it.
    if (kind === 'url' && (host.bits & KNOWN.TRUSTED) !== 0) bits |= KNOWN.TRUSTED
    const severity = gradeValue(bits, kind, argument, call, session.delegated)
    if (severity !== null && (worst === null || RANK[severity] > RANK[worst.severity]))
      worst = { severity, value: argument.text.slice(start, end) }
  })
  return worst
}

function secretLeaves(
  { secrets }: SessionState,
  { role, text }: CallArgument,
  call: ReadCall,
): { readonly severity: Severity; readonly value: string } | null {
  if (secrets.size === 0 || text.length < 8) return null
  let worst: Severity | null = null
  decodings(text.slice(0, SEARCHED_CHARS_MAX), (decoded, encoding) => {
    const secret = secrets.findIn(decoded)
    if (secret === null) return
    const isHidden = encoding !== null && encoding !== 'url'
    const severity = gradeSecret(secret.given, isHidden, role, call)
    if (severity !== null && (worst === null || RANK[severity] > RANK[worst])) worst = severity
  })
  return worst === null ? null : { severity: worst, value: text }
}

function gradeSecret(given: boolean, isHidden: boolean, role: CallArgument['role'], call: ReadCall): Severity | null {
  if (role === 'credential' && !isHidden) return null
  if (given) return isHidden && call.sends ? 'medium' : 'low'
  if (!call.sends) return 'low'
  return isHidden ? 'critical' : 'high'
}

function raised(findings: readonly Finding[]): readonly Finding[] {
  const serious = findings.filter(({ severity }) => severity === 'high' || severity === 'critical')
  const [first] = serious
  if (!first) return findings
  const risen = findings.map(
    (finding): Finding => (serious.includes(finding) ? { ...finding, severity: 'critical' } : finding),
  )
  return [...risen, { ...first, ruleId: 'lethal-trifecta', severity: 'critical' }]
}

/** The finding of an argument: its value's place, or the whole call where it is written in another way. */
function at(
  text: string,
  argument: CallArgument,
  ruleId: string,
  { severity, value }: { readonly severity: Severity; readonly value: string },
  taxonomy: Taxonomy,
): Finding {
  const start = text.indexOf(value)
  const [from, to] = start === -1 ? [0, text.length] : [start, start + value.length]
  return {
    detectorId: 'flow',
    ruleId,
    category: ruleId === 'secret-leaves' ? 'exfiltration' : `argument-${argument.role}`,
    severity,
    score: SCORES[severity],
    start: from,
    end: to,
    taxonomy,
  }
}

const SCORES: Readonly<Record<Severity, number>> = { low: 0.3, medium: 0.6, high: 0.9, critical: 0.97 }
