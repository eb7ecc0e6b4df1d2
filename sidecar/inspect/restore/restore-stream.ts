import type { EventSplitter, Framing } from '../../providers/framing.ts'
import type { EndedCall, StreamReader, TextPiece } from '../../providers/provider.ts'
import { type HeldEvent, type HeldPiece, redactHeld, renderEvent } from '../held-event.ts'
import { PlaceholderReader } from './placeholder-reader.ts'
import type { RedactedValues } from './redacted-values.ts'
import { mayChange } from './restore-answer.ts'
import { isJson } from './writer.ts'

/** Largest single event of a stream that is held together. */
const EVENT_BYTES_MAX = 8 * 1024 * 1024
/** Longest text of a call that is held until it is complete; into a longer one nothing is put back. */
const CALL_CHARS_MAX = 128 * 1_024
/** Most bytes of events that wait together; of more, what waits goes on as it is. */
const HELD_BYTES_MAX = 4 * 1_024 * 1_024
/**
 * So many texts of one answer are followed, and so many of calls; into further ones nothing is put back. One that was let go
 * could be in a link, or in the middle of its JSON.
 */
const TEXTS_MAX = 4_096

interface Channel {
  /** `null` where nothing is put back, or not yet: a call waits until it is complete. */
  readonly text: PlaceholderReader | null
  /** What came of a call that is not complete; `null` where nothing is put into it, as of one of which a part went on. */
  call: string | null
  /** Characters that came. */
  length: number
  settled: number
}

/**
 * Puts values back into a streamed answer, behind its inspection: bytes in, bytes out. An event waits only while its
 * text could still become a placeholder of the request, and a call that may get a value until it is complete.
 */
export class StreamRestorer {
  readonly #values: RedactedValues
  readonly #reader: StreamReader
  readonly #framing: Framing
  readonly #splitter: EventSplitter
  readonly #callsWait: boolean
  readonly #channels = new Map<string, Channel>()
  #texts = 0
  #calls = 0
  #held: HeldEvent<Channel>[] = []
  #heldBytes = 0

  /** @param reader one of its own: it reads what goes to the client */
  constructor(values: RedactedValues, reader: StreamReader, framing: Framing) {
    this.#values = values
    this.#reader = reader
    this.#framing = framing
    this.#splitter = framing.splitter(EVENT_BYTES_MAX)
    this.#callsWait = values.reachesTools
  }

  /** @throws RangeError when an event exceeds its bound. */
  push(chunk: Buffer): readonly Buffer[] {
    return this.#splitter.push(chunk).flatMap((event) => this.#take(event))
  }

  /** The stream is over, or cut: what waits goes on. */
  flush(): readonly Buffer[] {
    const rest = this.#splitter.flush()
    const last = rest === null ? [] : this.#take(rest)
    this.#settleAll()
    return [...last, ...this.#release()]
  }

  #take(event: Buffer): readonly Buffer[] {
    const data = this.#framing.data(event)
    const read = data === null ? null : this.#reader.read(data.text)
    // Clients stop reading at it.
    if (read?.endsText) this.#settleAll()
    const pieces = read?.pieces.map((piece) => this.#place(piece)) ?? []
    this.#held.push({ bytes: event, data, pieces })
    this.#heldBytes += event.length
    for (const { channel, text } of pieces) this.#follow(channel, text)
    for (const call of read?.calls ?? []) this.#endCall(call)
    if (this.#heldBytes > HELD_BYTES_MAX) this.#settleAll()
    return this.#release()
  }

  #place(piece: TextPiece): HeldPiece<Channel> {
    const channel = this.#channel(piece)
    const start = channel.length
    channel.length += piece.text.length
    return { channel, path: piece.path, start, end: channel.length, text: piece.text, edited: false }
  }

  #channel(piece: TextPiece): Channel {
    const known = this.#channels.get(piece.channel)
    if (known) return known
    const isCall = piece.isCall === true && this.#callsWait && this.#calls < TEXTS_MAX
    const isText = piece.isCall !== true && mayChange(piece) && !namesTool(piece.path)
    const isFollowed = isText && this.#texts < TEXTS_MAX
    const text = isFollowed ? new PlaceholderReader(this.#values) : null
    const channel: Channel = { text, call: isCall ? '' : null, length: 0, settled: 0 }
    if (isFollowed) this.#texts++
    if (isCall) this.#calls++
    // Of others nothing has to be known again.
    if (isFollowed || isCall) this.#channels.set(piece.channel, channel)
    return channel
  }

  #follow(channel: Channel, piece: string): void {
    if (channel.text !== null) this.#putBack(channel, channel.text, piece, false)
    else if (channel.call === null || channel.length > CALL_CHARS_MAX) passOn(channel)
    else channel.call += piece
  }

  #putBack(channel: Channel, reader: PlaceholderReader, piece: string, ended: boolean): void {
    const edits = reader.push(piece, ended).map(({ start, end, value }) => ({ start, end, text: value }))
    redactHeld(this.#held, channel, edits)
    channel.settled = reader.settled
  }

  #endCall({ tool, channels }: EndedCall): void {
    for (const name of channels) {
      const channel = this.#channels.get(name)
      if (!channel || channel.call === null) continue
      const reader = new PlaceholderReader(this.#values, { tool, isJson: isJson(channel.call) })
      this.#putBack(channel, reader, channel.call, true)
      passOn(channel)
    }
  }

  #settleAll(): void {
    for (const channel of this.#channels.values()) {
      if (channel.text !== null) this.#putBack(channel, channel.text, '', true)
      passOn(channel)
    }
  }

  #release(): readonly Buffer[] {
    let count = 0
    for (const { pieces } of this.#held) {
      if (pieces.some(({ channel, end }) => end > channel.settled)) break
      count++
    }
    const leaving = this.#held.splice(0, count)
    for (const { bytes } of leaving) this.#heldBytes -= bytes.length
    return leaving.map(renderEvent)
  }
}

/** What came goes on. Nothing is put into the rest of a call: by itself it is not the JSON that it is a part of. */
function passOn(channel: Channel): void {
  channel.call = null
  channel.settled = channel.length
}

/** The name of what is called is no text of the answer. */
const namesTool = (path: TextPiece['path']): boolean => path.at(-1) === 'name'
