import { FEATURES } from './features.ts'
import { attackOf, kindOf, type Model, placeOf, tagOf, UNIT } from './model.ts'
import { COLUMN_WORDS, KEPT_WORDS } from './reader.ts'

/** Words of the two windows that the model scores: an attack in a long text must not be diluted. */
export const WINDOW_WORDS = [24, 64] as const
/** How much the sum of the long window counts against that of the short one. */
export const LONG_SHARE = 0.6

/** Windows below this logit are never told. */
const LOGIT_MIN = -1

const [SHORT, LONG] = WINDOW_WORDS

/** Slides both windows over the words of a text; a word is named by its place in the columns of its reader. */
export class Windows {
  /** 1 for each word that speaks for an attack in a window that does. */
  readonly told = new Uint8Array(COLUMN_WORDS)
  readonly #model: Model
  /** What each word added, and what the windows that end at it hold; see {@link packed}. */
  readonly #sums = new Int32Array(COLUMN_WORDS)
  readonly #shorts = new Int32Array(COLUMN_WORDS)
  readonly #longs = new Int32Array(COLUMN_WORDS)
  #end = KEPT_WORDS

  constructor(model: Model) {
    this.#model = model
  }

  /** Forgets the words so far. */
  reset(): void {
    this.#end = KEPT_WORDS
    this.#sums.fill(0, 0, KEPT_WORDS)
    this.#shorts[KEPT_WORDS - 1] = 0
    this.#longs[KEPT_WORDS - 1] = 0
  }

  /** Takes in the words that a reader read last, by their features. */
  take(features: Int32Array, end: number): void {
    const { tags, weights, biases } = this.#model
    const { told } = this
    const sums = this.#sums
    const shorts = this.#shorts
    const longs = this.#longs
    if (this.#end > KEPT_WORDS)
      for (const each of [sums, shorts, longs]) each.copyWithin(0, this.#end - LONG, this.#end)
    this.#end = end
    let short = shorts[KEPT_WORDS - 1] ?? 0
    let long = longs[KEPT_WORDS - 1] ?? 0
    for (let at = KEPT_WORDS, from = KEPT_WORDS * FEATURES; at < end; at++, from += FEATURES) {
      const sum =
        look(tags, weights, features[from] ?? 0) +
        look(tags, weights, features[from + 1] ?? 0) +
        look(tags, weights, features[from + 2] ?? 0) +
        look(tags, weights, features[from + 3] ?? 0)
      sums[at] = sum
      short = (short + sum - (sums[at - SHORT] ?? 0)) | 0
      long = (long + sum - (sums[at - LONG] ?? 0)) | 0
      shorts[at] = short
      longs[at] = long
      told[at] = attackOf(sum) > 0 && betterOf(short, long, biases) > LOGIT_MIN ? 1 : 0
    }
  }

  /** How much the better of the two windows that end at a word speaks for an attack; the log of its odds. */
  logit(word: number): number {
    return betterOf(this.#shorts[word] ?? 0, this.#longs[word] ?? 0, this.#model.biases)
  }

  /** The word at which the better window begins: its first that speaks for an attack. @param first the first of the text */
  start(last: number, first: number): number {
    let word = Math.max(first, last + 1 - (this.#isShort(last) ? SHORT : LONG))
    while (word < last && attackOf(this.#sums[word] ?? 0) <= 0) word++
    return word
  }

  /** Above 0 if the better window reads like a jailbreak, below if like an injection. */
  kind(word: number): number {
    return kindOf((this.#isShort(word) ? this.#shorts : this.#longs)[word] ?? 0)
  }

  #isShort(word: number): boolean {
    const { biases } = this.#model
    return shortScore(this.#shorts[word] ?? 0, biases) >= longScore(this.#longs[word] ?? 0, biases)
  }
}

const shortScore = (sum: number, biases: Model['biases']): number => attackOf(sum) + biases[0]
const longScore = (sum: number, biases: Model['biases']): number => attackOf(sum) * LONG_SHARE + biases[1]
const betterOf = (short: number, long: number, biases: Model['biases']): number =>
  Math.max(shortScore(short, biases), longScore(long, biases)) * UNIT

/** What a feature says; 0 if it is none that counts, as most are: so both places are looked at in one. */
function look(tags: Uint32Array, weights: Int32Array, feature: number): number {
  const tag = tagOf(feature)
  const place = placeOf(feature)
  const pair = tags[place >> 1] ?? 0
  // Two halves, of which one is 0 where a tag is the same; the upper one may only look so.
  const unlike = pair ^ (tag | (tag << 16))
  if (((unlike - 0x10001) & ~unlike & 0x80008000) === 0) return 0
  if ((pair & 0xffff) === tag) return weights[place] ?? 0
  return pair >>> 16 === tag ? (weights[place + 1] ?? 0) : 0
}
