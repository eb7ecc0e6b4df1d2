import type { Finding } from '@agentcostcontrol/contract'
import { UNSECURED_CREDENTIAL } from '../taxonomy.ts'
import { type CheckResult, entropyBits, runCheck } from './checks.ts'
import type { CompiledRule } from './compile.ts'
import type { Place } from './engine.ts'
import { isPlaceholder } from './placeholder.ts'

const ENTROPY_MIN = 2.5
/** A candidate whose check is `weak` counts for less. */
const ONE_LOWER = { critical: 'high', high: 'medium', medium: 'low', low: 'low' } as const
const WEAK_FACTOR = 0.7

/** A finding, and where the text that led to it begins: a key's name stands before its value. */
export interface Match {
  readonly from: number
  readonly finding: Finding
}

/** Runs the rules where they may begin. */
export function matchesAt(places: readonly Place[], text: string): readonly Match[] {
  const matches: Match[] = []
  // Where the last match of a rule ended: a rule does not look inside what it has found.
  const endOf = new Map<CompiledRule, number>()
  for (const { rule, start: from } of places) {
    if (from < (endOf.get(rule) ?? 0)) continue
    rule.whole.lastIndex = from
    const found = rule.whole.exec(text)
    if (!found) continue
    const end = rule.whole.lastIndex
    const secret = found[1] ?? found[0]
    const result = judge(rule, secret)
    if (result === 'fail') continue
    endOf.set(rule, end)
    matches.push({ from, finding: toFinding(rule, result, end - secret.length, end) })
  }
  return matches
}

/** Cheapest first. */
function judge({ rule }: CompiledRule, secret: string): CheckResult {
  if (entropyBits(secret) < (rule.entropyMin ?? ENTROPY_MIN)) return 'fail'
  if (rule.placeholders !== false && isPlaceholder(secret)) return 'fail'
  return rule.check ? runCheck(rule.check, secret) : 'pass'
}

function toFinding({ rule, family }: CompiledRule, result: CheckResult, start: number, end: number): Finding {
  return {
    detectorId: 'secrets',
    ruleId: rule.id,
    category: family,
    severity: result === 'weak' ? ONE_LOWER[rule.severity] : rule.severity,
    score: (rule.score ?? ('pattern' in rule ? 0.95 : 0.8)) * (result === 'weak' ? WEAK_FACTOR : 1),
    start,
    end,
    taxonomy: UNSECURED_CREDENTIAL,
  }
}
