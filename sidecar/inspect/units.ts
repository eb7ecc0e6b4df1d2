import type { Segment } from '@agentcostcontrol/contract'
import { VerdictCache, type VerdictKey } from './verdict-cache.ts'

/** Segments that are judged and remembered together: a long one alone, or short ones in a row. */
export interface Unit {
  /** Where they stand among all segments of a request or an answer. */
  readonly at: readonly number[]
  readonly chars: number
}

/** Below this length scanning a text costs less than hashing it. */
const HASH_CHARS_MIN = 512
/** Short segments are gathered until they are so long together: of a conversation that grows only the last row is new. */
const ROW_CHARS = 2_048

/**
 * Splits segments into units from the front, so that a conversation that grew has the same units as before and new ones
 * behind them. Definitions of tools are rows of their own, since the conversation grows in front of them.
 */
export function unitsOf(segments: readonly Segment[]): readonly Unit[] {
  const units: Unit[] = []
  let row: number[] = []
  let rowChars = 0
  let ofTools = false
  const endRow = (): void => {
    if (row.length > 0) units.push({ at: row, chars: rowChars })
    row = []
    rowChars = 0
  }
  for (let at = 0; at < segments.length; at++) {
    const segment = segments[at]
    if (!segment) continue
    const chars = segment.text.length
    if (chars >= HASH_CHARS_MIN) {
      units.push({ at: [at], chars })
      continue
    }
    const isTool = segment.source === 'tool_definition'
    if (isTool !== ofTools || rowChars >= ROW_CHARS) endRow()
    ofTools = isTool
    row.push(at)
    rowChars += chars
  }
  endRow()
  return units
}

/** Where the verdicts of a unit are kept within a scope; `null` for nowhere. */
export function keyOf({ at, chars }: Unit, segments: readonly Segment[], scope: string): VerdictKey | null {
  if (chars < HASH_CHARS_MIN) return null
  const [first = 0] = at
  const only = at.length === 1 ? segments[first] : undefined
  if (only && only.tool === undefined && !only.decoded) return VerdictCache.key(only.text, `${only.source} ${scope}`)
  // With its length before each text, no other texts read the same.
  let text = ''
  for (const index of at) {
    const segment = segments[index]
    if (segment) text += `${segment.source}${marked(segment)} ${named(segment)}${segment.text.length} ${segment.text}`
  }
  return VerdictCache.key(text, scope)
}

/** Where strings hold bytes a decoded file holds characters: the same string is another text then. */
const marked = ({ decoded }: Segment): string => (decoded ? '*' : '')
const named = ({ tool }: Segment): string => (tool === undefined ? '' : `${tool.length}:${tool} `)
