import type { DetectorId, Finding, SegmentSource, Severity } from '@agentcostcontrol/contract'

/** What a pure detector may know besides the text. */
export interface DetectorContext {
  readonly source: SegmentSource
  /** The tool that is defined, called, or whose result it is; left out where that is not known. */
  readonly tool?: string
}

/** The least score of each severity; one that is left out is never given. */
export type Grades = Readonly<Partial<Record<Severity, number>>>

/** A pure function over one segment: same text, same source, same findings; so its verdicts are cached by content. */
export interface Detector {
  readonly id: DetectorId
  /** Whose text it judges. */
  readonly sources: readonly SegmentSource[]
  /**
   * For a detector that gives scores: the grades that hold where a policy sets no others. It reports everything from the
   * lowest score that a policy may ask for, and whoever reads its findings grades them: those below all grades are none.
   * `null` where a finding's own severity holds.
   */
  readonly grades: Readonly<Partial<Record<SegmentSource, Grades>>> | null
  /** Rules that only run where a policy switches them on. */
  readonly rulesOff: readonly string[]
  /** Changes whenever the same text could give other findings; part of the key of the verdict cache. */
  readonly version: string
  /** Findings in ascending order of `start`, not overlapping within one detector. */
  detect(text: string, context: DetectorContext): readonly Finding[]
  /**
   * For streams: the offset from which `text` could still become, with more text behind it, part of a finding that
   * `detect` would not report yet or would end later. Everything before it is settled. `text.length` when nothing is open.
   * Never earlier than `text.length` minus {@link Detector.holdCharsMax}.
   */
  openFrom(text: string): number
  /** The most characters that an open candidate can hold back. */
  readonly holdCharsMax: number
}

/** A detector that can show that it works. */
export interface SelfTestedDetector extends Detector {
  /** A harmless text with one thing that the detector must find, put together at run time. */
  canary(): string
}
