import type { EventFinding, Finding } from '@agentcostcontrol/contract'
import { mergeFindings, type PlaceholderOf } from '@agentcostcontrol/detectors'
import type { EventData } from '../providers/framing.ts'
import type { EndedCall, TextPiece } from '../providers/provider.ts'
import { type Decided, decide, type JudgedText, ruleIds, stoppingRules, stops, toRedact } from './decide.ts'
import { detectAll } from './detect.ts'
import { EventFindings } from './event-findings.ts'
import { type HeldEvent, type HeldPiece, redactHeld, renderEvent } from './held-event.ts'
import type { TurnInspection } from './inspection.ts'
import { writerFor } from './restore/writer.ts'

/**
 * The window of a streamed answer. Text of each channel is followed by itself; an event is released when everything in
 * it is settled, in order. What could still become a finding is held, within the detectors' bound; what a tool is called
 * with is held until it is complete.
 */

/** Characters of settled text that stay in front, so that a rule can look at what precedes a match. */
const CONTEXT_CHARS = 64
/** Longest text that a tool is called with, and that is judged as it passes. */
const CALL_CHARS_MAX = 128 * 1_024
/** Most bytes of events that wait together. */
const HELD_BYTES_MAX = 4 * 1_024 * 1_024
/** Beyond so many channels, or twice those that are open, those go in which nothing is, and the context in front. */
const CHANNELS_MAX = 512
/** What is kept of a longer text is copied out of it, so that the text itself can go. */
const COPIED_FROM_CHARS = 4_096

interface Channel {
  /** Text from `start` on: some settled context, then what is open. */
  text: string
  /** Offset of `text` in the channel. */
  start: number
  /** Everything before this offset of the channel is settled. */
  settled: number
  /** Its text must not be changed. */
  readonly sealed: boolean
  readonly isCall: boolean
}

const isOpenCall = ({ isCall, start, settled, text }: Channel): boolean => isCall && settled < start + text.length

const isTooLong = ({ isCall, text }: Channel): boolean => isCall && text.length > CALL_CHARS_MAX

/** How often each rule has found something. */
function countsOf(findings: readonly Finding[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { ruleId } of findings) counts.set(ruleId, (counts.get(ruleId) ?? 0) + 1)
  return counts
}

/** The end of a text by itself: as a part of the text it would keep all of it in memory. */
const copyOf = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')

function settleWhole(channel: Channel): void {
  channel.start += channel.text.length
  channel.settled = channel.start
  channel.text = ''
}

/** What a push gives: events to release now, or the end. `full`: a call is too long to be held. */
export type WindowResult =
  | { readonly kind: 'release'; readonly events: readonly Buffer[] }
  | { readonly kind: 'cut'; readonly events: readonly Buffer[]; readonly rules: readonly string[] }
  | { readonly kind: 'full'; readonly events: readonly Buffer[] }

/** Follows one stream. */
export class StreamWindow {
  readonly #inspection: TurnInspection
  readonly #channels = new Map<string, Channel>()
  #held: HeldEvent<Channel>[] = []
  #heldBytes = 0
  #channelsMax = CHANNELS_MAX
  readonly #found: EventFindings

  constructor(inspection: TurnInspection) {
    this.#inspection = inspection
    this.#found = new EventFindings(inspection)
  }

  /** What was found so far. */
  get findings(): readonly EventFinding[] {
    return this.#found.entries('response', null)
  }

