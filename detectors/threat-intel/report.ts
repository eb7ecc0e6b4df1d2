import type { Finding, Severity } from '@agentcostcontrol/contract'
import { COMPROMISED_PACKAGE, KNOWN_BAD_CONTENT } from '../taxonomy.ts'
import { severityOf, threatOf } from './index-reader.ts'

/** What a finding is of. */
export type RuleId = 'domain' | 'url' | 'ip' | 'file-hash' | 'package'

const SCORES: Readonly<Record<Severity, number>> = { low: 0.4, medium: 0.6, high: 0.85, critical: 0.95 }

/** A finding of what an entry lists. */
export function report(ruleId: RuleId, meta: number, start: number, end: number): Finding {
  const severity = severityOf(meta)
  return {
    detectorId: 'threat-intel',
    ruleId,
    category: threatOf(meta),
    severity,
    score: SCORES[severity],
    start,
    end,
    taxonomy: ruleId === 'package' ? COMPROMISED_PACKAGE : KNOWN_BAD_CONTENT,
  }
}
