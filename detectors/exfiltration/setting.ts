/** What an address stands in: whether whoever shows the text fetches it unasked. */

import { isLetter } from './url.ts'

/** How far before an address what it stands in may begin. */
export const LEAD_CHARS_MAX = 256

/** What an address stands in, and where that begins. */
export interface Setting {
  readonly isFetched: boolean
  readonly start: number
}

/** Most characters of the label of an address that is named further up or down. */
const LABEL_CHARS_MAX = 128

/** Elements whose addresses are fetched with the page, or on their own. */
const TAGS: readonly string[] =
  'img iframe image input embed object video audio source track script link form meta base body frame use table td'.split(
    ' ',
  )
const TAG_CHARS_MAX = 6

const PAREN = 40
const LESS = 60
const GREATER = 62
const EQUALS = 61
const BRACKET = 91
const BANG = 33

/** What the address at `start` stands in. */
export function settingOf(text: string, start: number): Setting {
  let at = start
  if (text.charCodeAt(at - 1) === LESS) at--
  const before = text[at - 1] ?? ''
  if (before === '"' || before === "'" || before === '=') return inTag(text, at) ?? inCss(text, at) ?? bare(start)
  while (at > 0 && start - at < 4 && isBlank(text.charCodeAt(at - 1))) at--
  if (text.charCodeAt(at - 1) === PAREN) return inPicture(text, at - 1) ?? inCss(text, at) ?? bare(start)
  if (text.charCodeAt(at - 1) === 58) return inDefinition(text, at - 1) ?? bare(start)
  return bare(start)
}

const bare = (start: number): Setting => ({ isFetched: false, start })
const fetched = (start: number): Setting => ({ isFetched: true, start })

/** `![words](`: the brackets of a picture, before its parenthesis. */
function inPicture(text: string, paren: number): Setting | null {
  if (text[paren - 1] !== ']') return null
  const least = Math.max(0, paren - LEAD_CHARS_MAX)
  for (let at = paren - 2; at > least; at--) {
    const code = text.charCodeAt(at)
    if (code === 10 && text.charCodeAt(at - 1) === 10) return null
    if (code === PAREN && text[at - 1] === ']') return null
    if (code === BRACKET && text.charCodeAt(at - 1) === BANG) return fetched(at - 1)
  }
  return null
}

/** `[label]: ` at the begin of a line, which a picture may name. */
function inDefinition(text: string, colon: number): Setting | null {
  if (text[colon - 1] !== ']') return null
  const least = Math.max(0, colon - LABEL_CHARS_MAX - 2)
  for (let at = colon - 2; at >= least; at--) {
    const code = text.charCodeAt(at)
    if (code === 10) return null
    if (code !== BRACKET) continue
    let line = at
    while (line > 0 && at - line < 3 && text[line - 1] === ' ') line--
    return line === 0 || text.charCodeAt(line - 1) === 10 ? fetched(at) : null
  }
  return null
}

/** An attribute of an element that is fetched. */
function inTag(text: string, attribute: number): Setting | null {
  const least = Math.max(0, attribute - LEAD_CHARS_MAX)
  for (let at = attribute - 1; at >= least; at--) {
    const code = text.charCodeAt(at)
    if (code === GREATER) return null
    if (code === LESS) return isTag(text, at + 1) && hasEquals(text, at, attribute) ? fetched(at) : null
  }
  return null
}

const hasEquals = (text: string, from: number, to: number): boolean => {
  const at = text.indexOf('=', from)
  return at !== -1 && at < to && text.charCodeAt(at) === EQUALS
}

function isTag(text: string, start: number): boolean {
  let end = start
  while (end - start <= TAG_CHARS_MAX && isLetter(text.charCodeAt(end))) end++
  return TAGS.includes(text.slice(start, end).toLowerCase())
}

/** `url(` of a style sheet. */
function inCss(text: string, end: number): Setting | null {
  let at = end
  if (text[at - 1] === '"' || text[at - 1] === "'") at--
  return text.slice(at - 4, at).toLowerCase() === 'url(' ? fetched(at - 4) : null
}

const isBlank = (code: number): boolean => code === 32 || code === 9

/** Where what could still become the begin of an address, or of what it stands in, begins; the length if nothing could. */
export function openLead(text: string): number {
  return Math.min(openPicture(text), openTag(text), openDefinition(text), openScheme(text))
}

/** What may follow on `](` before an address is one. */
const BEGUN = /^[ \t]{0,4}<?(?:[A-Za-z]{0,5}:?\/?)?$/

function openPicture(text: string): number {
  const { length } = text
  const least = Math.max(0, length - LEAD_CHARS_MAX - 16)
  if (text.charCodeAt(length - 1) === BANG) return length - 1
  let open = length
  for (let at = text.lastIndexOf('!['); at >= least; at = at === 0 ? -1 : text.lastIndexOf('![', at - 1)) {
    const paren = text.indexOf('](', at)
    const rest = paren === -1 ? null : text.slice(paren + 2)
    if (rest === null ? text.indexOf('\n\n', at) === -1 : BEGUN.test(rest)) open = at
  }
  return open
}

function openTag(text: string): number {
  const least = Math.max(0, text.length - LEAD_CHARS_MAX - 16)
  const at = text.lastIndexOf('<')
  if (at < least || text.indexOf('>', at) !== -1) return text.length
  let end = at + 1
  while (end - at <= TAG_CHARS_MAX + 1 && isLetter(text.charCodeAt(end))) end++
  const name = text.slice(at + 1, end).toLowerCase()
  const isOpen = end === text.length ? TAGS.some((tag) => tag.startsWith(name)) : TAGS.includes(name)
  return isOpen ? at : text.length
}

const DEFINITION = /^ {0,3}\[[^\]\n]{0,128}(?:\](?::[ \t]{0,4}<?(?:[A-Za-z]{0,5}:?\/?)?)?)?$/

function openDefinition(text: string): number {
  const line = text.lastIndexOf('\n') + 1
  if (text.length - line > LEAD_CHARS_MAX || !DEFINITION.test(text.slice(line))) return text.length
  return text.indexOf('[', line)
}

const SCHEME = /(?:url\(\s{0,3}["']?)?(?:h|ht|htt|https?:?\/?|wss?:?\/?|w|f|ft|ftp:?\/?|[("'=]\/)$/i
const SCHEME_CHARS_MAX = 20

function openScheme(text: string): number {
  const tail = Math.max(0, text.length - SCHEME_CHARS_MAX)
  const found = SCHEME.exec(text.slice(tail))
  return found === null ? text.length : tail + found.index
}