  /** Takes an event and what was read of it; `data` is `null` for an event without any. */
  push(
    bytes: Buffer,
    data: EventData | null,
    pieces: readonly TextPiece[],
    calls: readonly EndedCall[] = [],
  ): WindowResult {
    const held: HeldPiece<Channel>[] = []
    for (const piece of pieces) {
      const channel = this.#channel(piece)
      const start = channel.start + channel.text.length
      channel.text += piece.text
      held.push({ channel, path: piece.path, start, end: start + piece.text.length, text: piece.text, edited: false })
    }
    this.#held.push({ bytes, data, pieces: held })
    this.#heldBytes += bytes.length
    const { holdsResponses, onOverload } = this.#inspection.security
    const isFull =
      held.some(({ channel }) => isTooLong(channel)) || calls.some(({ text }) => (text?.length ?? 0) > CALL_CHARS_MAX)
    if (isFull && holdsResponses && onOverload === 'closed') return { kind: 'full', events: [] }
    for (const { channel: name, text, isCall } of pieces) {
      const cut = isCall ? null : this.#judgeTurn(this.#inspection.turn?.text(name, text), text)
      if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    }
    for (const { channel } of held) {
      // What is too long to be held is judged part by part.
      const cut = channel.isCall
        ? isTooLong(channel)
          ? this.#judgeCalls(null, [channel])
          : null
        : this.#settle(channel, false)
      if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    }
    for (const call of calls) {
      const cut = this.#endCall(call)
      if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    }
    const events = this.#releasable()
    if (this.#heldBytes <= HELD_BYTES_MAX || !holdsResponses) return { kind: 'release', events }
    if (onOverload === 'closed') return { kind: 'full', events }
    // What waits behind calls that do not end goes on, and they with it as far as they came.
    const cut = this.#judgeCalls(null, [...this.#channels.values()].filter(isOpenCall))
    return cut ? { kind: 'cut', events, rules: cut } : { kind: 'release', events: [...events, ...this.#releasable()] }
  }

  /** The stream is over: nothing is open any more. */
  flush(): WindowResult {
    for (const [name, channel] of this.#channels) {
      const cut = channel.isCall
        ? this.#endCall({ tool: null, channels: [name], text: null })
        : this.#settle(channel, true)
      if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    }
    const cut = this.#judgeTurn(this.#inspection.turn?.end(), '')
    if (cut) return { kind: 'cut', events: this.#releasable(), rules: cut }
    return { kind: 'release', events: this.#releasable() }
  }

  #channel({ channel: name, sealed, isCall }: TextPiece): Channel {
    let channel = this.#channels.get(name)
    if (!channel) {
      if (this.#channels.size >= this.#channelsMax) this.#letGo()
      channel = { text: '', start: 0, settled: 0, sealed: sealed === true, isCall: isCall === true }
      this.#channels.set(name, channel)
      if (!channel.isCall) this.#inspection.judged.response_stream.assistant++
    }
    return channel
  }

  /** Forgets the channels in which nothing is open: what follows in one begins it anew. */
  #letGo(): void {
    for (const [name, { text, start, settled }] of this.#channels)
      if (settled === start + text.length) this.#channels.delete(name)
    this.#channelsMax = Math.max(CHANNELS_MAX, 2 * this.#channels.size)
  }

  /** Judges what is settled by now; the rules if it must be cut, else `null`. */
  #settle(channel: Channel, ended: boolean): readonly string[] | null {
    const { text, sealed } = channel
    const detectors = this.#inspection.set.bySource.assistant
    let open = text.length
    if (!ended) for (const detector of detectors) open = Math.min(open, detector.openFrom(text))
    const settled = Math.max(channel.settled, channel.start + open)
    const fresh = detectAll(detectors, { source: 'assistant', text })
      // What begins where the kept context was cut off may only look as if it began there.
      .filter(
        ({ start, end }) =>
          (start > 0 || channel.start === 0) && channel.start + end > channel.settled && channel.start + end <= settled,
      )
    channel.settled = settled
    const rules = ruleIds(this.#judge(fresh, { source: 'assistant', text, whole: false, sealed }, channel), stops)
    if (rules.length > 0) return rules
    const keepFrom = Math.max(0, settled - channel.start - CONTEXT_CHARS)
    if (keepFrom > 0) {
      channel.text = keepFrom < COPIED_FROM_CHARS ? text.slice(keepFrom) : copyOf(text.slice(keepFrom))
      channel.start += keepFrom
    }
    return null
  }

  /** Judges what the session finds in a text that passes: as nothing of it is held, it can be cut and not taken out. */
  #judgeTurn(findings: readonly Finding[] = [], text: string): readonly string[] | null {
    const passing: JudgedText = { source: 'assistant', text, whole: false, sealed: true }
    const decided = decide(findings, passing, this.#inspection, 'response')
    this.#found.add(decided)
    const rules = ruleIds(decided, stops)
    return rules.length > 0 ? rules : null
  }

  /** What is found in a call. */
  #inCall(text: JudgedText): readonly Finding[] {
    const { set, turn } = this.#inspection
    const found = detectAll(set.bySource.tool_call, text)
    return turn === null ? found : [...found, ...turn.call(text)]
  }

  /** Judges findings of a channel's text, and takes out of it what is not to pass. */
  #judge(findings: readonly Finding[], text: JudgedText, channel: Channel): readonly Decided[] {
    const decided = decide(findings, text, this.#inspection, 'response')
    this.#found.add(decided)
    const enforced = decided.filter((one) => one.enforced && (one.action === 'redact' || stops(one.action)))
    const taken = enforced.map(({ finding }) => finding)
    this.#takeOut(channel, taken, channel.isCall ? this.#writer(text, taken) : null)
    return decided
  }

  /** What writes the placeholders of a call; `null` where they would break its JSON. */
  #writer(text: JudgedText, findings: readonly Finding[]): PlaceholderOf | null {
    return findings.length === 0 ? null : writerFor(text, findings, this.#inspection.placeholderOf)
  }

  #takeOut(channel: Channel, findings: readonly Finding[], writer: PlaceholderOf | null): void {
    const placeholderOf = writer ?? this.#inspection.placeholderOf
    const edits = mergeFindings(findings).map((finding) => {
      const { start, end } = finding
      const text = placeholderOf(finding, channel.text.slice(start, end), start)
      return { start: channel.start + start, end: channel.start + end, text }
    })
    redactHeld(this.#held, channel, edits)
  }

  /** Judges a call that is complete, whole, and lets it go; the rules if it must be cut, else `null`. */
  #endCall({ tool, channels, text }: EndedCall): readonly string[] | null {
    const known = channels.flatMap((name) => this.#channels.get(name) ?? [])
    const fresh = known.filter(({ settled, start, text: seen }) => settled < start + seen.length)
    if (fresh.length === 0) return null
    if (text === null) return this.#judgeCalls(tool, fresh)
    const cut = this.#judgeWhole(tool, text, fresh)
    if (cut === null) fresh.forEach(settleWhole)
    return cut
  }

  /** Judges the text of each channel, and lets it go. */
  #judgeCalls(tool: string | null, channels: readonly Channel[]): readonly string[] | null {
    for (const channel of channels) {
      const text = this.#callText(tool, channel.text)
      const decided = this.#judge(this.#inCall(text), text, channel)
      const redacted = toRedact(decided)
      const breaks = redacted.length > 0 && this.#writer(text, redacted) === null
      if (breaks || decided.some(({ action, enforced }) => enforced && stops(action))) return stoppingRules(decided)
      settleWhole(channel)
    }
    return null
  }

  /** A call whose strings came one by one: judged as one text, and redacted string by string. */
  #judgeWhole(tool: string | null, whole: string, channels: readonly Channel[]): readonly string[] | null {
    const { set } = this.#inspection
    const text = this.#callText(tool, whole)
    const decided = decide(this.#inCall(text), text, this.#inspection, 'response')
    this.#found.add(decided)
    const rules = ruleIds(decided, stops)
    if (rules.length > 0) return rules
    // An escape of the JSON may hide in the whole what its string shows.
    const inParts = channels.flatMap((channel) => {
      const part = { ...text, text: channel.text }
      const found = decide(detectAll(set.bySource.tool_call, part), part, this.#inspection, 'response')
      this.#takeOut(channel, toRedact(found), null)
      return found
    })
    const missed = countsOf(toRedact(decided))
    for (const { ruleId } of toRedact(inParts)) missed.set(ruleId, (missed.get(ruleId) ?? 0) - 1)
    const unknown = inParts.filter(({ finding }) => !decided.some((one) => one.finding.ruleId === finding.ruleId))
    this.#found.add(unknown)
    const partRules = ruleIds(unknown, stops)
    if (partRules.length > 0) return partRules
    // What shows in the whole alone cannot be taken out of a part.
    return [...missed.values()].some((count) => count > 0) ? ruleIds(decided, (action) => action === 'redact') : null
  }

  #callText(tool: string | null, text: string): JudgedText {
    this.#inspection.judged.response_stream.tool_call++
    return { source: 'tool_call', text, whole: true, ...(tool === null ? {} : { tool }) }
  }

  #releasable(): readonly Buffer[] {
    let count = 0
    for (const event of this.#held) {
      if (this.#inspection.security.holdsResponses && event.pieces.some(({ channel, end }) => end > channel.settled))
        break
      count++
    }
    if (count === 0) return []
    const leaving = this.#held.slice(0, count)
    for (const { bytes } of leaving) this.#heldBytes -= bytes.length
    const released = leaving.map(renderEvent)
    this.#held = count === this.#held.length ? [] : this.#held.slice(count)
    return released
  }
}
