const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/** Follows a text that comes in pieces for whether it is, so far, an object or array of JSON that has ended. */
export class JsonEnd {
  #isEmpty = true
  #hasBegun = false
  #depth = 0
  #inString = false
  #escaped = false

  /** Whether nothing is missing: all came of what was begun, or nothing at all. */
  get isReached(): boolean {
    return this.#isEmpty || (this.#hasBegun && this.#depth <= 0 && !this.#inString)
  }

  read(text: string): void {
    if (text !== '') this.#isEmpty = false
    for (let at = 0; at < text.length; at++) {
      const char = text.charCodeAt(at)
      if (this.#escaped) this.#escaped = false
      else if (char === QUOTE) this.#inString = !this.#inString
      else if (this.#inString) this.#escaped = char === BACKSLASH
      else this.#follow(char)
    }
  }

  #follow(char: number): void {
    if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      this.#hasBegun = true
      this.#depth++
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) this.#depth--
  }
}
