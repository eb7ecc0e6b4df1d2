/** What a text says once it is decoded, and how what is found in that is told in the original. */

/** What came out of a stretch of a text. Offsets are of that text, in UTF-16 code units. */
export interface Decoded {
  readonly text: string
  /** Where the code unit at an index began in the original. */
  readonly startOf: (index: number) => number
  /** Where the code unit before an index ended there. */
  readonly endOf: (index: number) => number
}

/** The ways to hide a text that are looked into. */
export type Way =
  | 'tag-characters'
  | 'variation-selectors'
  | 'zero-width'
  | 'look-alikes'
  | 'base64'
  | 'hex'
  | 'url'
  | 'html-entities'
  | 'escapes'
  | 'rot13'
  | 'reversed'
  | 'leetspeak'
  | 'spaced-letters'
  | 'morse'

/** A stretch of a text that says something else once it is decoded. */
export interface Piece {
  readonly way: Way
  readonly start: number
  readonly end: number
  readonly decoded: Decoded
}

/** Puts a decoded text together, and keeps where its parts came from. */
export class Rewriter {
  #text = ''
  readonly #at: number[] = []
  readonly #from: number[] = []
  /** Where a part that stands for something else ends in the original; -1 for one that is copied. */
  readonly #to: number[] = []

  /** Adds a part of the original as it is. */
  copy(text: string, from: number): void {
    if (text !== '') this.#add(text, from, -1)
  }

  /** Adds what a part of the original stands for. */
  put(text: string, from: number, to: number): void {
    if (text !== '') this.#add(text, from, to)
  }

  #add(text: string, from: number, to: number): void {
    this.#at.push(this.#text.length)
    this.#from.push(from)
    this.#to.push(to)
    this.#text += text
  }

  /** The text, and where it came from. */
  done(): Decoded {
    const [at, from, to] = [this.#at, this.#from, this.#to]
    const offset = (index: number, part: number): number => (from[part] ?? 0) + index - (at[part] ?? 0)
    return {
      text: this.#text,
      startOf: (index) => {
        const part = lastNotAbove(at, index)
        return to[part] === -1 ? offset(index, part) : (from[part] ?? 0)
      },
      endOf: (index) => {
        const part = lastNotAbove(at, index - 1)
        const end = to[part] ?? 0
        return end === -1 ? offset(index, part) : end
      },
    }
  }
}

/** By halving: the index of the last of the ascending numbers that is not above another. */
export function lastNotAbove(numbers: readonly number[], value: number): number {
  let [low, high] = [0, numbers.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((numbers[middle] ?? 0) <= value) low = middle
    else high = middle - 1
  }
  return low
}

/** A text whose code units came one by one from where `offsetOf` tells; ciphers that keep or turn the order. */
export function oneByOne(text: string, offsetOf: (index: number) => number): Decoded {
  return {
    text,
    startOf: offsetOf,
    endOf: (index) => offsetOf(index - 1) + 1,
  }
}
