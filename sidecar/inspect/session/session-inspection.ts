import { hash } from 'node:crypto'
import type { Finding, Segment, SegmentSource } from '@agentcostcontrol/contract'
import { openedContext, UnopenedContext } from './answer-context.ts'
import { AnswerFlow } from './answer-flow.ts'
import { courseOf } from './course.ts'
import { FactsReader, type FactsStats } from './facts-reader.ts'
import { exactFingerprint } from './fingerprint.ts'
import { callKey, judgeCall, readToolCall } from './judge-call.ts'
import { leaksIn } from './leaks-in.ts'
import type { SeenUnit, SegmentFinding, SessionRequest } from './session-request.ts'
import { type SessionStats, SessionStore } from './session-store.ts'
import type { SessionState } from './state.ts'
import type { TextFacts } from './text-facts.ts'
import { Trails, type UnitPlace } from './trails.ts'
import { type UnreadPrompts, unreadPrompts } from './unread-prompts.ts'

/** A text that is new to its session. */
interface Fresh {
  readonly at: number
  readonly facts: TextFacts
  /** Remembers what is found in it. */
  note(finding: Finding): void
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

/** What a sidecar keeps by default: values take some 30 bytes each. */
export const SESSION_BOUNDS: SessionInspectionOptions = {
  sessionsMax: 10_000,
  valuesMax: 1_000_000,
  charsMax: 1_048_576,
}

/** For the metrics. */
export interface SessionInspectionStats extends SessionStats, FactsStats {
  /** Units that were not as the request before had them, and were looked up in their session. */
  readonly soughtUnits: number
}

/** The detectors that need a conversation: `flow` and `prompt-leak`. */
export class SessionInspection {
  readonly #options: SessionInspectionOptions
  readonly #store: SessionStore
  readonly #facts: FactsReader
  readonly #trails = new Trails()
  #soughtUnits = 0

  constructor(options: SessionInspectionOptions = SESSION_BOUNDS) {
    this.#options = options
    this.#store = new SessionStore(options)
    this.#facts = new FactsReader(options.valuesMax)
  }

  /**
   * Takes a request in. Costs what its new texts cost, and a look at each unit that the scan has known before; next to
   * nothing where no tool was called.
   */
  request(request: SessionRequest): SessionTurn {
    const key = this.#keyOf(request)
    const { isAnew, opens } = courseOf(request)
    if (isAnew) this.#store.close(key)
    if (!opens && !this.#store.has(key)) {
      const hides = request.security.byDetector.has('prompt-leak')
      const prompts = hides ? unreadPrompts(request, this.#facts, this.#options.charsMax) : NO_PROMPTS
      const conversation = new UnopenedContext(prompts, () => this.#open(key))
      return { findings: [], answer: new AnswerFlow(conversation, request.security, ignored) }
    }
    const session = this.#store.open(key)
    const found = this.#read(request, session)
    this.#store.settle(key)
    const findings = found.map(({ unit, at, finding }) => ({ at: request.units[unit]?.at[at] ?? 0, finding }))
    const noteResponse = request.keepsAnswer ? (id: string): void => this.#store.noteResponse(id, key) : ignored
    return { findings, answer: new AnswerFlow(openedContext(session), request.security, noteResponse) }
  }

  stats(): SessionInspectionStats {
    return {
      ...this.#store.stats(),
      ...this.#facts.stats(),
      soughtUnits: this.#soughtUnits,
    }
  }

  #open(key: string): SessionState {
    const session = this.#store.open(key)
    this.#store.settle(key)
    return session
  }

  #keyOf({ principal, segments, previousResponseId }: SessionRequest): string {
    const agent = principal.agent ?? ''
    if (principal.session !== null) return `s ${agent} ${principal.session}`
    const known = previousResponseId === null ? undefined : this.#store.ofResponse(previousResponseId)
    if (known !== undefined) return known
    const head = `${headOf(segments, 'system')}\n${headOf(segments, 'user')}`
    return `h ${agent} ${hash('sha256', head, 'base64')}`
  }

  /** Takes in what the session has not seen, in order. @returns what is found in it, and what was found in the rest before */
  #read(request: SessionRequest, session: SessionState): readonly UnitPlace[] {
    const { units } = request
    const last = this.#trails.of(session)
    const found = last?.found.filter(({ unit }) => units[unit] === last.units[unit]) ?? []
    const fresh: Fresh[] = []
    const room = { chars: this.#options.charsMax }
    for (let at = 0; at < units.length; at++) {
      const unit = units[at]
      if (unit && unit !== last?.units[at]) this.#readUnit(request, session, { unit, at }, room, fresh, found)
    }
    fresh.sort((a, b) => a.at - b.at)
    for (const { facts } of fresh) if (isGiven(facts)) session.absorb(facts)
    for (const { at, facts, note } of fresh) {
      if (isGiven(facts)) continue
      session.absorb(facts)
      if (facts.source === 'tool_call') for (const finding of this.#judge(request, session, at, facts)) note(finding)
    }
    this.#trails.set(session, { units, found })
    return found
  }

  /** Adds the facts of a unit's texts to what is fresh, or what was found in them to what is found. */
  #readUnit(
    request: SessionRequest,
    session: SessionState,
    { unit, at: place }: { readonly unit: SeenUnit; readonly at: number },
    room: { chars: number },
    fresh: Fresh[],
    found: UnitPlace[],
  ): void {
    this.#soughtUnits++
    const id = unit.key === null ? null : exactFingerprint(unit.key, 0, unit.key.length)
    const known = id === null ? undefined : session.unit(id)
    if (known) {
      for (const { at, finding } of known) found.push({ unit: place, at, finding })
      return
    }
    if (id !== null) session.addUnit(id)
    for (const [at, facts] of this.#facts.of(request, unit, room).entries()) {
      const note = (finding: Finding): void => {
        if (id !== null) session.addInUnit(id, { at, finding })
        found.push({ unit: place, at, finding })
      }
      fresh.push({ at: unit.at[at] ?? 0, facts, note })
    }
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
    if (findings && session.settleOwed(key)) session.own(facts)
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

const NO_PROMPTS: UnreadPrompts = []

const HEAD_CHARS = 4_096

/** The beginning of the first text that somebody says. */
function headOf(segments: readonly Segment[], source: SegmentSource): string {
  for (let at = 0; at < segments.length; at++) {
    const segment = segments[at]
    if (segment?.source === source) return segment.text.slice(0, HEAD_CHARS)
  }
  return ''
}
