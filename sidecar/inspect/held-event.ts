import type { EventData } from '../providers/framing.ts'
import { replaceValue, splice } from '../providers/json-edit.ts'

/** A piece of text of an event that is held; offsets are in its channel. */
export interface HeldPiece<C> {
  readonly channel: C
  readonly path: readonly (string | number)[]
  readonly start: number
  readonly end: number
  /** The text as it will be released. */
  text: string
  edited: boolean
}

/** An event of a stream that is held. */
export interface HeldEvent<C> {
  readonly bytes: Buffer
  readonly data: EventData | null
  readonly pieces: readonly HeldPiece<C>[]
}

/** What is put in place of the characters `[start, end)` of a channel. */
export interface HeldEdit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * Makes edits of a channel in held events, each where its characters begin.
 * @param edits ascending and not overlapping, and behind all that were made before
 */
export function redactHeld<C>(events: readonly HeldEvent<C>[], channel: C, edits: readonly HeldEdit[]): void {
  const [first] = edits
  if (!first) return
  // Edits whose text stands in a piece, and those that are over.
  let placed = 0
  let over = 0
  for (let at = eventOf(events, channel, first.start); at < events.length && over < edits.length; at++) {
    for (const piece of events[at]?.pieces ?? []) {
      if (piece.channel !== channel) continue
      while ((edits[over]?.end ?? piece.end) <= piece.start && over < edits.length) over++
      placed = Math.max(placed, editPiece(piece, edits, over, placed))
    }
  }
}

/** From where on a channel's text is held: mostly near the end. */
function eventOf<C>(events: readonly HeldEvent<C>[], channel: C, start: number): number {
  return Math.max(
    0,
    events.findLastIndex(({ pieces }) => pieces.some((piece) => piece.channel === channel && piece.start <= start)),
  )
}

/** @returns how many edits have their text in a piece by now */
function editPiece<C>(piece: HeldPiece<C>, edits: readonly HeldEdit[], from: number, placed: number): number {
  // Offsets hold while the text is as it came; an earlier edit of the same piece shifted what is behind it.
  const shift = piece.text.length - piece.end
  let text = ''
  let kept = 0
  let at = from
  for (let edit = edits[at]; edit && edit.start < piece.end; edit = edits[++at]) {
    text += piece.text.slice(kept, Math.max(kept, Math.max(edit.start, piece.start) + shift))
    if (at >= placed) text += edit.text
    kept = Math.max(kept, Math.min(edit.end, piece.end) + shift)
  }
  if (at === from) return placed
  piece.text = text + piece.text.slice(kept)
  piece.edited = true
  return at
}

const isEdited = ({ edited }: { readonly edited: boolean }): boolean => edited

/** The bytes of an event, with the text that its pieces have by now. */
export function renderEvent<C>(event: HeldEvent<C>): Buffer {
  if (event.data === null || !event.pieces.some(isEdited)) return event.bytes
  const edited = event.pieces.filter(isEdited)
  // JSON spread over several data lines has its line breaks between tokens: it is put on one line.
  const { span, text } = event.data
  const json = span ? event.bytes.subarray(span.start, span.end) : Buffer.from(text.replaceAll('\n', ' '))
  const changed = splice(
    json,
    edited.map((piece) => replaceValue(json, piece.path, JSON.stringify(piece.text))),
  )
  if (!span) {
    const others = event.bytes
      .toString()
      .split(/\r?\n/)
      .filter((line) => line !== '' && !line.startsWith('data'))
    return Buffer.from(`${[...others, `data: ${changed}`].join('\n')}\n\n`)
  }
  return Buffer.concat([event.bytes.subarray(0, span.start), changed, event.bytes.subarray(span.end)])
}
