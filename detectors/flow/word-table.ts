import { wordHash } from './word-reader.ts'

/** Words in lower-case ASCII with bits that say what each is, found by the span of a text without taking it out. */
export class WordTable {
  readonly #words: readonly string[]
  readonly #bits: Uint8Array
  /** Where a word stands among all, and one more, by its hash; 0 for nothing. */
  readonly #slots: Uint16Array
  readonly #charsMax: number

  constructor(lists: readonly (readonly [words: ReadonlySet<string>, bit: number])[]) {
    const all = new Map<string, number>()
    for (const [words, bit] of lists) for (const word of words) all.set(word, (all.get(word) ?? 0) | bit)
    this.#words = [...all.keys()]
    this.#bits = Uint8Array.from(all.values())
    this.#charsMax = Math.max(0, ...this.#words.map(({ length }) => length))
    this.#slots = new Uint16Array(2 ** Math.ceil(Math.log2(4 * Math.max(1, all.size))))
    this.#words.forEach((word, index) => {
      let slot = this.#slotOf(wordHash(word, 0, word.length))
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = index + 1
    })
  }

  /** The bits of the word that a span holds, in upper or lower case; 0 for any other. @param hash its hash */
  bitsOf(text: string, start: number, end: number, hash = wordHash(text, start, end)): number {
    if (end - start > this.#charsMax) return 0
    for (let slot = this.#slotOf(hash); ; slot = (slot + 1) & (this.#slots.length - 1)) {
      const index = (this.#slots[slot] ?? 0) - 1
      if (index < 0) return 0
      if (isSame(this.#words[index] ?? '', text, start, end)) return this.#bits[index] ?? 0
    }
  }

  #slotOf(hash: number): number {
    return (hash ^ (hash >>> 15)) & (this.#slots.length - 1)
  }
}

function isSame(word: string, text: string, start: number, end: number): boolean {
  if (word.length !== end - start) return false
  for (let at = 0; at < word.length; at++) {
    const code = text.charCodeAt(start + at)
    if (word.charCodeAt(at) !== (code >= 65 && code <= 90 ? code | 32 : code)) return false
  }
  return true
}
