import type { Finding } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'
import { detectAll, type ScannedText } from './detect.ts'

/** One text in so many is timed: a prime, so that it is not always the same place of a conversation. */
const TIMED_EVERY = 17

/** What one detector took with the texts that were timed. */
export interface DetectorTime {
  readonly detector: string
  readonly texts: number
  readonly characters: number
  readonly seconds: number
}

/** Takes the time of each detector now and then: often enough to tell which one is dear, and too seldom to cost anything. */
export class DetectorTimes {
  readonly #sums = new Map<string, { texts: number; characters: number; seconds: number }>()
  #texts = 0

  /** What detectors find in a text, as {@link detectAll} tells it. */
  detectAll(detectors: readonly Detector[], segment: ScannedText): readonly Finding[] {
    if (++this.#texts % TIMED_EVERY !== 0) return detectAll(detectors, segment)
    return detectors.flatMap((detector) => {
      const begunMs = performance.now()
      const found = detectAll([detector], segment)
      const seconds = (performance.now() - begunMs) / 1_000
      this.add([{ detector: detector.id, texts: 1, characters: segment.text.length, seconds }])
      return found
    })
  }

  /** Adds what was timed elsewhere. */
  add(times: readonly DetectorTime[]): void {
    for (const { detector, texts, characters, seconds } of times) {
      const sum = this.#sums.get(detector) ?? { texts: 0, characters: 0, seconds: 0 }
      sum.texts += texts
      sum.characters += characters
      sum.seconds += seconds
      this.#sums.set(detector, sum)
    }
  }

  /** The sums, by detector. */
  sums(): readonly DetectorTime[] {
    return [...this.#sums].map(([detector, sum]) => ({ detector, ...sum }))
  }

  /** The sums, which begin anew. */
  take(): readonly DetectorTime[] {
    const sums = this.sums()
    this.#sums.clear()
    return sums
  }
}
