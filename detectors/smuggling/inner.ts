/** What other detectors say of a text that was decoded, told in offsets of what it was decoded from. */
import type { DetectorId, Finding, SegmentSource, Severity } from '@agentcostcontrol/contract'
import type { Detector, DetectorContext } from '../types.ts'
import { lastNotAbove, type Piece } from './decoded.ts'
import { isHidden } from './rules.ts'

/** A finding of another detector in something that was decoded. */
export interface Inside {
  readonly by: DetectorId
  readonly severity: Severity
  readonly score: number
  readonly taxonomy: Finding['taxonomy']
  readonly start: number
  readonly end: number
}

/** What stands between pieces that are judged together: the end of a sentence, and of a command. */
const SEPARATOR = '\n.\n'

/** Pieces as one text, since a detector costs most by the text. */
export class Joined {
  readonly text: string
  readonly #pieces: readonly Piece[]
  readonly #starts: number[] = []

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
    let text = ''
    for (const { decoded } of pieces) {
      this.#starts.push(text.length)
      text += decoded.text + SEPARATOR
    }
    this.text = text
  }

  /** The piece that something begins in, and where that stands in what it was decoded from. */
  locate<T extends { readonly start: number; readonly end: number }>(
    inside: T,
  ): { readonly piece: Piece; readonly found: T } | null {
    const at = lastNotAbove(this.#starts, inside.start)
    const piece = this.#pieces[at]
    if (!piece) return null
    const offset = this.#starts[at] ?? 0
    const chars = piece.decoded.text.length
    const first = Math.min(inside.start - offset, chars - 1)
    const from = piece.decoded.startOf(first)
    const to = piece.decoded.endOf(Math.max(first + 1, Math.min(inside.end - offset, chars)))
    // What is written backwards ends where it begins.
    const start = Math.max(piece.start, Math.min(from, to))
    return { piece, found: { ...inside, start, end: Math.min(piece.end, Math.max(from, to, start + 1)) } }
  }
}

/** All that the detectors find in a text, above their own lowest grade. */
export function verdictsOf(inner: readonly Detector[], text: string, context: DetectorContext): readonly Inside[] {
  return inner.flatMap((detector) => {
    // Whoever hides a command means it to be run; the others look at the sources that they know.
    const isCommand = detector.id === 'dangerous-command'
    if (!isCommand && !detector.sources.includes(context.source)) return []
    const scoreMin = lowestGrade(detector, context.source)
    return detector
      .detect(text, isCommand ? SHELL : context)
      .filter(({ score }) => score >= scoreMin)
      .map(({ severity, score, taxonomy, start, end }) => ({ by: detector.id, severity, score, taxonomy, start, end }))
  })
}

const SHELL: DetectorContext = { source: 'tool_call', tool: 'bash' }

function lowestGrade({ grades }: Detector, source: SegmentSource): number {
  return grades === null ? 0 : Math.min(...Object.values(grades[source] ?? {}), Number.POSITIVE_INFINITY)
}

/**
 * How bad something is where it stands: what is hidden is at its worst, a command outside a call is none yet, nor is one in
 * what a call only writes down (`isContent`).
 */
export function severityOf(
  { by, severity }: Inside,
  { way }: Piece,
  { source }: DetectorContext,
  isContent: boolean,
): Severity {
  if (isHidden(way)) return 'critical'
  if (by !== 'dangerous-command') return severity
  if (source === 'tool_call') return isContent ? 'low' : severity
  return severity === 'low' ? 'low' : 'medium'
}
