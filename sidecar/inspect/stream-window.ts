import type { EventFinding, Finding } from '@agentcostcontrol/contract'
import { type Detector, mergeFindings, type PlaceholderOf } from '@agentcostcontrol/detectors'
import type { CompiledDetectorPolicy } from '@agentcostcontrol/policy'
import type { EventData } from '../providers/framing.ts'
import type { EndedCall, TextPiece } from '../providers/provider.ts'
import { type Decided, decide, type JudgedText, ruleIds, stoppingRules, stops, toRedact } from './decide.ts'
import { detectAll } from './detect.ts'
import { EventFindings } from './event-findings.ts'
import { dropSettled, type FollowedText, followText, settleText, settleWhole } from './followed-text.ts'
import { type HeldEvent, type HeldPiece, redactHeld, renderEvent } from './held-event.ts'
import type { TurnInspection } from './inspection.ts'
import { writerFor } from './restore/writer.ts'
import { type ToldText, ToldTexts } from './told-texts.ts'

/**
 * The window of a streamed answer. Text of each channel is followed by itself; an event is released when everything in
 * it is settled, in order. What could still become a finding is held, within the detectors' bound; what a tool is called
 * with is held until it is complete.
 */

/** Longest text that a tool is called with, and that is judged as it passes. */
const CALL_CHARS_MAX = 128 * 1_024
/** Most bytes of events that wait together. */
const HELD_BYTES_MAX = 4 * 1_024 * 1_024
/** Beyond so many channels, or twice those that are open, those go in which nothing is, and the context in front. */
const CHANNELS_MAX = 512
interface Channel extends FollowedText {
  /** The same text for those detectors whose findings are only recorded. */
  readonly told: ToldText | null
  /** Its text must not be changed. */
  readonly sealed: boolean
  readonly isCall: boolean
}

const isOpenCall = ({ isCall, start, settled, text }: Channel): boolean => isCall && settled < start + text.length

const isTooLong = ({ isCall, text }: Channel): boolean => isCall && text.length > CALL_CHARS_MAX

/** Whether what a detector finds in an answer may change or end it. */
const mayHold = (settings: CompiledDetectorPolicy | undefined): boolean =>
  settings?.mode === 'enforce' &&
  Object.values(settings.response).some((action) => action === 'redact' || stops(action))

/** How often each rule has found something. */
function countsOf(findings: readonly Finding[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { ruleId } of findings) counts.set(ruleId, (counts.get(ruleId) ?? 0) + 1)
  return counts
}

/** What a push gives: events to release now, or the end. `full`: a call is too long to be held. */
export type WindowResult =
  | { readonly kind: 'release'; readonly events: readonly Buffer[] }
  | { readonly kind: 'cut'; readonly events: readonly Buffer[]; readonly rules: readonly string[] }
  | { readonly kind: 'full'; readonly events: readonly Buffer[] }

/** Follows one stream. */
export class StreamWindow {
  readonly #inspection: TurnInspection
  /** Those whose findings may change or end the answer: what they hold open is held. */
  readonly #holding: readonly Detector[]
  readonly #told: ToldTexts
  readonly #channels = new Map<string, Channel>()
  #held: HeldEvent<Channel>[] = []
  #heldBytes = 0
  #channelsMax = CHANNELS_MAX
  readonly #found: EventFindings

  constructor(inspection: TurnInspection) {
    this.#inspection = inspection
    const { security, set } = inspection
    const { assistant } = set.bySource
    this.#holding = assistant.filter(({ id }) => mayHold(security.byDetector.get(id)))
    this.#found = new EventFindings(inspection)
    this.#told = new ToldTexts(
      assistant.filter((detector) => !this.#holding.includes(detector)),
      (findings, text) => {
        this.#found.add(decide(findings, { source: 'assistant', text, whole: false }, inspection, 'response'))
      },
    )
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
    // Most events without text have nothing to wait for.
    if (pieces.length === 0 && calls.length === 0 && this.#held.length === 0)
      return { kind: 'release', events: [bytes] }
    const held: HeldPiece<Channel>[] = []
    for (const piece of pieces) {
      const channel = this.#channel(piece)
      const start = channel.start + channel.text.length
      channel.text += piece.text
      if (channel.told !== null) this.#told.push(channel.told, piece.text)
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
    this.conclude()
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

  /**
   * Judges what is left of the texts of which findings are only recorded; where nothing is held, and all has gone on, also
   * the calls that are open and what the session says of the whole.
   */
  conclude(): void {
    for (const { told } of this.#channels.values()) if (told !== null) this.#told.end(told)
    if (this.#inspection.security.holdsResponses) return
    this.#judgeCalls(null, [...this.#channels.values()].filter(isOpenCall))
    this.#judgeTurn(this.#inspection.turn?.end(), '')
  }

  #channel({ channel: name, sealed, isCall }: TextPiece): Channel {
    let channel = this.#channels.get(name)
    if (!channel) {
      if (this.#channels.size >= this.#channelsMax) this.#letGo()
      const told = isCall === true ? null : this.#told.begin()
      channel = { ...followText(), told, sealed: sealed === true, isCall: isCall === true }
      this.#channels.set(name, channel)
      if (!channel.isCall) this.#inspection.judged.response_stream.assistant++
    }
    return channel
  }

  /** Forgets the channels in which nothing is open: what follows in one begins it anew. */
  #letGo(): void {
    for (const [name, { text, start, settled, told }] of this.#channels) {
      if (settled !== start + text.length) continue
      if (told !== null) this.#told.end(told)
      this.#channels.delete(name)
    }
    this.#channelsMax = Math.max(CHANNELS_MAX, 2 * this.#channels.size)
  }

  /** Judges what is settled by now; the rules if it must be cut, else `null`. */
  #settle(channel: Channel, ended: boolean): readonly string[] | null {
    const { text, sealed } = channel
    const fresh = settleText(channel, this.#holding, ended)
    if (fresh.length > 0) {
      const rules = ruleIds(this.#judge(fresh, { source: 'assistant', text, whole: false, sealed }, channel), stops)
      if (rules.length > 0) return rules
    }
    dropSettled(channel)
    return null
  }

  /** Judges what the session finds in a text that passes: as nothing of it is held, it can be cut and not taken out. */
  #judgeTurn(findings: readonly Finding[] = [], text: string): readonly string[] | null {
    if (findings.length === 0) return null
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
    const { holdsResponses } = this.#inspection.security
    const released: Buffer[] = []
    for (const event of this.#held) {
      if (holdsResponses && event.pieces.some(isOpen)) break
      this.#heldBytes -= event.bytes.length
      released.push(renderEvent(event))
    }
    if (released.length > 0) this.#held = released.length === this.#held.length ? [] : this.#held.slice(released.length)
    return released
  }
}

const isOpen = ({ channel, end }: HeldPiece<Channel>): boolean => end > channel.settled
