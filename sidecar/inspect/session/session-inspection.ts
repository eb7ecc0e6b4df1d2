import { hash } from 'node:crypto'
import type { Finding, Principal, Segment } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { AnswerFlow } from './answer-flow.ts'
import { openedConversation, UnopenedConversation, type UnreadPrompts } from './conversation.ts'
import { courseOf } from './course.ts'
import { FactsCache } from './facts-cache.ts'
import { callKey, judgeCall, readToolCall } from './judge-call.ts'
import { leaksIn } from './leaks-in.ts'
import type { ShingleSet } from './prompt-shingles.ts'
import { type SessionStats, SessionStore } from './session-store.ts'
import { PROMPTS_MAX, type SessionState, type UnitFinding } from './state.ts'
import { readFacts, type TextFacts } from './text-facts.ts'

/** Segments that were judged together, and what names them; `null` for those too short to be remembered. */
export interface SeenUnit {
  readonly at: readonly number[]
  readonly key: string | null
}

/** A request with its verdicts. */
export interface SessionRequest {
  readonly principal: Principal
  readonly security: CompiledSecurity
  readonly segments: readonly Segment[]
  readonly verdicts: readonly (readonly Finding[])[]
  /** All segments, each in one unit. */
  readonly units: readonly SeenUnit[]
  /** The answer that it goes on with, where its format names one. */
  readonly previousResponseId: string | null
  /** Whether the provider keeps it and its answer, so that a later request may name the answer and go on with it. */
  readonly keepsAnswer: boolean
  /** The text of a segment, where it is not as it stands there. */
  decode(segment: Segment): Segment
}

/** A finding, and the segment that it stands in. */
export interface SegmentFinding {
  readonly at: number
  readonly finding: Finding
}

/** A text that is new to its session. */
interface Fresh {
  readonly at: number
  readonly facts: TextFacts
  note(findings: readonly Finding[]): void
}

/** What a request gives: findings of its calls, and what follows its answer. */
export interface SessionTurn {
  readonly findings: readonly SegmentFinding[]
  readonly answer: AnswerFlow
}

/** Bounds of all sessions together. */
export interface SessionInspectionOptions {
  readonly sessionsMax: number
  readonly valuesMax: number
  /** Most new characters of one request that are read for values: the main thread is not held for longer. */
  readonly charsMax: number
}

/** What a sidecar keeps by default: values take some 40 bytes each. */
export const SESSION_BOUNDS: SessionInspectionOptions = {
  sessionsMax: 10_000,
  valuesMax: 1_000_000,
  charsMax: 1_048_576,
}

/** For the metrics. */
export interface SessionInspectionStats extends SessionStats {
  readonly cachedFacts: number
  /** Characters that were not read, since a request had too many new ones. */
  readonly unreadChars: number
}

/** The detectors that need a conversation: `flow` and `prompt-leak`. */
export class SessionInspection {
  readonly #options: SessionInspectionOptions
  readonly #store: SessionStore
  readonly #facts: FactsCache
  #unreadChars = 0

  constructor(options: SessionInspectionOptions = SESSION_BOUNDS) {
    this.#options = options
    this.#store = new SessionStore(options)
    this.#facts = new FactsCache(options.valuesMax)
  }

