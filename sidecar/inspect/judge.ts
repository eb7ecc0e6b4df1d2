import type { Finding, FindingAction, Segment } from '@agentcostcontrol/contract'
import { redactText } from '@agentcostcontrol/detectors'
import { decodeSegment } from '../providers/byte-strings.ts'
import type { SegmentEdit } from '../providers/provider.ts'
import { type Decided, decide, strongest, toRedact } from './decide.ts'
import type { Inspection } from './inspection.ts'
import type { ScanResult } from './worker.ts'

/** What is to be done about the texts of a request or a plain answer. */
export interface Judgement {
  readonly decided: readonly Decided[]
  /** The strongest action that is enforced; `block` as well where a redaction would break what it is taken out of. */
  readonly action: FindingAction
  /** What is put in place of texts with something to redact. */
  readonly edits: readonly SegmentEdit[]
}

/** Judges every text by its verdict. @param byteStrings whether the texts hold bytes */
export function judgeTexts(
  segments: readonly Segment[],
  { verdicts, complete }: ScanResult,
  inspection: Inspection,
  direction: 'request' | 'response',
  byteStrings = false,
): Judgement {
  const all: Decided[] = []
  const edits: SegmentEdit[] = []
  let breaks = false
  for (let at = 0; at < segments.length; at++) {
    const segment = segments[at]
    const verdict = verdicts[at]
    if (!segment || !verdict || verdict.length === 0) continue
    const read = byteStrings ? decodeSegment(segment) : segment
    const decided = decide(verdict, { ...read, whole: true }, inspection, direction)
    all.push(...decided)
    const redacted = toRedact(decided)
    if (redacted.length === 0) continue
    const text = redactCall(read, redacted)
    if (text === null) breaks = true
    else edits.push({ segment: read, text })
  }
  const action = strongest(all)
  // More than can be told one by one cannot be taken out one by one.
  const cannot = breaks || (edits.length > 0 && !complete)
  return { decided: all, action: action === 'redact' && cannot ? 'block' : action, edits }
}

/** A text without its findings; `null` if it was a tool's arguments, as JSON, and would be JSON no more. */
export function redactCall(
  { source, text }: Pick<Segment, 'source' | 'text'>,
  findings: readonly Finding[],
): string | null {
  const redacted = redactText(text, findings)
  return source === 'tool_call' && isJson(text) && !isJson(redacted) ? null : redacted
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
