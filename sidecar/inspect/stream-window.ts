import type { EventFinding } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { EventData } from '../providers/framing.ts'
import { replaceValue, splice } from '../providers/json-edit.ts'
import type { TextPiece } from '../providers/provider.ts'
import { type Decided, decide, ruleIds, toEventFindings } from './decide.ts'
import type { DetectorSet } from './scanner.ts'

/**
 * The window of a streamed answer. Text of each channel is followed by itself; an event is released when everything in
 * it is settled, in order. What could still become a finding is held, within the detectors' bound.
 */

/** Characters of settled text that stay in front, so that a rule can look at what precedes a match. */
const CONTEXT_CHARS = 64

interface Channel {
  /** Text from `start` on: some settled context, then what is open. */
  text: string
  /** Offset of `text` in the channel. */
  start: number
  /** Everything before this offset of the channel is settled. */
  settled: number
  /** Its text must not be changed. */
  readonly sealed: boolean
}

interface HeldPiece {
  readonly channel: Channel
  readonly path: readonly (string | number)[]
  readonly start: number
  readonly end: number
  /** The text as it will be released. */
  text: string
  edited: boolean
}

interface HeldEvent {
  readonly bytes: Buffer
  readonly data: EventData | null
  readonly pieces: readonly HeldPiece[]
}

/** What a push gives: events to release now, or the end. */
export type WindowResult =
  | { readonly kind: 'release'; readonly events: readonly Buffer[] }
  | { readonly kind: 'cut'; readonly events: readonly Buffer[]; readonly rules: readonly string[] }

/** Follows one stream. */
export class StreamWindow {
  readonly #security: CompiledSecurity
  readonly #set: DetectorSet
  readonly #channels = new Map<string, Channel>()
  #held: HeldEvent[] = []
  readonly #decided: Decided[] = []

  constructor(security: CompiledSecurity, set: DetectorSet) {
    this.#security = security
    this.#set = set
  }

  /** What was found so far. */
  get findings(): readonly EventFinding[] {
    return toEventFindings(this.#decided, 'response')
  }

  /** Takes an event and what was read of it; `data` is `null` for an event without any. */
  push(bytes: Buffer, data: EventData | null, pieces: readonly TextPiece[]): WindowResult {
    const held: HeldPiece[] = []
    for (const piece of pieces) {
      const channel = this.#channel(piece.channel, piece.sealed === true)
      const start = channel.start + channel.text.length
      channel.text += piece.text
      held.push({ channel, path: piece.path, start, end: start + piece.text.length, text: piece.text, edited: false })
    }
    this.#held.push({ bytes, data, pieces: held })
    for (const { channel } of held) {
      const cut = this.#settle(channel, false)
      if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    }
    return { kind: 'release', events: this.#releasable() }
  }

  /** The stream is over: nothing is open any more. */
  flush(): WindowResult {
    for (const channel of this.#channels.values()) {
      const cut = this.#settle(channel, true)
      if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    }
    return { kind: 'release', events: this.#releasable() }
  }

  #channel(name: string, sealed: boolean): Channel {
    let channel = this.#channels.get(name)
    if (!channel) {
      channel = { text: '', start: 0, settled: 0, sealed }
      this.#channels.set(name, channel)
      this.#set.judged.response_stream.assistant++
    }
    return channel
  }

  /** Judges what is settled by now; the rules if it must be cut, else `null`. */
  #settle(channel: Channel, ended: boolean): readonly string[] | null {
    const { text } = channel
    let open = text.length
    if (!ended) for (const detector of this.#set.detectors) open = Math.min(open, detector.openFrom(text))
    const settled = Math.max(channel.settled, channel.start + open)
    const fresh = this.#set.detectors
      .flatMap((detector) => detector.detect(text, { source: 'assistant' }))
      // What begins where the kept context was cut off may only look as if it began there.
      .filter(
        ({ start, end }) =>
          (start > 0 || channel.start === 0) && channel.start + end > channel.settled && channel.start + end <= settled,
      )
    channel.settled = settled
    if (fresh.length > 0) {
      const decided = decide(fresh, this.#security, 'response', channel.sealed)
      this.#decided.push(...decided)
      const blocking = ruleIds(decided, 'block')
      for (const { finding, action, enforced } of decided) {
        if (!enforced || (action !== 'redact' && action !== 'block')) continue
        this.#redact(
          channel,
          channel.start + finding.start,
          channel.start + finding.end,
          `[REDACTED:${finding.ruleId}]`,
        )
      }
      if (blocking.length > 0) return blocking
    }
    const keepFrom = Math.max(0, settled - channel.start - CONTEXT_CHARS)
    if (keepFrom > 0) {
      channel.text = text.slice(keepFrom)
      channel.start += keepFrom
    }
    return null
  }

  /** Takes the characters `[start, end)` of a channel out of the held events and puts the placeholder where they began. */
  #redact(channel: Channel, start: number, end: number, placeholder: string): void {
    let placed = false
    for (const event of this.#held) {
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

  #releasable(): readonly Buffer[] {
    let count = 0
    for (const event of this.#held) {
      if (this.#security.holdsResponses && event.pieces.some(({ channel, end }) => end > channel.settled)) break
      count++
    }
    if (count === 0) return []
    const released = this.#held.slice(0, count).map(render)
    this.#held = count === this.#held.length ? [] : this.#held.slice(count)
    return released
  }
}

function render(event: HeldEvent): Buffer {
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
