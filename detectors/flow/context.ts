/** How a value stands in its text. */

/** Characters around a value in which a cue speaks of it. */
const CUE_BEFORE_CHARS = 400
const CUE_BEHIND_CHARS = 200

/** Whether a cue stands near a span. @param cues offsets, ascending */
export function isCued(cues: readonly number[], start: number, end: number): boolean {
  let low = 0
  let high = cues.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cues[middle] ?? 0) < start - CUE_BEFORE_CHARS) low = middle + 1
    else high = middle
  }
  const cue = cues[low]
  return cue !== undefined && cue <= end + CUE_BEHIND_CHARS
}

/** Whether a span is all that a field holds (quoted, in a cell, behind a label), and not a word of a sentence. */
export function isField(text: string, start: number, end: number): boolean {
  let before = start - 1
  while (before >= 0 && text.charCodeAt(before) === 32) before--
  let behind = end
  while (behind < text.length && text.charCodeAt(behind) === 32) behind++
  return (
    (before < 0 || FIELD_BEFORE.has(text.charAt(before))) &&
    (behind >= text.length || FIELD_BEHIND.has(text.charAt(behind)))
  )
}

const FIELD_BEFORE = new Set(['"', "'", ':', '=', '<', '>', '|', ',', '[', '\n', '\t', '-'])
const FIELD_BEHIND = new Set(['"', "'", ',', '<', '>', '|', ']', '}', '\n', '\t', '\\', ';'])

const NEAR_BEFORE_CHARS = 100
const NEAR_BEHIND_CHARS = 40

/** Where the stretch of the same line or record around a span begins and ends: there stands the name of whose value it is. */
export function nearby(text: string, start: number, end: number): readonly [from: number, to: number] {
  let from = start
  const least = Math.max(0, start - NEAR_BEFORE_CHARS)
  while (from > least && !isRecordEnd(text.charCodeAt(from - 1))) from--
  let to = end
  const most = Math.min(text.length, end + NEAR_BEHIND_CHARS)
  while (to < most && !isRecordEnd(text.charCodeAt(to))) to++
  return [from, to]
}

/** A line's end, or a record's in JSON. */
const isRecordEnd = (code: number): boolean => code === 10 || code === 123 || code === 125
