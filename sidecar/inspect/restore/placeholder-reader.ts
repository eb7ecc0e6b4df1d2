import { JsonChars } from './json-chars.ts'
import { LinkWatch } from './link-watch.ts'
import { PLACEHOLDER_START } from './placeholders.ts'
import type { RedactedValue, RedactedValues } from './redacted-values.ts'
import { isJson } from './writer.ts'

/** A placeholder in a text, and what is put in its place. */
export interface Replacement {
  /** Offsets from the beginning of the text, in UTF-16 code units. */
  readonly start: number
  readonly end: number
  readonly value: string
}

/** What a text is that a tool is called with. */
export interface CalledWith {
  readonly tool: string | null
  readonly isJson: boolean
}

/** What a text begins with that is the text of JSON: in its strings a value is written as JSON writes it. */
const JSON_HEADS: ReadonlySet<string> = new Set(['{"', '["', '[{'])
const HEAD_CHARS = 2
/** What JSON in a string of JSON begins with. */
const NESTED: ReadonlySet<string> = new Set(['{', '['])

/**
 * Finds the placeholders of a request in one text of its answer, piece by piece. What could still become one is not
 * settled, at most its length.
 */
export class PlaceholderReader {
  readonly #values: RedactedValues
  readonly #call: CalledWith | null
  readonly #links: LinkWatch | null
  /** The first characters that are no white space. */
  #head = ''
  readonly #json = new JsonChars()
  /** The first character in the string of JSON that is read, white space apart. */
  #stringHead = ''
  /** What is not settled. */
  #open = ''
  #settled = 0

  /** @param call whose text it is, all in one piece; left out for text that is read, where no value gets into a link */
  constructor(values: RedactedValues, call?: CalledWith) {
    this.#values = values
    this.#call = call ?? null
    this.#links = call ? null : new LinkWatch()
  }

  /** Everything before this offset is settled. */
  get settled(): number {
    return this.#settled
  }

  /** The next piece. @param ended true if no more comes */
  push(piece: string, ended: boolean): readonly Replacement[] {
    const text = this.#open + piece
    const from = this.#settled
    const found: Replacement[] = []
    let at = 0
    for (let open = text.indexOf('['); open !== -1; open = text.indexOf('[', at)) {
      this.#pass(text.slice(at, open))
      at = open
      const candidate = text.slice(open, open + this.#values.longest)
      if (!ended && this.#mayGrow(candidate)) break
      const placeholder = placeholderAt(candidate)
      const value = placeholder === null ? null : this.#valueOf(placeholder)
      if (placeholder === null || value === null) {
        this.#pass('[')
        at = open + 1
        continue
      }
      this.#pass(value, placeholder)
      at = open + placeholder.length
      found.push({ start: from + open, end: from + at, value })
    }
    if (text[at] !== '[') {
      this.#pass(text.slice(at))
      at = text.length
    }
    this.#open = text.slice(at)
    this.#settled = from + at
    return found
  }

  #mayGrow(candidate: string): boolean {
    return candidate.length < this.#values.longest && !candidate.includes(']') && this.#values.begins(candidate)
  }

  /** What is put in its place here; `null` for nothing. */
  #valueOf(placeholder: string): string | null {
    const value = this.#values.get(placeholder)
    if (value === undefined || !this.#mayHave(value)) return null
    if (!this.#isJson) return value.text
    const written = inJson(value.text)
    // In JSON in a string of JSON it would have to be escaped once more, or end the inner string.
    return written !== value.text && NESTED.has(this.#stringHead) ? null : written
  }

  get #isJson(): boolean {
    return this.#call?.isJson ?? JSON_HEADS.has(this.#head)
  }

  #mayHave({ tools }: RedactedValue): boolean {
    if (this.#call === null) return this.#links?.inside !== true
    return tools.has('*') || (this.#call.tool !== null && tools.has(this.#call.tool))
  }

  /** @param written what the model wrote there */
  #pass(text: string, written = text): void {
    for (let at = 0; at < written.length && this.#head.length < HEAD_CHARS; at++)
      if (!SPACE.test(written.charAt(at))) this.#head += written.charAt(at)
    this.#links?.read(text, JSON_HEADS.has(this.#head))
    if (this.#isJson) this.#readJson(text)
  }

  #readJson(text: string): void {
    for (const char of text) {
      const said = this.#json.read(char)
      if (said === null) this.#stringHead = ''
      else if (this.#stringHead === '') this.#stringHead = said.trim()
    }
  }
}

const SPACE = /\s/

function placeholderAt(candidate: string): string | null {
  const end = candidate.indexOf(']')
  return end !== -1 && candidate.startsWith(PLACEHOLDER_START) ? candidate.slice(0, end + 1) : null
}

/** A text as it stands in a string of JSON. */
export const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/**
 * A whole text with the values back in it; the same text if there are none.
 * @param tool what is called with it; left out for text that is read
 */
export function withValues(text: string, values: RedactedValues, tool?: string | null): string {
  if (!text.includes(PLACEHOLDER_START)) return text
  const reader = new PlaceholderReader(values, tool === undefined ? undefined : { tool, isJson: isJson(text) })
  let restored = ''
  let at = 0
  for (const { start, end, value } of reader.push(text, true)) {
    restored += text.slice(at, start) + value
    at = end
  }
  return at === 0 ? text : restored + text.slice(at)
}
