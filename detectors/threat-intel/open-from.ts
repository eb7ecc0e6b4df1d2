/** Where a text is still open: what a stream must hold back. The same for every index, so that none is told by it. */

import { URL_CHARS_MAX } from './canonical.ts'
import { DIGITS_MAX } from './files.ts'
import { COMMAND_CHARS_MAX, MARKS, readCommand, TOOL_CHARS_MAX } from './install-command.ts'
import { HOST_CHARS_MAX, LABEL_CHARS_MAX } from './spans.ts'
import { endsUrl, isForeign, isHex, isHostChar } from './text-classes.ts'
import { REACH_CHARS } from './unusual.ts'

/** A URL, and what stands before its host that may be part of it. */
export const HOLD_CHARS_MAX = URL_CHARS_MAX + 2 * HOST_CHARS_MAX

/** {@link Detector.openFrom} of threat intelligence. */
export function openFrom(text: string): number {
  const begun = Math.min(openName(text), openCommand(text))
  // A name that has begun may be the end of a URL, which is not divided.
  let open = Math.min(begun, openUrl(text, text.length), openUrl(text, begun))
  if (open < text.length) open = runStart(text, open)
  open = Math.min(open, openHash(text))
  // Half of a surrogate pair stays with its other half.
  if (open > 0 && (text.charCodeAt(open) & 0xfc00) === 0xdc00) open--
  if (open === text.length && open > 0 && (text.charCodeAt(open - 1) & 0xfc00) === 0xd800) open--
  return Math.max(open, text.length - HOLD_CHARS_MAX, 0)
}

/** The digits at the end, of which there may be more: of a hash of a file. */
function openHash(text: string): number {
  let start = text.length
  while (start > 0 && text.length - start <= DIGITS_MAX && isHex(text.charCodeAt(start - 1))) start--
  return text.length - start > DIGITS_MAX ? text.length : start
}

/** Where the name begins that a place is inside of, in letters of any script, with its scope; the place if in none. */
function runStart(text: string, place: number): number {
  let start = place
  while (start > 0 && place - start < HOST_CHARS_MAX && isOfName(text, start - 1)) start--
  return start
}

function isOfName(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return isHostChar(code) || code === 64 || code === 37 || isForeign(code) || isWideDot(text, at)
}

/** The name at the end: of a host, a file by its hash, a tool; in letters of any script. */
function openName(text: string): number {
  let start = text.length
  let label = 0
  let longest = 0
  const least = Math.max(0, text.length - HOST_CHARS_MAX - 2)
  while (start > least) {
    const code = text.charCodeAt(start - 1)
    if (isHostChar(code)) {
      label = code === 46 ? 0 : label + 1
      longest = Math.max(longest, label)
    } else if (isForeign(code) || isWideDot(text, start - 1)) label = 0
    else break
    if (isForeign(code) && text.length - start > LABEL_CHARS_MAX) break
    start--
  }
  const chars = text.length - start
  if (chars > HOST_CHARS_MAX || longest > LABEL_CHARS_MAX) return text.length
  return beforeEscapes(text, start)
}

/** The full stop of Chinese and Japanese behind a letter or digit of ASCII, where it may be the dot of a host. */
const isWideDot = (text: string, at: number): boolean => text[at] === '。' && /\w/.test(text[at - 1] ?? '')

const ESCAPED = /%[\w.-]*$/
const DEFANGED = /[\w-]+(?:[[({](?:\.|d|do|dot)?[\])}]?[\w.-]*)+$/

/** With what is escaped or defanged right before it: `%65vil`, `evil[.`. */
function beforeEscapes(text: string, start: number): number {
  const least = Math.max(0, text.length - REACH_CHARS)
  if (!endsEscaped(text, least)) return start
  const tail = text.slice(least)
  const defanged = DEFANGED.exec(tail)
  if (defanged) return Math.min(start, least + defanged.index)
  if (!ESCAPED.test(tail)) return start
  let at = start
  while (at > least && /[\w.%-]/.test(text[at - 1] ?? '')) at--
  return at
}

/** Cheap: whether the characters at the end that a host is made of have any with them by which one is hidden. */
function endsEscaped(text: string, least: number): boolean {
  for (let at = text.length - 1; at >= least; at--) {
    const code = text.charCodeAt(at)
    // "%" and what opens or closes; all others end what may be one.
    if (code === 37 || code === 40 || code === 41 || code === 91 || code === 93 || code === 123 || code === 125)
      return true
    if (!isHostChar(code) && code !== 95) return false
  }
  return false
}

/** The first host in the last word before a place behind which a URL goes on to there; the place if there is none. */
function openUrl(text: string, place: number): number {
  const least = Math.max(0, place - URL_CHARS_MAX - HOST_CHARS_MAX)
  let word = place
  while (word > least && !endsUrl(text.charCodeAt(word - 1))) word--
  for (let at = word; at < place; at++) {
    if (!isHostChar(text.charCodeAt(at))) continue
    let end = at
    while (isHostChar(text.charCodeAt(end))) end++
    if (end < place && GOES_ON.test(text[end] ?? '')) return at
    at = end
  }
  return place
}

/** What a URL goes on with behind its host, or a host behind one of its labels. */
const GOES_ON = /[:/?%[({\\@]/

/** The command at the end that may name more packages. */
function openCommand(text: string): number {
  const tail = Math.max(0, text.length - COMMAND_CHARS_MAX - TOOL_CHARS_MAX)
  let open = text.length
  for (const mark of MARKS) {
    for (let at = text.indexOf(mark, tail); at !== -1 && at < open; at = text.indexOf(mark, at + 1)) {
      const command = readCommand(text, at)
      if (command?.open) open = Math.min(open, command.start)
    }
  }
  return open
}
