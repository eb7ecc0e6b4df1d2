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

/** Takes the characters `[start, end)` of a channel out of held events and puts the placeholder where they began. */
export function redactHeld<C>(
  events: readonly HeldEvent<C>[],
  channel: C,
  start: number,
  end: number,
  placeholder: string,
): void {
  let placed = false
  for (const event of events) {
    for (const piece of event.pieces) {
      if (piece.channel !== channel || piece.end <= start || piece.start >= end) continue
      // Offsets hold while the text is as it came; an earlier redaction of the same piece shifted what is behind it.
      const shift = piece.text.length - (piece.end - piece.start)
      const from = Math.max(0, Math.max(start, piece.start) - piece.start + shift)
      const to = Math.min(end, piece.end) - piece.start + shift
      piece.text = piece.text.slice(0, from) + (placed ? '' : placeholder) + piece.text.slice(to)
      piece.edited = true
      placed = true
    }
  }
}

/** The bytes of an event, with the text that its pieces have by now. */
export function renderEvent<C>(event: HeldEvent<C>): Buffer {
  const edited = event.pieces.filter((piece) => piece.edited)
  if (edited.length === 0 || event.data === null) return event.bytes
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
