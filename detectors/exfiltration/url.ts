/** Reads an address where it stands in a text: to its end, with the places that are left to be filled in. */

/** Most characters of an address. */
export const URL_CHARS_MAX = 4_096
const HOST_CHARS_MAX = 512
const TEMPLATE_CHARS_MAX = 80

/** A place to be filled in: `<data>`, `{{secrets}}`, `${x}`, `[NAME]`. */
export interface Template {
  readonly start: number
  readonly end: number
}

/** An address in a text. */
export interface Url {
  /** Where its scheme begins, or its slashes. */
  readonly start: number
  readonly hostStart: number
  readonly hostEnd: number
  readonly end: number
  readonly templates: readonly Template[]
  /** More text could go on with it. */
  readonly isOpen: boolean
}

const SLASH = 47
const COLON = 58
const BRACKET = 91
const DOLLAR = 36
const SCHEMES: ReadonlySet<string> = new Set(['http', 'https', 'ws', 'wss', 'ftp'])
const SCHEME_CHARS_MAX = 5

const ENDS = 1
const OPENS = 2
const HOST = 4
const TRAILING = 8
const LETTER = 16

const CLASSES = new Uint8Array(128)
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code)
  let is = 0
  if (code < 33 || code === 127 || '"`>\\^)]}'.includes(char)) is |= ENDS
  if ('{[<$'.includes(char)) is |= OPENS
  if (/[A-Za-z0-9_.-]/.test(char)) is |= HOST
  if (/[.,;:!?'*_]/.test(char)) is |= TRAILING
  if (/[A-Za-z]/.test(char)) is |= LETTER
  CLASSES[code] = is
}
const classOf = (code: number): number => (code < 128 ? (CLASSES[code] ?? 0) : isWideMark(code) ? ENDS : 0)
/** Marks of Chinese and Japanese, and blanks outside ASCII. */
const isWideMark = (code: number): boolean =>
  (code >= 0x3000 && code <= 0x303f) || (code >= 0xff00 && code <= 0xff20) || code === 0xa0 || code === 0x2028

/**
 * The scheme that may stand before two slashes: where it begins; -1 if there is none. What stands before it does not matter:
 * of a stream that may be gone.
 */
function schemeStart(text: string, slashes: number): number {
  if (text.charCodeAt(slashes - 1) !== COLON) return OPENERS.has(text[slashes - 1] ?? '') ? slashes : -1
  const last = text.charCodeAt(slashes - 2) | 32
  // "p" of http and ftp, "s" of all others.
  if (last !== 112 && last !== 115) return -1
  for (let chars = Math.min(SCHEME_CHARS_MAX, slashes - 1); chars > 1; chars--)
    if (SCHEMES.has(text.slice(slashes - 1 - chars, slashes - 1).toLowerCase())) return slashes - 1 - chars
  return -1
}

/** What an address without a scheme stands behind. */
const OPENERS: ReadonlySet<string> = new Set(['(', '"', "'", '='])

/** Whether it is a letter of ASCII. */
export const isLetter = (code: number): boolean => code < 128 && ((CLASSES[code] ?? 0) & LETTER) !== 0

/** The address whose two slashes stand at a place; `null` if there is none. */
export function readUrl(text: string, slashes: number): Url | null {
  const start = schemeStart(text, slashes)
  if (start === -1) return null
  const authority = slashes + 2
  const first = text.charCodeAt(authority)
  if (classOf(first) & ENDS || first === SLASH) return null
  const quote = text[start - 1] === "'" ? 39 : -1
  const limit = Math.min(text.length, start + URL_CHARS_MAX)
  const templates: Template[] = []
  let [at, depth, authorityEnd, hostStart] = [authority, 0, -1, authority]
  let isOpen = false
  while (at < limit) {
    const code = text.charCodeAt(at)
    const is = classOf(code)
    if (code === 40) depth++
    else if (code === 41 && depth > 0) depth--
    else if (code === quote || is & ENDS) break
    else if (authorityEnd === -1 && (code === SLASH || code === 63 || code === 35)) authorityEnd = at
    else if (authorityEnd === -1 && code === 64) hostStart = at + 1
    else if (code === BRACKET && at === authority) at = bracketEnd(text, at)
    else if (is & OPENS) {
      const end = templateEnd(text, at)
      if (end > at) {
        templates.push({ start: at, end })
        at = end
        continue
      }
      if (end === UNFINISHED) isOpen = true
      const isEmpty = code === BRACKET && text.charCodeAt(at + 1) === 93
      if (code !== DOLLAR && !isEmpty) break
      // Empty brackets, as in `a[]=1`.
      if (isEmpty) at++
    }
    at++
  }
  isOpen ||= at === text.length && at < start + URL_CHARS_MAX
  let end = Math.min(at, limit)
  while (end > authority && classOf(text.charCodeAt(end - 1)) & TRAILING) end--
  if (authorityEnd === -1 || authorityEnd > end) authorityEnd = end
  if (hostStart > authorityEnd) hostStart = authority
  const hostEnd = hostEndOf(text, hostStart, authorityEnd)
  return { start, hostStart, hostEnd, end, templates, isOpen }
}

/** Without the port. */
function hostEndOf(text: string, start: number, authorityEnd: number): number {
  const end = Math.min(authorityEnd, start + HOST_CHARS_MAX)
  let at = end
  while (at > start && text.charCodeAt(at - 1) >= 48 && text.charCodeAt(at - 1) <= 57) at--
  return at > start && text.charCodeAt(at - 1) === COLON ? at - 1 : end
}

function bracketEnd(text: string, at: number): number {
  let end = at + 1
  while (end < at + 48 && /[0-9a-fA-F:.]/.test(text[end] ?? '')) end++
  return text[end] === ']' ? end : at
}

const UNFINISHED = -1
const CLOSING: Readonly<Record<string, string>> = { '{': '}', '[': ']', '<': '>' }

/** Where the place to be filled in ends that begins here; 0 if none does, {@link UNFINISHED} if more text could end it. */
function templateEnd(text: string, at: number): number {
  let inner = at
  if (text[inner] === '$') inner++
  const opening = text[inner] ?? ''
  const closing = CLOSING[opening]
  if (closing === undefined) return inner === text.length ? UNFINISHED : 0
  inner++
  if (text[inner] === opening && opening === '{') inner++
  const isDouble = inner > at + 1 && text[inner - 2] === '{'
  const limit = inner + TEMPLATE_CHARS_MAX
  let end = inner
  for (; end < limit && end < text.length; end++) {
    const char = text[end] ?? ''
    if (char === closing) return end === inner ? 0 : isDouble && text[end + 1] === '}' ? end + 2 : end + 1
    if (char === opening || char === '\n' || char === '"' || (opening === '<' && (char === '/' || char === '=')))
      return 0
  }
  return end === text.length && end < limit ? UNFINISHED : 0
}
