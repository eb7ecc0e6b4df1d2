/** What a stream window does with a detector: holds from `openFrom` on, forgets the rest, and reports what has ended. */
import type { Finding } from '@agentcostcontrol/contract'
import type { Detector } from '../../types.ts'

const CONTEXT = { source: 'assistant' } as const

/** The first thing that differs from a detection over the whole text, or `null`; `cut` gives the length of each piece. */
export function streamFault(detector: Detector, text: string, cut: () => number): string | null {
  const findings: Finding[] = []
  let [released, held, at] = ['', '', 0]
  let fault: string | null = null
  for (let ended = false; !ended; ) {
    const piece = text.slice(at, at + cut())
    ended = piece === ''
    at += piece.length
    held += piece
    const open = ended ? held.length : detector.openFrom(held)
    if (open > held.length || open < Math.max(0, held.length - detector.holdCharsMax)) fault ??= `openFrom ${open}`
    for (const finding of detector.detect(held, CONTEXT)) {
      if (finding.start >= open) continue
      if (finding.end > open) fault ??= `${finding.ruleId} is released in parts`
      findings.push({ ...finding, start: finding.start + released.length, end: finding.end + released.length })
    }
    released += held.slice(0, open)
    held = held.slice(open)
  }
  if (released !== text) fault ??= 'other text'
  const seen = JSON.stringify(findings)
  const whole = JSON.stringify(detector.detect(text, CONTEXT))
  return fault ?? (seen === whole ? null : `${seen} in the stream, ${whole} in the whole`)
}

/** The most characters that are held at any moment of a text that comes one by one. */
export function heldMost(detector: Detector, text: string): number {
  let most = 0
  for (let end = 1; end <= text.length; end++) most = Math.max(most, end - detector.openFrom(text.slice(0, end)))
  return most
}
