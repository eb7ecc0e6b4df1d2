import type { Finding } from '@agentcostcontrol/contract'
import { SYSTEM_PROMPT_LEAKS } from '../taxonomy.ts'
import type { Detector } from '../types.ts'

/**
 * Finds the texts that a policy planted where nobody should repeat them. They stand in the system prompt, so only what
 * the model says and calls is judged; a beginning of one at the end of a text is held back until it is whole.
 */
export function createCanaryDetector(canaries: readonly string[]): Detector {
  const longest = Math.max(0, ...canaries.map(({ length }) => length))
  return {
    id: 'prompt-leak',
    sources: ['assistant', 'tool_call'],
    grades: null,
    rulesOff: [],
    version: '1',
    holdCharsMax: Math.max(0, longest - 1),
    detect: (text, { source }) =>
      source === 'assistant' || source === 'tool_call' ? findCanaries(text, canaries) : [],
    openFrom: (text) => {
      for (let from = Math.max(0, text.length - longest + 1); from < text.length; from++) {
        const rest = text.slice(from)
        if (canaries.some((canary) => canary.length > rest.length && canary.startsWith(rest))) return from
      }
      return text.length
    },
  }
}

function findCanaries(text: string, canaries: readonly string[]): readonly Finding[] {
  const findings: Finding[] = []
  for (const canary of canaries) {
    for (let start = text.indexOf(canary); start !== -1; start = text.indexOf(canary, start + canary.length))
      findings.push({
        detectorId: 'prompt-leak',
        ruleId: 'canary',
        category: 'prompt-leak',
        severity: 'critical',
        score: 1,
        start,
        end: start + canary.length,
        taxonomy: SYSTEM_PROMPT_LEAKS,
      })
  }
  return withoutOverlaps(findings.toSorted((a, b) => a.start - b.start || b.end - a.end))
}

const withoutOverlaps = (findings: readonly Finding[]): readonly Finding[] => {
  let end = 0
  return findings.filter((finding) => {
    if (finding.start < end) return false
    end = finding.end
    return true
  })
}
