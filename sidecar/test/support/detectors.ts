import { type Finding, POLICY_API_VERSION, SEGMENT_SOURCES } from '@agentcostcontrol/contract'
import { type Detector, EMPTY_ENVIRONMENT, ruleName } from '@agentcostcontrol/detectors'
import { compilePolicy } from '@agentcostcontrol/policy'
import type { AnswerInspection } from '../../answer/inspection.ts'
import { systemClock } from '../../clock.ts'
import { Coverage } from '../../inspect/coverage.ts'
import { ScanFailures } from '../../inspect/scan-failure.ts'
import { bySource, SegmentScanner } from '../../inspect/scanner.ts'

/** Finds `KEY` and six digits: small enough to say by hand what must come out. */
const keyDetector: Detector = {
  id: 'secrets',
  sources: SEGMENT_SOURCES,
  grades: null,
  rulesOff: [],
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

/** Nothing is let pass. */
export const NO_SUPPRESSIONS = { covers: (): boolean => false }

/** A policy that does one thing about every finding in an answer. */
export function inspectionThat(action: 'alert' | 'redact' | 'block'): AnswerInspection {
  const actions = { low: action, medium: action, high: action, critical: action }
  const document = {
    apiVersion: POLICY_API_VERSION,
    kind: 'SecurityPolicy',
    metadata: { name: 'test' },
    spec: { detectors: { secrets: { request: actions, response: actions } }, timeoutMs: 1_000 },
  }
  const compiled = compilePolicy([{ path: 'test.yaml', text: JSON.stringify(document) }])
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  const security = compiled.policy.securityFor(
    { agent: null, workflow: null, session: null, task: null, tags: {} },
    null,
  )
  if (security === null) throw new Error('no policy holds')
  const coverage = new Coverage()
  const scanner = new SegmentScanner({ run: () => Promise.reject(new Error('no pool here')) }, 100)
  return {
    security,
    set: {
      detectors: [keyDetector],
      ids: ['secrets'],
      byId: new Map([['secrets', keyDetector]]),
      bySource: bySource([keyDetector]),
      scope: 'test',
      environment: EMPTY_ENVIRONMENT,
      canaries: [],
    },
    judged: coverage.of([keyDetector], 'test'),
    agent: null,
    suppressions: NO_SUPPRESSIONS,
    scanner,
    failures: new ScanFailures({ error: () => {} }, systemClock),
    coverage,
    clock: systemClock,
    turn: null,
    redacted: null,
    placeholderOf: ruleName,
  }
}
