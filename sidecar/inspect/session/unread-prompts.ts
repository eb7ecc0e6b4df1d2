import type { FactsReader } from './facts-reader.ts'
import { addPrompt, PROMPT_CHARS_MIN, PROMPTS_MAX, type ShingleSet } from './prompt-shingles.ts'
import type { SessionRequest } from './session-request.ts'

/** System prompts of a request, in its order: of short ones the text, which is only read if it has to be. */
export type UnreadPrompts = readonly (ShingleSet | string)[]

/** A text of less characters is never a unit by itself: it is read when it has to be, and has no key to be known by. */
const SHORT_CHARS = 512
/** Of so many characters of short texts no more are kept for the answer. */
const SHORT_TEXTS_CHARS_MAX = 65_536

/**
 * The system prompts of a request: a long one is read once and known by its key, a short one read if it has to be.
 * @param charsMax most characters that are read now
 */
export function unreadPrompts(request: SessionRequest, facts: FactsReader, charsMax: number): UnreadPrompts {
  const found: { readonly at: number; readonly prompt: ShingleSet | string }[] = []
  const long: ShingleSet[] = []
  const room = { chars: charsMax }
  let shortChars = 0
  for (const unit of request.units) {
    for (const at of unit.at) {
      const segment = request.segments[at]
      if (segment?.source !== 'system') continue
      if (segment.text.length >= SHORT_CHARS) {
        if (long.length >= PROMPTS_MAX) continue
        const key = unit.at.length === 1 ? unit.key : null
        for (const { prompt } of facts.of(request, { at: [at], key }, room))
          if (prompt && addPrompt(long, prompt)) found.push({ at, prompt })
      } else if (shortChars < SHORT_TEXTS_CHARS_MAX) {
        const { text } = request.decode(segment)
        if (text.length < PROMPT_CHARS_MIN) continue
        shortChars += text.length
        found.push({ at, prompt: text })
      }
    }
  }
  // A row of short texts is a unit that ends behind the long ones between them.
  return found.sort((one, other) => one.at - other.at).map(({ prompt }) => prompt)
}
