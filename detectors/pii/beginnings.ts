/**
 * Says whether one of many patterns has begun at a place of a text and not ended. Whatever begins with a text begins with
 * its first two characters: only those patterns are tried that can, which are looked for once for each two.
 */
export class Beginnings {
  readonly #patterns: readonly RegExp[]
  readonly #byPair: (readonly RegExp[] | undefined)[] = new Array(128 * 128)

  /** @param patterns sticky; each matches what more text could make it whole, to the end of the text */
  constructor(patterns: readonly RegExp[]) {
    this.#patterns = patterns
  }

  /** Whether one begins at an offset and goes on to the end. */
  isAt(text: string, at: number): boolean {
    for (const pattern of this.#candidates(text, at)) {
      pattern.lastIndex = at
      if (pattern.test(text)) return true
    }
    return false
  }

  #candidates(text: string, at: number): readonly RegExp[] {
    if (text.length - at < 2) return this.#patterns
    const first = text.charCodeAt(at)
    const second = text.charCodeAt(at + 1)
    if (first >= 128 || second >= 128) return this.#patterns
    const key = first * 128 + second
    const known = this.#byPair[key]
    if (known !== undefined) return known
    const pair = String.fromCharCode(first, second)
    const found = this.#patterns.filter((pattern) => {
      pattern.lastIndex = 0
      return pattern.test(pair)
    })
    this.#byPair[key] = found
    return found
  }
}
