import { URL_CHARS_MAX } from './canonical.ts'
import { endsUrl } from './text-classes.ts'

/** Most characters of a host, and of one of its labels. */
export const HOST_CHARS_MAX = 253
export const LABEL_CHARS_MAX = 63

const COLON = 58
const SLASH = 47
const BACKSLASH = 92
const QUESTION = 63

/** Where the port and the path behind a host end, which is where it ends if it has neither. */
export function urlEnd(text: string, start: number, hostEnd: number): number {
  let at = hostEnd
  if (text.charCodeAt(at) === COLON) {
    let digit = at + 1
    while (digit < at + 6 && text.charCodeAt(digit) >= 48 && text.charCodeAt(digit) <= 57) digit++
    if (digit > at + 1) at = digit
  }
  if (!beginsPath(text, at)) return at
  const limit = Math.min(text.length, start + URL_CHARS_MAX)
  while (at < limit && !endsPath(text, at)) at++
  return at
}

const beginsPath = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return code === SLASH || code === QUESTION || (code === BACKSLASH && text.charCodeAt(at + 1) === SLASH)
}

/** A backslash goes on before a slash: some write JSON so. */
const endsPath = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return code === BACKSLASH ? text.charCodeAt(at + 1) !== SLASH : endsUrl(code)
}
