import type { Finding } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'
import { detectAll } from './detect.ts'

/** Characters of settled text that stay in front, so that a rule can look at what precedes a match. */
const CONTEXT_CHARS = 64
/** What is kept of a longer text is copied out of it, so that the text itself can go. */
const COPIED_FROM_CHARS = 4_096

/** A text that is judged as it comes. */
export interface FollowedText {
  /** Text from `start` on: some settled context, then what is open. */
  text: string
  /** Offset of `text` in the whole. */
  start: number
  /** Everything before this offset of the whole is settled. */
  settled: number
}

/** Begins a text. */
export const followText = (): FollowedText => ({ text: '', start: 0, settled: 0 })

const NOTHING: readonly Finding[] = []

/**
 * Settles what no detector holds open, all where the text has ended, and tells what is found in what was not settled
 * before; offsets are those of `text`.
 */
export function settleText(followed: FollowedText, detectors: readonly Detector[], ended: boolean): readonly Finding[] {
  const { text, start, settled: before } = followed
  let open = text.length
  if (!ended) for (const detector of detectors) open = Math.min(open, detector.openFrom(text))
  const settled = Math.max(before, start + open)
  if (settled === before) return NOTHING
  followed.settled = settled
  const found = detectAll(detectors, { source: 'assistant', text })
  if (found.length === 0) return NOTHING
  // What begins where the kept context was cut off may only look as if it began there.
  return found.filter(
    (each) => (each.start > 0 || start === 0) && start + each.end > before && start + each.end <= settled,
  )
}

/** Lets go of what is settled, but for the context. */
export function dropSettled(followed: FollowedText): void {
  const { text, start, settled } = followed
  const keepFrom = settled - start - CONTEXT_CHARS
  if (keepFrom <= 0) return
  followed.text = keepFrom < COPIED_FROM_CHARS ? text.slice(keepFrom) : copyOf(text.slice(keepFrom))
  followed.start = start + keepFrom
}

/** Settles all of a text, and lets it go. */
export function settleWhole(followed: FollowedText): void {
  followed.start += followed.text.length
  followed.settled = followed.start
  followed.text = ''
}

/** The end of a text by itself: as a part of the text it would keep all of it in memory. */
const copyOf = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')
