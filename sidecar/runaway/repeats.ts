import { countAlike } from '@agentcostcontrol/policy'
import { type Fingerprint, likeness } from './fingerprint.ts'

/** When requests count as a loop. */
export interface RepeatSettings {
  readonly count: number
  readonly withinMs: number
  /** Share of a text that is the same; 1: all of it. */
  readonly similarity: number
}

/** Sessions that are remembered, and different texts of each: the newest. */
const SESSIONS_MAX = 1_000
const TEXTS_MAX = 16

/** A text, and when it or one like it was asked: at most `count` moments. */
interface Asked {
  readonly print: Fingerprint
  readonly exact: string
  readonly sketch: Uint32Array | null
  times: readonly number[]
}

/** Who asks the same again and again: by session, in bounded memory; no text is kept. */
export class Repeats {
  readonly #sessions = new Map<string, Asked[]>()

  /** Counts a request. @returns whether it completes a loop, after which it is counted from the begin */
  count(session: string, print: Fingerprint, settings: RepeatSettings, nowMs: number): boolean {
    const texts = this.#textsOf(session)
    const asked = find(texts, print, settings.similarity) ?? { ...kept(print, settings.similarity), times: [] }
    const at = texts.indexOf(asked)
    if (at >= 0) texts.splice(at, 1)
    else if (texts.length >= TEXTS_MAX) texts.shift()
    texts.push(asked)
    const { times, isLoop } = countAlike(asked.times, nowMs, settings)
    asked.times = times
    return isLoop
  }

  /** Sessions that are remembered. */
  get size(): number {
    return this.#sessions.size
  }

  #textsOf(session: string): Asked[] {
    const texts = this.#sessions.get(session) ?? []
    this.#sessions.delete(session)
    const [oldest] = this.#sessions.keys()
    if (this.#sessions.size >= SESSIONS_MAX && oldest !== undefined) this.#sessions.delete(oldest)
    this.#sessions.set(session, texts)
    return texts
  }
}

function kept(print: Fingerprint, similarity: number): Omit<Asked, 'times'> {
  const { exact, length, media } = print
  const sketch = similarity < 1 ? print.sketch() : null
  // Without the text that the sketch is made of.
  return { exact, sketch, print: { exact, length, media, sketch: () => sketch } }
}

function find(texts: readonly Asked[], print: Fingerprint, similarity: number): Asked | undefined {
  const same = texts.find(({ exact }) => exact === print.exact)
  if (same !== undefined || similarity >= 1) return same
  return texts.find(({ print: known, sketch }) => {
    if (sketch === null || known.media !== print.media) return false
    if (Math.min(known.length, print.length) < similarity * Math.max(known.length, print.length)) return false
    const other = print.sketch()
    return other !== null && likeness(sketch, other) >= similarity
  })
}
