type State =
  | 'out'
  /** An address in running text: until white space. */
  | 'bare'
  /** `](`: until `)`. */
  | 'destination'
  /** `]:` and nothing yet. */
  | 'definition'
  /** An address in `<` and `>`, which may hold spaces. */
  | 'angle'
  /** `<` and letters: the name of a tag, perhaps. */
  | 'name'
  /** In a tag: until `>` outside of quotes. */
  | 'tag'

const SPACE = /\s/
const LETTER = /[a-z]/i
const NAME = /[a-z0-9-]/i

/**
 * Follows a text and knows whether what comes next would be part of an address, a picture or a tag: whatever fetches
 * that would carry away what is put there. It reads Markdown and HTML as their readers do, as far as to tell where an
 * address may end; in doubt it says yes.
 */
export class LinkWatch {
  #state: State = 'out'
  /** What a tag's name that is none goes back to. */
  #around: State = 'out'
  #quote = ''
  #previous = ''
  #escaped = false
  /** Only white space has come of an address yet. */
  #empty = false

  /** True if what comes next would be part of an address or a tag. */
  get inside(): boolean {
    return (this.#state === 'name' ? this.#around : this.#state) !== 'out'
  }

  /** @param isJson true for the text of JSON: what is in one of its strings ends with it */
  read(text: string, isJson: boolean): void {
    for (const char of text) {
      if (isJson && char === '"' && !this.#escaped) this.#leave()
      else this.#next(char)
      this.#escaped = char === '\\' && !this.#escaped
      this.#previous = char
    }
  }

  #leave(): void {
    this.#state = 'out'
    this.#quote = ''
    this.#empty = false
  }

  #next(char: string): void {
    if (this.#state === 'tag') this.#inTag(char)
    else if (this.#state === 'angle') {
      if (char === '>' || char === '\n') this.#state = 'bare'
    } else if (this.#state !== 'name') this.#beside(char)
    else if (!NAME.test(char)) {
      const isTag = SPACE.test(char) || char === '/'
      this.#state = isTag ? 'tag' : this.#around
      if (!isTag) this.#beside(char)
    }
  }

  /** Neither in a tag nor in angles. */
  #beside(char: string): void {
    const isSpace = SPACE.test(char)
    if (this.#previous === ']' && (char === '(' || char === ':')) {
      this.#state = char === '(' ? 'destination' : 'definition'
      this.#empty = true
      return
    }
    if (this.#empty && char === '<') this.#state = 'angle'
    else if (this.#previous === '<' && LETTER.test(char)) {
      this.#around = this.#state
      this.#state = 'name'
    } else if (this.#state === 'destination') {
      if (char === ')') this.#state = 'bare'
    } else if (this.#state === 'definition') {
      if (!isSpace) this.#state = 'bare'
    } else if (isSpace) this.#state = 'out'
    else if (isSlash(char) && isSlash(this.#previous)) this.#state = 'bare'
    if (!isSpace) this.#empty = false
  }

  #inTag(char: string): void {
    if (this.#quote !== '') {
      if (char === this.#quote) this.#quote = ''
    } else if (char === '"' || char === "'") this.#quote = char
    else if (char === '>') this.#state = 'bare'
  }
}

/** Browsers take one for the other, and JSON may escape them. */
const isSlash = (char: string): boolean => char === '/' || char === '\\'
