/** Markdown ends an address at these, and at no other white space. */
const SPACE = /[\t\n\f\r ]/
/** What an address in running text begins with. */
const BEGINNINGS: ReadonlySet<string> = new Set(['//', '\\\\', '/\\', '\\/'])
const NAMED = /(?:https?:|ftp:|www\.)$/i
const NAMED_CHARS = 6

/**
 * Follows a text and knows whether what comes next may be part of an address, as Markdown and those who look for
 * addresses in running text read it.
 */
export class AddressWatch {
  /** `given`: where Markdown says that it is one. Both last until white space. */
  #word: 'out' | 'bare' | 'given' = 'out'
  /** `](`: until `)`. */
  #destination = false
  /** In `<` and `>`, where spaces may be. */
  #angle = false
  /** Behind `](` or `]:`, only white space has come. */
  #empty = false
  #tail = ''

  /** True if what comes next may be part of an address. */
  get inside(): boolean {
    return this.#word !== 'out' || this.#destination || this.#angle || this.#empty
  }

  take(char: string): void {
    const previous = this.#tail.at(-1)
    this.#tail = (this.#tail + char).slice(-NAMED_CHARS)
    if (this.#angle && ((char === '>' && previous !== '\\') || char === '\n')) {
      this.#angle = false
      this.#word = 'given'
    }
    if (previous === ']' && (char === '(' || char === ':')) {
      this.#destination ||= char === '('
      this.#empty = true
    } else if (SPACE.test(char)) this.#word = 'out'
    else this.#inWord(char, previous)
  }

  /** A string of JSON ends, perhaps, and what is no more than running text with it. */
  endString(): void {
    if (this.#word === 'bare') this.#word = 'out'
  }

  #inWord(char: string, previous: string | undefined): void {
    if (this.#empty) {
      this.#empty = false
      this.#angle ||= char === '<'
      this.#word = 'given'
    }
    if (char === ')' && previous !== '\\' && this.#destination) {
      this.#destination = false
      this.#word = 'given'
    }
    if (this.#word === 'out' && (BEGINNINGS.has(this.#tail.slice(-2)) || NAMED.test(this.#tail))) this.#word = 'bare'
  }
}
