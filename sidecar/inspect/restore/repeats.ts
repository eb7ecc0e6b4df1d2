import type { Segment } from '@agentcostcontrol/contract'
import { decodeSegment } from '../../providers/byte-strings.ts'
import type { SegmentEdit } from '../../providers/provider.ts'
import { inJson } from './placeholder-reader.ts'
import type { RedactedValues } from './redacted-values.ts'
import { createValueFinder, type FindValues } from './value-finder.ts'
import { isJson, numbersIn } from './writer.ts'

/** An edit, and where its segment stands among all. */
export interface PlacedEdit extends SegmentEdit {
  readonly at: number
}

/** Characters that are searched, from the end of the conversation: some 3 ms. */
const SEARCHED_CHARS_MAX = 524_288

/**
 * Also takes values out where no detector sees them: what was put back into an answer comes again in the next turn,
 * among other words than those it was found by. System prompts and definitions hold nothing that was put back.
 * @param edits those of what was found, ascending
 * @throws if what a tool was called with would be JSON no more
 */
export function withRepeats(
  segments: readonly Segment[],
  edits: readonly PlacedEdit[],
  values: RedactedValues,
  byteStrings: boolean,
): readonly SegmentEdit[] {
  const find = finderOf(values)
  if (find === null) return edits
  const all: SegmentEdit[] = []
  let left = SEARCHED_CHARS_MAX
  let last = edits.length - 1
  for (let at = segments.length - 1; at >= 0; at--) {
    const segment = segments[at]
    const edit = edits[last]?.at === at ? edits[last--] : undefined
    if (!segment) continue
    if (left <= 0 || !mayRepeat(segment)) {
      if (edit) all.push(edit)
      continue
    }
    left -= segment.text.length
    const known = edit ?? asItIs(byteStrings ? decodeSegment(segment) : segment)
    const text = without(known, find)
    if (edit || text !== known.text) all.push({ segment: known.segment, text })
  }
  return all.reverse()
}

const asItIs = (segment: Segment): SegmentEdit => ({ segment, text: segment.text })

const mayRepeat = ({ source, sealed }: Segment): boolean =>
  source !== 'system' && source !== 'tool_definition' && sealed !== true

function finderOf(values: RedactedValues): FindValues | null {
  const placeholders = new Map<string, string>()
  for (const [placeholder, value] of values.entries()) {
    placeholders.set(value, placeholder)
    placeholders.set(inJson(value), placeholder)
  }
  return createValueFinder(placeholders)
}

function without({ segment, text }: SegmentEdit, find: FindValues): string {
  const replaced = replacedIn(text, find, NO_NUMBERS)
  if (replaced === text || !isJson(text) || isJson(replaced)) return replaced
  const quoted = replacedIn(text, find, numbersIn(text))
  if (isJson(quoted)) return quoted
  if (segment.source === 'tool_call') throw new Error('a value cannot be taken out of the JSON of a call')
  return replaced
}

const NO_NUMBERS: ReadonlySet<number> = new Set()

/** @param numbers where a placeholder must be made a string */
function replacedIn(text: string, find: FindValues, numbers: ReadonlySet<number>): string {
  let replaced = ''
  let at = 0
  find(text, (start, end, placeholder) => {
    replaced += text.slice(at, start) + (numbers.has(start) ? `"${placeholder}"` : placeholder)
    at = end
  })
  return at === 0 ? text : replaced + text.slice(at)
}
