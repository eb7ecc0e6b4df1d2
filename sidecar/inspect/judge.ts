import type { FindingAction, Segment } from '@agentcostcontrol/contract'
import { redactText } from '@agentcostcontrol/detectors'
import { decodeSegment } from '../providers/byte-strings.ts'
import { type Decided, decide, strongest, toRedact } from './decide.ts'
import type { Inspection } from './inspection.ts'
import type { PlacedEdit } from './restore/repeats.ts'
import { writerFor } from './restore/writer.ts'
import type { ScanResult } from './worker.ts'

/** What is to be done about the texts of a request or a plain answer. */
export interface Judgement {
  readonly decided: readonly Decided[]
  /** The strongest action that is enforced; `block` as well where a redaction would break what it is taken out of. */
  readonly action: FindingAction
  /** What is put in place of texts with something to redact. */
  readonly edits: readonly PlacedEdit[]
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
  const edits: PlacedEdit[] = []
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
    const writer = writerFor(read, redacted, inspection.placeholderOf)
    if (writer === null) breaks = true
    else edits.push({ at, segment: read, text: redactText(read.text, redacted, writer) })
  }
  const action = strongest(all)
  // More than can be told one by one cannot be taken out one by one.
  const cannot = breaks || (edits.length > 0 && !complete)
  return { decided: all, action: action === 'redact' && cannot ? 'block' : action, edits }
}
