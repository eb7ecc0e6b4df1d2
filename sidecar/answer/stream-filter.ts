import type { EventFinding } from '@agentcostcontrol/contract'
import type { Denial } from '../exchange.ts'
import { blocked } from '../inspect/inspect-request.ts'
import type { Unreadable } from '../inspect/scan-failure.ts'
import { StreamWindow, type WindowResult } from '../inspect/stream-window.ts'
import type { EventData, EventSplitter, Framing } from '../providers/framing.ts'
import { removeMember, splice } from '../providers/json-edit.ts'
import type { StreamReader } from '../providers/provider.ts'
import type { AnswerInspection } from './inspection.ts'
import { unseen } from './unseen.ts'

/** Largest single event of a stream that is held together. */
const EVENT_BYTES_MAX = 8 * 1024 * 1024
const EMPTY_USAGE = ',"usage":null'
const USAGE_KEY = '"usage"'

/** What some servers send to keep a stream alive or to end it, whatever its format. */
const holdsNoText = (data: string): boolean => data.trim() === '' || data === '[DONE]'

/** What comes out of a chunk: bytes for the client, and a refusal if the stream must end here. */
export interface Filtered {
  readonly bytes: readonly Buffer[]
  readonly refusal: Denial | null
}

/**
 * A stream on its way: bytes in, bytes out, reading its usage and its text as they pass. Nothing here waits; what is
 * released does not depend on how the bytes were cut.
 */
export class StreamFilter {
  readonly #reader: StreamReader
  readonly #hidesUsage: boolean
  readonly #inspection: AnswerInspection | null
  readonly #window: StreamWindow | null
  readonly #framing: Framing
  readonly #splitter: EventSplitter
  /** What could not be inspected, by why. */
  readonly #unseen = new Map<Unreadable, EventFinding>()

  constructor(reader: StreamReader, framing: Framing, hidesUsage: boolean, inspection: AnswerInspection | null) {
    this.#framing = framing
    this.#splitter = framing.splitter(EVENT_BYTES_MAX)
    this.#reader = reader
    this.#hidesUsage = hidesUsage
    this.#inspection = inspection
    this.#window = inspection && inspection.set.detectors.length > 0 ? new StreamWindow(inspection) : null
  }

  /** Nothing more comes: what was put off is judged. */
  conclude(): void {
    this.#window?.conclude()
  }

  /** What the window found, and what it could not see. */
  get findings(): readonly EventFinding[] {
    return [...this.#unseen.values(), ...(this.#window?.findings ?? [])]
  }

  /** Follows the policy's choice about a part that cannot be inspected. @returns `null` where the stream goes on */
  passUnseen(reason: Unreadable): Denial | null {
    const { refusal, findings } = unseen(this.#inspection, reason)
    for (const finding of findings)
      this.#unseen.set(reason, { ...finding, count: 1 + (this.#unseen.get(reason)?.count ?? 0) })
    return refusal
  }

  /** @throws RangeError when an event exceeds its bound. */
  push(chunk: Buffer): Filtered {
    return this.#pass(this.#splitter.push(chunk))
  }

  /** The stream is over. */
  flush(): Filtered {
    const rest = this.#splitter.flush()
    const last = rest ? this.#pass([rest]) : { bytes: [], refusal: null }
    const { responseId } = this.#reader.facts()
    if (responseId !== null) this.#inspection?.turn?.identified(responseId)
    if (last.refusal || !this.#window) return last
    const flushed = this.#released(this.#window.flush())
    return { bytes: [...last.bytes, ...flushed.bytes], refusal: flushed.refusal }
  }

  #pass(events: readonly Buffer[]): Filtered {
    const out: Buffer[] = []
    for (const event of events) {
      const data = this.#framing.data(event)
      const facts = data === null ? null : this.#reader.read(data.text)
      if (data !== null && facts === null && this.#inspection && !holdsNoText(data.text)) {
        // As of a plain answer that is not the JSON it says it is.
        const refusal = this.passUnseen('not-json')
        if (refusal) return { bytes: joinAdjacent(out), refusal }
      }
      if (facts?.onlyUsage && this.#hidesUsage) continue
      const [bytes, span] =
        facts?.emptyUsage && this.#hidesUsage && data ? withoutEmptyUsage(event, data) : [event, data]
      if (!this.#window) {
        out.push(bytes)
        continue
      }
      if (facts?.endsText) {
        const before = this.#released(this.#window.flush())
        out.push(...before.bytes)
        if (before.refusal) return { bytes: joinAdjacent(out), refusal: before.refusal }
      }
      const result = this.#released(this.#window.push(bytes, span, facts?.pieces ?? [], facts?.calls))
      out.push(...result.bytes)
      if (result.refusal) return { bytes: joinAdjacent(out), refusal: result.refusal }
    }
    return { bytes: joinAdjacent(out), refusal: null }
  }

  #released(result: WindowResult): Filtered {
    if (result.kind === 'release' || !this.#inspection) return { bytes: result.events, refusal: null }
    if (result.kind === 'full') return { bytes: result.events, refusal: this.passUnseen('too-large') }
    return { bytes: result.events, refusal: blocked(this.#inspection.security, result.rules, []) }
  }
}

/** Takes `"usage":null` out again, which the provider sends in each chunk because the sidecar asked for usage. */
function withoutEmptyUsage(event: Buffer, data: EventData): readonly [Buffer, EventData] {
  if (data.span === null) return [event, data]
  const { start, end } = data.span
  const at = emptyUsageIn(event, data.text, start, end)
  if (at !== null) {
    event.copyWithin(at, at + EMPTY_USAGE.length)
    const bytes = event.subarray(0, event.length - EMPTY_USAGE.length)
    return [bytes, { text: data.text, span: { start, end: end - EMPTY_USAGE.length } }]
  }
  const json = event.subarray(start, end)
  const member = removeMember(json, 'usage')
  if (!member) return [event, data]
  const rest = splice(json, [member])
  const bytes = Buffer.concat([event.subarray(0, start), rest, event.subarray(end)])
  return [bytes, { text: data.text, span: { start, end: start + rest.length } }]
}

/**
 * Where the empty member stands in an event, comma in front, if it is the one key of its name; `null` otherwise. Inside a
 * JSON string its quotes would be escaped, so that key is the member that was read.
 */
function emptyUsageIn(event: Buffer, text: string, start: number, end: number): number | null {
  const key = text.indexOf(USAGE_KEY)
  if (text.indexOf(USAGE_KEY, key + 1) !== -1 || !text.startsWith(EMPTY_USAGE, key - 1)) return null
  // It mostly stands last, where what is in front of it need not be counted in bytes.
  const behind = text.length - key - EMPTY_USAGE.length + 1
  return behind === 1 ? end - 1 - EMPTY_USAGE.length : event.indexOf(EMPTY_USAGE, start)
}

/** Puts neighbours in memory together again, so that an untouched chunk goes out in one write. */
function joinAdjacent(parts: readonly Buffer[]): readonly Buffer[] {
  if (parts.length < 2) return parts
  const out: Buffer[] = []
  for (const part of parts) {
    const last = out[out.length - 1]
    if (last && last.buffer === part.buffer && last.byteOffset + last.length === part.byteOffset) {
      out[out.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + part.length)
    } else out.push(part)
  }
  return out.length < 3 ? out : [Buffer.concat(out)]
}
