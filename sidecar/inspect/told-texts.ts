import type { Finding } from '@agentcostcontrol/contract'
import type { Detector } from '@agentcostcontrol/detectors'
import { dropSettled, type FollowedText, followText, settleText } from './followed-text.ts'

/** Characters that come before a text is judged again. */
const STEP_CHARS = 1_024

/** A text that is only told of. */
export interface ToldText {
  readonly followed: FollowedText
  /** Characters that came since it was judged. */
  fresh: number
}

/** Judges texts of which nothing is held for what is found in them: step by step, since nothing waits for it. */
export class ToldTexts {
  readonly #detectors: readonly Detector[]
  readonly #tell: (findings: readonly Finding[], text: string) => void

  /** @param tell is given what is found, with the text that offsets are in */
  constructor(detectors: readonly Detector[], tell: (findings: readonly Finding[], text: string) => void) {
    this.#detectors = detectors
    this.#tell = tell
  }

  /** Begins a text; `null` where nobody judges it. */
  begin(): ToldText | null {
    return this.#detectors.length === 0 ? null : { followed: followText(), fresh: 0 }
  }

  /** Takes the next piece. */
  push(told: ToldText, piece: string): void {
    told.followed.text += piece
    told.fresh += piece.length
    if (told.fresh >= STEP_CHARS) this.#judge(told, false)
  }

  /** Judges what is left: nothing is open any more. */
  end(told: ToldText): void {
    if (told.followed.text !== '') this.#judge(told, true)
  }

  #judge(told: ToldText, ended: boolean): void {
    const { followed } = told
    told.fresh = 0
    const found = settleText(followed, this.#detectors, ended)
    if (found.length > 0) this.#tell(found, followed.text)
    dropSettled(followed)
  }
}
