import { AddressWatch } from './address-watch.ts'
import { JsonChars } from './json-chars.ts'
import { TagWatch } from './tag-watch.ts'

/**
 * Follows a text and knows whether what comes next would be part of an address, a picture or a tag: whatever fetches
 * that would carry away what is put there. It reads Markdown and HTML as their readers do, as far as to tell where an
 * address may end; in doubt it says yes. What looks like JSON may be none: it is read both ways.
 */
export class LinkWatch {
  readonly #address = new AddressWatch()
  readonly #tag = new TagWatch()
  readonly #json = new JsonChars()
  #addressInString = new AddressWatch()
  #tagInString = new TagWatch()

  /** True if what comes next may be part of an address or a tag. */
  get inside(): boolean {
    return this.#address.inside || this.#tag.inside || this.#addressInString.inside || this.#tagInString.inside
  }

  /** @param maybeJson true for what may be the text of JSON: what is in one of its strings is read as it says, too */
  read(text: string, maybeJson: boolean): void {
    for (const char of text) {
      this.#address.take(char)
      this.#tag.take(char)
      if (maybeJson) this.#inJson(char)
    }
  }

  #inJson(char: string): void {
    if (char === '"') this.#address.endString()
    const said = this.#json.read(char)
    if (said === null) {
      this.#addressInString = new AddressWatch()
      this.#tagInString = new TagWatch()
    } else if (said !== '') {
      this.#addressInString.take(said)
      this.#tagInString.take(said)
    }
  }
}
