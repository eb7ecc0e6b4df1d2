/** What follows a backslash for a blank, in JSON. */
const BLANKS: ReadonlySet<string> = new Set(['n', 'r', 't', 'f', 'b'])
/** As in `\u003c`. */
const UNICODE_ESCAPE_CHARS = 6

/** Reads a text of JSON character by character, piece by piece, as its strings say it. */
export class JsonChars {
  /** The beginning of an escape. */
  #escape = ''

  /** What the next character of the text says; `null` for one that ends or begins a string, nothing within an escape. */
  read(char: string): string | null {
    if (this.#escape !== '') return this.#inEscape(char)
    if (char === '"') return null
    if (char !== '\\') return char
    this.#escape = char
    return ''
  }

  #inEscape(char: string): string {
    this.#escape += char
    if (this.#escape.startsWith('\\u') && this.#escape.length < UNICODE_ESCAPE_CHARS) return ''
    const [, kind = '', ...digits] = this.#escape
    this.#escape = ''
    if (kind === 'u') return String.fromCharCode(Number.parseInt(digits.join(''), 16))
    return BLANKS.has(kind) ? '\n' : kind
  }
}
