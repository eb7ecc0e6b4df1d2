import { attackOf, kindOf, type Model, placeOf, tagOf, UNIT } from './model.ts'

/** Words of the two windows that the model scores: an attack in a long text must not be diluted. */
export const WINDOW_WORDS = [24, 64] as const
/** How much the sum of the long window counts against that of the short one. */
export const LONG_SHARE = 0.6

const [SHORT, LONG] = WINDOW_WORDS
/** A power of two, so that a place in the ring is found by its bits. */
const RING = LONG

/** Slides both windows over the words of a text. */
export class Windows {
  /** How much the better of the two windows that end here speaks for an attack; the log of its odds. */
  logit = Number.NEGATIVE_INFINITY
  /** What the last word added to it. */
  added = 0
  readonly #model: Model
  /** What each word added, and what the windows hold; see {@link packed}. */
  readonly #sums = new Int32Array(RING)
  readonly #starts = new Int32Array(RING)
  #words = 0
  #short = 0
  #long = 0

  constructor(model: Model) {
    this.#model = model
  }

  /** Forgets the words so far. */
  reset(): void {
    this.#sums.fill(0)
    this.#words = 0
    this.#short = 0
    this.#long = 0
  }

  /** Takes in a word by its features. */
  take(features: Int32Array, start: number): void {
    const { tags, weights, biases } = this.#model
    const sums = this.#sums
    const sum =
      look(tags, weights, features[0] ?? 0) +
      look(tags, weights, features[1] ?? 0) +
      look(tags, weights, features[2] ?? 0) +
      look(tags, weights, features[3] ?? 0)
    const words = this.#words
    const here = words & (RING - 1)
    const long = (this.#long + sum - (sums[here] ?? 0)) | 0
    const short = (this.#short + sum - (sums[(words - SHORT) & (RING - 1)] ?? 0)) | 0
    sums[here] = sum
    this.#starts[here] = start
    this.#long = long
    this.#short = short
    this.#words = words + 1
    this.added = attackOf(sum)
    this.logit = Math.max(attackOf(short) + biases[0], attackOf(long) * LONG_SHARE + biases[1]) * UNIT
  }

  /** Where the better window begins: at its first word that speaks for an attack. */
  start(): number {
    let word = Math.max(0, this.#words - (this.#isShort() ? SHORT : LONG))
    while (word < this.#words - 1 && attackOf(this.#sums[word & (RING - 1)] ?? 0) <= 0) word++
    return this.#starts[word & (RING - 1)] ?? 0
  }

  /** Above 0 if the better window reads like a jailbreak, below if like an injection. */
  kind(): number {
    return kindOf(this.#isShort() ? this.#short : this.#long)
  }

  #isShort(): boolean {
    const { biases } = this.#model
    return attackOf(this.#short) + biases[0] >= attackOf(this.#long) * LONG_SHARE + biases[1]
  }
}

/** What a feature says; 0 if it is none that counts. */
function look(tags: Uint32Array, weights: Int32Array, feature: number): number {
  const tag = tagOf(feature)
  const place = placeOf(feature)
  const pair = tags[place >> 1] ?? 0
  if ((pair & 0xffff) === tag) return weights[place] ?? 0
  return pair >>> 16 === tag ? (weights[place + 1] ?? 0) : 0
}
