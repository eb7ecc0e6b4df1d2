import type { WordReader } from './reader.ts'

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

/** Turns words into the model's features; one for training and for use, so that both see the same. */
export class FeatureReader {
  /** The features of the last word, 32 bits each; all 0 where it says nothing new. */
  readonly features = new Int32Array(FEATURES)
  readonly #seen = new Int32Array(SEEN)
  readonly #seenAt = new Int32Array(SEEN)
  #words = 0
  #meaning = 0
  #since = 0
  #last = 0
  #beforeLast = 0

  /** Forgets the words so far. */
  reset(): void {
    this.#seen.fill(0)
    this.#words = 0
    this.#meaning = 0
    this.#since = 0
    this.#last = 0
    this.#beforeLast = 0
  }

  /** Takes in the word at which a reader stands. */
  take({ hash, meaning }: WordReader): void {
    const { features } = this
    // A word that means what others mean stands for all of them.
    const word = meaning === 0 ? hash : mix(meaning, 7)
    const last = this.#last
    const beforeLast = this.#beforeLast
    this.#since++
    const pair = mix(last, word)
    this.#beforeLast = last
    this.#last = word
    if (this.#isRepeat(pair)) {
      features.fill(0)
      return
    }
    features[0] = mix(hash, 1)
    features[1] = pair
    features[2] = mix(beforeLast, pair)
    features[3] =
      meaning !== 0 && this.#meaning !== 0 && this.#since <= GAP_MAX
        ? mix(this.#meaning ^ FAR, meaning)
        : mix(beforeLast ^ SKIPPED, word)
    if (meaning !== 0) {
      this.#meaning = meaning
      this.#since = 0
    }
  }

  #isRepeat(pair: number): boolean {
    const slot = pair & (SEEN - 1)
    const now = this.#words++
    const repeats = this.#seen[slot] === pair && now - (this.#seenAt[slot] ?? 0) <= REPEAT_WORDS
    this.#seen[slot] = pair
    this.#seenAt[slot] = now
    return repeats
  }
}
