import { COLUMN_WORDS, KEPT_WORDS, type WordReader } from './reader.ts'

/**
 * Features that a word brings: itself, with the word before, with the two before, and with the one before the last; in
 * place of that one, where it has a meaning, with the last word before it that has one.
 */
export const FEATURES = 4

const FIRST = 0x9e3779b1 | 0
const SECOND = 0x85ebca6b | 0
/** Tells a pair with a word between from one without. */
const SKIPPED = 0x27d4eb2f
/** Tells two meanings that follow each other, whatever stands between, from pairs of words. */
const FAR = 0x165667b1
/** Words that may stand from one meaning to the next. */
const GAP_MAX = 8

function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ (b >>> 16), FIRST)
  hash = Math.imul(hash ^ b, SECOND)
  return hash ^ (hash >>> 13)
}

/** Pairs of words that came again within so many words are passed over: a table says the same in each row. */
const REPEAT_WORDS = 32
const SEEN = 256
/** Words are counted on from text to text up to so many. */
const WORDS_MAX = 1 << 30

/** Turns words into the model's features; one for training and for use, so that both see the same. */
export class FeatureReader {
  /** {@link FEATURES} of each word of a reader, 32 bits each, where the word stands in its columns; all 0 where it says nothing new. */
  readonly features = new Int32Array(COLUMN_WORDS * FEATURES)
  readonly #seen = new Int32Array(SEEN)
  readonly #seenAt = new Int32Array(SEEN)
  /** Words of this text and of those before it. */
  #words = 0
  #meaning = 0
  #since = 0
  #last = 0
  #beforeLast = 0

  /** Forgets the words so far. */
  reset(): void {
    // What was seen is too far back now.
    this.#words += REPEAT_WORDS + 1
    if (this.#words > WORDS_MAX) this.#forget()
    this.#meaning = 0
    this.#since = 0
    this.#last = 0
    this.#beforeLast = 0
  }

  #forget(): void {
    this.#seen.fill(0)
    this.#words = 0
  }

  /** Takes in the words that a reader read last. */
  take({ hashes, meanings, end }: WordReader): void {
    const { features } = this
    const seen = this.#seen
    const seenAt = this.#seenAt
    let now = this.#words
    let before = this.#meaning
    let since = this.#since
    let last = this.#last
    let beforeLast = this.#beforeLast
    for (let at = KEPT_WORDS; at < end; at++, now++) {
      const hash = hashes[at] ?? 0
      const meaning = meanings[at] ?? 0
      // A word that means what others mean stands for all of them.
      const word = meaning === 0 ? hash : mix(meaning, 7)
      const pair = mix(last, word)
      const slot = pair & (SEEN - 1)
      const repeats = seen[slot] === pair && now - (seenAt[slot] ?? 0) <= REPEAT_WORDS
      const to = at * FEATURES
      since++
      seen[slot] = pair
      seenAt[slot] = now
      if (repeats) {
        for (let index = 0; index < FEATURES; index++) features[to + index] = 0
      } else {
        features[to] = mix(hash, 1)
        features[to + 1] = pair
        features[to + 2] = mix(beforeLast, pair)
        features[to + 3] =
          meaning !== 0 && before !== 0 && since <= GAP_MAX
            ? mix(before ^ FAR, meaning)
            : mix(beforeLast ^ SKIPPED, word)
        if (meaning !== 0) {
          before = meaning
          since = 0
        }
      }
      beforeLast = last
      last = word
    }
    this.#words = now
    this.#meaning = before
    this.#since = since
    this.#last = last
    this.#beforeLast = beforeLast
  }
}
