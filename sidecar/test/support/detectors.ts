import type { Finding } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { AnswerInspection } from '../../answer/inspection.ts'
import { Coverage } from '../../inspect/coverage.ts'
import { SegmentScanner } from '../../inspect/scanner.ts'

/** Finds `KEY` and six digits: small enough to say by hand what must come out. */
const keyDetector: Detector = {
  id: 'secrets',
  version: 'test',
  holdCharsMax: 9,
  detect: (text) => [...text.matchAll(/KEY\d{6}/g)].map((match) => finding(match.index, match.index + 9)),
  openFrom: (text) => {
    const open = /K(?:E(?:Y\d{0,5})?)?$/.exec(text)
    return open ? open.index : text.length
  },
}

const finding = (start: number, end: number): Finding => ({
  detectorId: 'secrets',
  ruleId: 'key',
  category: 'secret',
  severity: 'critical',
  score: 1,
  start,
  end,
  taxonomy: { owaspLlm: null, owaspAgentic: null, mitreAtlas: null },
})

/** A policy that does one thing about every finding in an answer. */
export function inspectionThat(action: 'alert' | 'redact' | 'block'): AnswerInspection {
  const actions = { low: action, medium: action, high: action, critical: action }
  const security: CompiledSecurity = {
    name: 'test',
    detectors: [{ detectorId: 'secrets', mode: 'enforce', request: actions, response: actions }],
    onOverload: 'closed',
    onTimeout: 'closed',
    timeoutMs: 1_000,
    holdsResponses: action !== 'alert',
    detectorsKey: 'test',
    runaway: null,
  }
  const scanner = new SegmentScanner({ run: () => Promise.reject(new Error('no pool here')) }, 100)
  return {
    security,
    set: { detectors: [keyDetector], ids: ['secrets'], scope: 'test', judged: new Coverage().of(['secrets']) },
    scanner,
    coverage: new Coverage(),
  }
}
