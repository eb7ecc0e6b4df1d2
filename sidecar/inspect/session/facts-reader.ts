import type { Segment } from '@agentcostcontrol/contract'
import { FactsCache } from './facts-cache.ts'
import type { SeenUnit, SessionRequest } from './session-request.ts'
import { readFacts, type TextFacts } from './text-facts.ts'

/** For the metrics. */
export interface FactsStats {
  readonly cachedFacts: number
  /** Texts that were read for values, names and secrets. */
  readonly readTexts: number
  /** Characters that were not read, since a request had too many new ones. */
  readonly unreadChars: number
}

/** Reads texts: what many conversations have once as long as its facts are kept, any other once for its own. */
export class FactsReader {
  readonly #cache: FactsCache
  #readTexts = 0
  #unreadChars = 0

  /** @param weightMax most values, names and shingles that are kept */
  constructor(weightMax: number) {
    this.#cache = new FactsCache(weightMax)
  }

  /** The facts of a unit's texts, in order. @param room characters that may be read of the request; those that are go off */
  of({ segments, verdicts, decode }: SessionRequest, unit: SeenUnit, room: { chars: number }): readonly TextFacts[] {
    const key = isShared(segments[unit.at[0] ?? 0]) ? unit.key : null
    const known = key === null ? undefined : this.#cache.get(key)
    if (known) return known
    let isWhole = true
    const facts = unit.at.flatMap((index) => {
      const segment = segments[index]
      if (!segment) return []
      const unread = Math.max(0, segment.text.length - room.chars)
      if (unread > 0) isWhole = false
      this.#unreadChars += unread
      this.#readTexts++
      const read = readFacts(cut(decode(segment), room.chars), verdicts[index] ?? [])
      room.chars -= segment.text.length - unread
      return [read]
    })
    if (key !== null && isWhole) this.#cache.set(key, facts)
    return facts
  }

  stats(): FactsStats {
    return { cachedFacts: this.#cache.weight, readTexts: this.#readTexts, unreadChars: this.#unreadChars }
  }
}

/** Whether other conversations have the same text: what an agent is told and given, and not what is said in one of them. */
const isShared = (segment: Segment | undefined): boolean =>
  segment?.source === 'system' || segment?.source === 'tool_definition'

const cut = (segment: Segment, chars: number): Segment =>
  segment.text.length <= chars ? segment : { ...segment, text: segment.text.slice(0, chars) }
