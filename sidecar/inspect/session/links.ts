/** Cuts the addresses of links out of a text as it comes. */

/** A longer link is judged by its beginning. */
const LINK_CHARS_MAX = 8_192
const SCHEME = '://'
const LINK_END = /[\s"'<>)\]`]/

/** Follows one text. */
export class LinkReader {
  #tail = ''
  #inLink = false

  /** Reads on; `told` gets each link that is over, from behind its scheme. */
  read(text: string, told: (link: string) => void): void {
    let rest = this.#tail + text
    for (;;) {
      if (!this.#inLink) {
        const scheme = rest.indexOf(SCHEME)
        if (scheme === -1) {
          this.#tail = rest.slice(-(SCHEME.length - 1))
          return
        }
        rest = rest.slice(scheme + SCHEME.length)
        this.#inLink = true
      }
      const end = rest.search(LINK_END)
      if (end === -1 && rest.length < LINK_CHARS_MAX) {
        this.#tail = rest
        return
      }
      told(rest.slice(0, end === -1 ? LINK_CHARS_MAX : end))
      this.#inLink = false
      rest = rest.slice(end === -1 ? LINK_CHARS_MAX : end)
    }
  }

  /** The text is over. */
  end(told: (link: string) => void): void {
    if (this.#inLink && this.#tail !== '') told(this.#tail)
    this.#tail = ''
    this.#inLink = false
  }
}
