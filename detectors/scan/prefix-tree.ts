/** Says whether what stands at an offset is the beginning of one of many words, without cutting the text up. */
export interface PrefixTree {
  /** Adds a word, or with `ignoreCase` a word in lower case that may come in any. */
  add(word: string, ignoreCase: boolean): void
  /** True if `text` from `start` to `end` is a beginning of a word, or a whole one. */
  begins(text: string, start: number, end: number): boolean
}

/** Makes an empty tree. */
export function createPrefixTree(): PrefixTree {
  const exact = new Branches()
  const folded = new Branches()
  return {
    add: (word, ignoreCase) => (ignoreCase ? folded : exact).add(word),
    begins: (text, start, end) => exact.reaches(text, start, end, false) || folded.reaches(text, start, end, true),
  }
}

/** A tree of ASCII characters: a node's child for a character is found under node × 128 + character. */
class Branches {
  readonly #children = new Map<number, number>()

  add(word: string): void {
    let node = 0
    for (let at = 0; at < word.length; at++) {
      const key = node * 128 + word.charCodeAt(at)
      const next = this.#children.get(key) ?? this.#children.size + 1
      this.#children.set(key, next)
      node = next
    }
  }

  reaches(text: string, start: number, end: number, foldCase: boolean): boolean {
    let node = 0
    for (let at = start; at < end; at++) {
      let code = text.charCodeAt(at)
      if (foldCase && code >= 65 && code <= 90) code += 32
      const next = code < 128 ? this.#children.get(node * 128 + code) : undefined
      if (next === undefined) return false
      node = next
    }
    return true
  }
}