  /**
   * Takes a request in. Costs what its new texts cost, and a look-up for each unit of the others; next to nothing where no
   * tool has a part in it.
   */
  request(request: SessionRequest): SessionTurn {
    const key = this.#keyOf(request)
    const { isAnew, opens } = courseOf(request)
    if (isAnew) this.#store.close(key)
    if (!opens && !this.#store.has(key)) {
      const conversation = new UnopenedConversation(this.#promptsOf(request), () => this.#open(key))
      return { findings: [], answer: new AnswerFlow(conversation, request.security, ignored) }
    }
    const session = this.#store.open(key)
    const findings: SegmentFinding[] = []
    const fresh = this.#fresh(request, session, findings)
    for (const { facts } of fresh) if (isGiven(facts)) session.absorb(facts)
    for (const { at, facts, note } of fresh) {
      if (isGiven(facts)) continue
      session.absorb(facts)
      if (facts.source === 'tool_call') note(this.#judge(request, session, at, facts))
    }
    this.#store.settle(key)
    const noteResponse = request.keepsAnswer ? (id: string): void => this.#store.noteResponse(id, key) : ignored
    return { findings, answer: new AnswerFlow(openedConversation(session), request.security, noteResponse) }
  }

  stats(): SessionInspectionStats {
    return { ...this.#store.stats(), cachedFacts: this.#facts.weight, unreadChars: this.#unreadChars }
  }

  #open(key: string): SessionState {
    const session = this.#store.open(key)
    this.#store.settle(key)
    return session
  }

  /** The system prompts of a request: a long one is read once and known by its key, a short one read if it has to be. */
  #promptsOf(request: SessionRequest): UnreadPrompts {
    const read: ShingleSet[] = []
    const texts: string[] = []
    if (!request.security.byDetector.has('prompt-leak')) return { read, texts }
    const room = { chars: this.#options.charsMax }
    for (const unit of request.units) {
      for (const index of unit.at) {
        const segment = request.segments[index]
        if (segment?.source !== 'system' || read.length + texts.length >= PROMPTS_MAX) continue
        if (segment.text.length < SHORT_CHARS) texts.push(request.decode(segment).text)
        else {
          const key = unit.at.length === 1 ? unit.key : null
          for (const { prompt } of this.#factsOf(request, { at: [index], key }, room)) if (prompt) read.push(prompt)
        }
      }
    }
    return { read, texts }
  }

  #keyOf({ principal, segments, previousResponseId }: SessionRequest): string {
    const agent = principal.agent ?? ''
    if (principal.session !== null) return `s ${agent} ${principal.session}`
    const known = previousResponseId === null ? undefined : this.#store.ofResponse(previousResponseId)
    if (known !== undefined) return known
    const system = segments.find(({ source }) => source === 'system')
    const user = segments.find(({ source }) => source === 'user')
    return `h ${agent} ${hash('sha256', `${headOf(system)}\n${headOf(user)}`, 'base64')}`
  }

  /** Facts of the texts that the session has not seen, in order; what was found in the others is found again. */
  #fresh(request: SessionRequest, session: SessionState, findings: SegmentFinding[]): readonly Fresh[] {
    const fresh: Fresh[] = []
    const room = { chars: this.#options.charsMax }
    for (const unit of request.units) {
      const known = unit.key === null ? undefined : session.unit(unit.key)
      if (known) {
        for (const { at, finding } of known) findings.push({ at: unit.at[at] ?? 0, finding })
        continue
      }
      const own: UnitFinding[] = []
      if (unit.key !== null) session.setUnit(unit.key, own)
      for (const [index, facts] of this.#factsOf(request, unit, room).entries()) {
        const at = unit.at[index] ?? 0
        const note = (found: readonly Finding[]): void => {
          for (const finding of found) {
            own.push({ at: index, finding })
            findings.push({ at, finding })
          }
        }
        fresh.push({ at, facts, note })
      }
    }
    return fresh.sort((a, b) => a.at - b.at)
  }

  #factsOf(
    { segments, verdicts, decode }: SessionRequest,
    unit: SeenUnit,
    room: { chars: number },
  ): readonly TextFacts[] {
    const known = unit.key === null ? undefined : this.#facts.get(unit.key)
    if (known) return known
    let isWhole = true
    const facts = unit.at.flatMap((index) => {
      const segment = segments[index]
      if (!segment) return []
      const unread = Math.max(0, segment.text.length - room.chars)
      if (unread > 0) isWhole = false
      this.#unreadChars += unread
      const read = readFacts(cut(decode(segment), room.chars), verdicts[index] ?? [])
      room.chars -= segment.text.length - unread
      return [read]
    })
    if (unit.key !== null && isWhole) this.#facts.set(unit.key, facts)
    return facts
  }

  #judge(
    { security, segments, decode }: SessionRequest,
    session: SessionState,
    at: number,
    facts: TextFacts,
  ): readonly Finding[] {
    const segment = segments[at]
    if (!segment) return []
    const { text, tool } = decode(segment)
    const call = readToolCall(text, tool)
    const key = callKey(call, tool)
    let findings = session.judged(key)
    if (!findings) {
      findings = [
        ...(security.byDetector.has('flow') ? judgeCall(session, text, call) : []),
        ...leaksIn(session, security, text),
      ]
      if (findings.length === 0) session.own(facts)
      session.judge(key, findings)
    }
    return findings
  }
}

const isGiven = ({ source }: TextFacts): boolean => source === 'system' || source === 'tool_definition'

const ignored = (): void => {}

/** A text of less characters is never a unit by itself: it is read when it has to be, and has no key to be known by. */
const SHORT_CHARS = 512
const HEAD_CHARS = 4_096

const headOf = (segment: Segment | undefined): string => segment?.text.slice(0, HEAD_CHARS) ?? ''

const cut = (segment: Segment, chars: number): Segment =>
  segment.text.length <= chars ? segment : { ...segment, text: segment.text.slice(0, chars) }
