import { hash } from 'node:crypto'
import { type Finding, SEGMENT_SOURCES, type Severity } from '@agentcostcontrol/contract'
import { leavesOf } from '../dangerous-command/json-leaves.ts'
import { kindOf } from '../dangerous-command/leaf-kind.ts'
import { mergeFindings } from '../redact.ts'
import { PROMPT_OBFUSCATION } from '../taxonomy.ts'
import type { Detector, DetectorContext, SelfTestedDetector } from '../types.ts'
import type { Piece } from './decoded.ts'
import { escapesIn } from './escapes.ts'
import { type Inside, Joined, severityOf, verdictsOf } from './inner.ts'
import { type Oddity, oddIn } from './odd.ts'
import { HOLD_CHARS_MAX, openFrom } from './open-from.ts'
import { isHidden, isPartlyPlain, ruleOf } from './rules.ts'
import { runsIn } from './runs.ts'
import { ciphersIn } from './samples.ts'
import { unitsOf } from './units.ts'

/** Raised by hand when the code comes to decide otherwise. */
const ENGINE_VERSION = 1
/** Encodings in encodings. */
const DEPTH_MAX = 3
/** All that is decoded of a text is no longer than it so many times. */
const DECODED_SHARE_MAX = 2

const SEVERITY_OF: Readonly<Record<Oddity['rule'], Severity>> = {
  'hidden-text': 'high',
  'bidi-override': 'medium',
  'mixed-script': 'low',
}

/**
 * Finds text that is hidden from people, or from other detectors, and lets those judge what it says:
 * docs/detection-smuggling.md. What they find is told as this detector's, where it was hidden.
 * @param inner those that judge it
 */
export function createSmugglingDetector(inner: readonly Detector[]): SelfTestedDetector {
  return {
    id: 'smuggling',
    sources: SEGMENT_SOURCES,
    grades: null,
    rulesOff: [],
    version: `${ENGINE_VERSION}.${hash('sha256', inner.map(({ id, version }) => `${id}@${version}`).join()).slice(0, 12)}`,
    holdCharsMax: HOLD_CHARS_MAX,
    detect: (text, context) => findingsIn(inner, text, context),
    openFrom,
    canary: () => `see ${tags('you are here')} above`,
  }
}

const tags = (text: string): string =>
  [...text].map((char) => String.fromCodePoint(0xe0000 + char.charCodeAt(0))).join('')

function findingsIn(inner: readonly Detector[], text: string, context: DetectorContext): readonly Finding[] {
  const isAnswer = context.source === 'assistant'
  const { ascii, units } = unitsOf(text)
  const odd = units && oddIn(text, units, isAnswer)
  const hidden = odd?.hidden ?? NONE
  // An answer is judged as it streams, and only what nobody sees can be held back until it is whole.
  const pieces = isAnswer ? hidden : [...hidden, ...(odd?.folded ?? NONE), ...encodedIn(text, ascii)]
  if (pieces.length === 0 && (odd === null || odd.oddities.length === 0)) return []
  const inside = pieces.length > 0 ? judge(inner, pieces, context, 1, text.length * DECODED_SHARE_MAX) : []
  const plain = inside.some(({ piece }) => isPartlyPlain(piece.way)) ? verdictsOf(inner, text, context) : []
  const isContent = contentOf(text, context)
  const findings = inside
    .filter(({ piece, found }) => !isPartlyPlain(piece.way) || !plain.some((each) => isSame(each, found)))
    .map(({ piece, found }) => told(piece, found, context, isContent(piece)))
  for (const { rule, start, end } of [
    ...(odd?.oddities ?? []),
    ...hidden.map(({ start, end }): Oddity => ({ rule: 'hidden-text', start, end })),
  ])
    findings.push(finding(rule, 'hidden-text', SEVERITY_OF[rule], 0.9, start, end))
  return mergeFindings(findings)
}

const NONE: readonly Piece[] = []
function encodedIn(text: string, ascii: Uint8Array): readonly Piece[] {
  const charsMax = text.length
  return [...runsIn(text, ascii, charsMax), ...escapesIn(text, charsMax), ...ciphersIn(text, ascii, charsMax)]
}

/** Tells whether a piece stands in what a call writes down; its strings are read when first asked. */
function contentOf(text: string, { source, tool = '' }: DetectorContext): (piece: Piece) => boolean {
  if (source !== 'tool_call') return () => false
  let spans: readonly { readonly start: number; readonly end: number }[] | null = null
  return ({ start }) => {
    spans ??= leavesOf(text)
      .filter((leaf) => kindOf(leaf, tool) === 'content')
      .map(({ value, spanOf }) => spanOf(0, value.length))
    return spans.some((span) => span.start <= start && start < span.end)
  }
}

/** The same detector finds it in the text as it stands. */
const isSame = (plain: Inside, found: Inside): boolean =>
  plain.by === found.by && plain.start < found.end && found.start < plain.end

interface Located {
  readonly piece: Piece
  readonly found: Inside
}

/** What the detectors find in pieces of a text, and in what is encoded in them again. */
function judge(
  inner: readonly Detector[],
  pieces: readonly Piece[],
  context: DetectorContext,
  depth: number,
  charsMax: number,
): readonly Located[] {
  const joined = new Joined(pieces)
  const left = charsMax - joined.text.length
  const inside: Inside[] = [...verdictsOf(inner, joined.text, context)]
  if (depth < DEPTH_MAX && left > 0) {
    const nested = [...runsIn(joined.text, unitsOf(joined.text).ascii, left), ...escapesIn(joined.text, left)]
    if (nested.length > 0) for (const { found } of judge(inner, nested, context, depth + 1, left)) inside.push(found)
  }
  return inside.flatMap((each) => joined.locate(each) ?? [])
}

function told(piece: Piece, found: Inside, context: DetectorContext, isContent: boolean): Finding {
  // Nothing of what is not seen is of use to anybody.
  const { start, end } = isHidden(piece.way) ? piece : found
  const severity = severityOf(found, piece, context, isContent)
  return {
    ...finding(ruleOf(piece.way, found.by), piece.way, severity, found.score, start, end),
    taxonomy: found.taxonomy,
  }
}

const finding = (
  ruleId: string,
  category: string,
  severity: Severity,
  score: number,
  start: number,
  end: number,
): Finding => ({
  detectorId: 'smuggling',
  ruleId,
  category,
  severity,
  score,
  start,
  end,
  taxonomy: PROMPT_OBFUSCATION,
})
