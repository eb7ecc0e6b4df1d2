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
/** What follows a backslash for a blank, in JSON. */
const BLANKS: ReadonlySet<string> = new Set(['n', 'r', 't', 'f', 'b'])
/** As in `\u003c`. */
const UNICODE_ESCAPE_CHARS = 6

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
  /** The beginning of an escape of JSON. */
  #escape = ''
  /** Only white space has come of an address yet. */
  #empty = false

  /** True if what comes next would be part of an address or a tag. */
  get inside(): boolean {
    return (this.#state === 'name' ? this.#around : this.#state) !== 'out'
  }

  /** @param isJson true for the text of JSON: what is in one of its strings is read as it says, and ends with it */
  read(text: string, isJson: boolean): void {
    for (const char of text) {
      if (isJson) this.#inJson(char)
      else this.#take(char)
    }
  }

  #take(char: string): void {
    this.#next(char)
    this.#previous = char
  }

  #inJson(char: string): void {
    if (this.#escape !== '') this.#inEscape(char)
    else if (char === '\\') this.#escape = char
    else if (char === '"') this.#leave()
    else this.#take(char)
  }

  #inEscape(char: string): void {
    this.#escape += char
    if (this.#escape.startsWith('\\u') && this.#escape.length < UNICODE_ESCAPE_CHARS) return
    const [, kind = '', ...digits] = this.#escape
    this.#escape = ''
    if (kind === 'u') this.#take(String.fromCharCode(Number.parseInt(digits.join(''), 16)))
    else this.#take(BLANKS.has(kind) ? '\n' : kind)
  }

  #leave(): void {
    this.#state = 'out'
    this.#quote = ''
    this.#empty = false
    this.#previous = ''
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
    if (char === '<' && (this.#empty || this.#state === 'destination')) this.#state = 'angle'
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

/** Browsers take one for the other. */
const isSlash = (char: string): boolean => char === '/' || char === '\\'
