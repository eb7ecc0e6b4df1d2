/** Goes through a text from address to address, and from name to name. */

import { isDigit } from '../scan/ascii.ts'
import { DROP_ENDS } from './drop-hosts.ts'
import { isLetter, readUrl, type Url } from './url.ts'

/** Tells of each address in a text, in order; those within another are a part of it. `visit` may end it with `false`. */
export function eachUrl(text: string, visit: (url: Url) => boolean): void {
  let next = 0
  for (let at = text.indexOf('//'); at !== -1; at = text.indexOf('//', next)) {
    const url = readUrl(text, at)
    if (url !== null && !visit(url)) return
    next = Math.max(url?.end ?? 0, at + 2)
  }
}

/** A host that stands in a text without a scheme. */
export interface BareName {
  readonly start: number
  readonly end: number
  /** True where its end is that of a listed target. */
  readonly mayBeListed: boolean
}

const HOST_CHARS_MAX = 253
/** A shorter name carries nothing. */
const CARRIER_CHARS_MIN = 28

const DOT = 46
const SLASH = 47
const PAREN = 40

/** The first name from `from` on that is worth a look; `null` if there is none. */
export function nextName(text: string, from: number): BareName | null {
  let next = from
  for (let dot = text.indexOf('.', next); dot !== -1; dot = text.indexOf('.', next)) {
    next = dot + 1
    // The end of a sentence, or of something in quotes.
    if (!isNameChar(text.charCodeAt(next)) || !isNameChar(text.charCodeAt(dot - 1))) continue
    let [end, last] = [next, dot]
    for (; end < text.length && end - dot < HOST_CHARS_MAX; end++) {
      const code = text.charCodeAt(end)
      if (code === DOT) last = end
      else if (!isNameChar(code)) break
    }
    next = end
    if (last === end - 1) last = text.lastIndexOf('.', --end - 1)
    // What is followed by a parenthesis is called.
    if (!isTop(text, last + 1, end) || text.charCodeAt(end) === PAREN) continue
    const start = nameStart(text, dot, Math.max(from, dot - HOST_CHARS_MAX))
    if (text.charCodeAt(start - 1) === SLASH) continue
    const mayBeListed = mayEndListed(text, last + 1, end)
    if (mayBeListed || (end - start >= CARRIER_CHARS_MIN && hasDigit(text, start, end)))
      return { start, end, mayBeListed }
  }
  return null
}

function nameStart(text: string, dot: number, least: number): number {
  let start = dot
  while (start > least && isNameChar(text.charCodeAt(start - 1))) start--
  return start
}

function hasDigit(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (isDigit(text.charCodeAt(at))) return true
  return false
}

const TOP_CHARS_MAX = 24

/** Letters alone: ends of files and of numbers are none. */
function isTop(text: string, start: number, end: number): boolean {
  if (end - start < 2 || end - start > TOP_CHARS_MAX) return false
  for (let at = start; at < end; at++) if (!isLetter(text.charCodeAt(at))) return false
  return true
}

/** Lengths of the listed ends, a bit each, by their first letter. */
const END_LENGTHS = new Uint32Array(128)
for (const end of DROP_ENDS) END_LENGTHS[end.charCodeAt(0)] = (END_LENGTHS[end.charCodeAt(0)] ?? 0) | (1 << end.length)

const mayEndListed = (text: string, start: number, end: number): boolean =>
  ((END_LENGTHS[text.charCodeAt(start) | 32] ?? 0) & (1 << (end - start))) !== 0 &&
  DROP_ENDS.has(text.slice(start, end).toLowerCase())

const NAME = new Uint8Array(128)
for (let code = 0; code < 128; code++) if (/[A-Za-z0-9_-]/.test(String.fromCharCode(code))) NAME[code] = 1
const isNameChar = (code: number): boolean => code < 128 && NAME[code] === 1
