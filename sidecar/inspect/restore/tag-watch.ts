/** Where a reader of HTML may be, each a bit: https://html.spec.whatwg.org/multipage/parsing.html#tag-open-state */
const OPEN = 1
const NAME = 2
/** A name that Markdown takes for none, and browsers do, as in `a<b) c`: a tag once a value follows. */
const ODD_NAME = 4
const ODD_TAG = 8
const BEFORE_KEY = 16
const KEY = 32
const AFTER_KEY = 64
const BEFORE_VALUE = 128
const UNQUOTED = 256
const IN_DOUBLE = 512
const IN_SINGLE = 1_024
const STATES = [OPEN, NAME, ODD_NAME, ODD_TAG, BEFORE_KEY, KEY, AFTER_KEY, BEFORE_VALUE, UNQUOTED, IN_DOUBLE, IN_SINGLE]
const IN_TAG = BEFORE_KEY | KEY | AFTER_KEY | BEFORE_VALUE | UNQUOTED | IN_DOUBLE | IN_SINGLE

const SPACE = /[\t\n\f\r ]/
const LETTER = /[a-z]/i
const NAME_CHAR = /[a-z0-9-]/i
const NAME_END = /[\t\n\f\r />]/
/** What is in them may fetch. */
const FETCHING: ReadonlySet<string> = new Set(['style', 'script'])
const NAME_CHARS_MAX = 8

/**
 * Follows a text and knows whether what comes next may be part of a tag of HTML, or of a style or a script. Readers do
 * not agree on what is a comment or code: any `<` may begin a tag, in another one too.
 */
export class TagWatch {
  #states = 0
  /** What came behind `<`, in lower case; `null` where no name is read. */
  #name: string | null = null
  /** Styles and scripts that are open. */
  #depth = 0

  /** True if what comes next may be part of a tag, a style or a script. */
  get inside(): boolean {
    return this.#depth > 0 || (this.#states & IN_TAG) !== 0
  }

  take(char: string): void {
    if (this.#name !== null) this.#inName(this.#name, char)
    if (this.#states !== 0) {
      let next = 0
      for (const state of STATES) if ((this.#states & state) !== 0) next |= after(state, char)
      this.#states = next
    }
    if (char !== '<') return
    this.#states |= OPEN
    this.#name = ''
  }

  #inName(name: string, char: string): void {
    const ends = NAME_END.test(char) && name !== ''
    if (!ends) {
      this.#name = name.length < NAME_CHARS_MAX ? name + char.toLowerCase() : null
      return
    }
    this.#name = null
    if (FETCHING.has(name)) this.#depth++
    else if (name.startsWith('/') && FETCHING.has(name.slice(1))) this.#depth = Math.max(0, this.#depth - 1)
  }
}

/** The state behind a character; 0 where the tag has ended or is none. */
function after(state: number, char: string): number {
  if (state === IN_DOUBLE) return char === '"' ? BEFORE_KEY : state
  if (state === IN_SINGLE) return char === "'" ? BEFORE_KEY : state
  if (state === OPEN) return LETTER.test(char) ? NAME : 0
  if (char === '>') return 0
  const isSpace = SPACE.test(char)
  switch (state) {
    case NAME:
      return isSpace || char === '/' ? BEFORE_KEY : NAME_CHAR.test(char) ? NAME : ODD_NAME
    case ODD_NAME:
      return isSpace || char === '/' ? ODD_TAG : ODD_NAME
    case ODD_TAG:
      return char === '=' ? BEFORE_VALUE : ODD_TAG
    case BEFORE_VALUE:
      return isSpace ? state : char === '"' ? IN_DOUBLE : char === "'" ? IN_SINGLE : UNQUOTED
    case UNQUOTED:
      return isSpace ? BEFORE_KEY : UNQUOTED
    default:
      return inKeys(state, char, isSpace)
  }
}

function inKeys(state: number, char: string, isSpace: boolean): number {
  if (char === '/') return BEFORE_KEY
  if (isSpace) return state === BEFORE_KEY ? BEFORE_KEY : AFTER_KEY
  return char === '=' && state !== BEFORE_KEY ? BEFORE_VALUE : KEY
}
