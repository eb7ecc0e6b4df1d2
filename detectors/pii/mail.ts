import { isAlnum } from '../scan/ascii.ts'
import { codesOf } from '../scan/units.ts'
import { isEscape, isGlue, isLatin } from './chars.ts'

const LOCAL_CHARS_MAX = 64
/** How far before a user's name the scheme of a URL is looked for. */
const URL_CHARS_MAX = 80
/** Labels of a host; the last is of letters. Bounded, so that a long run of labels is read once. */
const HOST = /(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9_-]|\.[A-Za-z0-9])/y

/** Hosts that stand for any: RFC 2606 and 6761, and what documentation uses beside them. */
const NOBODY =
  /(?:^|\.)(?:example|test|invalid|localhost|local|internal|lan|corp|home|svc)$|^(?:[a-z0-9-]+\.)*example\.(?:com|org|net|edu)$/i
/** Not top-level domains but endings of files: "logo@2x.png". */
const FILES = /\.(?:png|jpe?g|gif|svg|webp|css|scss|js|ts|tsx|jsx|mjs|cjs|json|md|html?|ya?ml|txt|xml|pdf)$/i

const isLocal = (code: number): boolean =>
  isAlnum(code) ||
  isLatin(code) ||
  code === 46 ||
  code === 43 ||
  code === 45 ||
  code === 95 ||
  code === 37 ||
  code === 39

/** An e-mail address whose "@" stands at `at`. Places that belong to nobody, and accounts of machines, are none. */
export function emailAt(
  text: string,
  at: number,
  floor: number,
): { readonly start: number; readonly end: number } | null {
  let start = at
  while (start > floor && at - start <= LOCAL_CHARS_MAX && isLocal(text.charCodeAt(start - 1))) start--
  if (at - start > LOCAL_CHARS_MAX) return null
  if (start < at && isEscape(codesOf(text), start)) start++
  while (start < at && !isAlnum(text.charCodeAt(start)) && !isLatin(text.charCodeAt(start))) start++
  if (start === at || text.charCodeAt(at - 1) === 46) return null
  const before = start > 0 ? text.charCodeAt(start - 1) : 0
  // The user of a URL, or a package in one.
  if (
    before === 47 ||
    (before === 58 && !/mailto:$/i.test(text.slice(Math.max(0, start - 7), start)) && isInUrl(text, start))
  )
    return null
  HOST.lastIndex = at + 1
  const host = HOST.exec(text)?.[0]
  if (host === undefined || NOBODY.test(host) || FILES.test(host)) return null
  if (at - start === 3 && text.startsWith('git', start)) return null
  return { start, end: HOST.lastIndex }
}

/** Whether the same run of characters holds a "://" before `start`. */
function isInUrl(text: string, start: number): boolean {
  const floor = Math.max(0, start - URL_CHARS_MAX)
  let at = start
  while (at > floor && isGlue(text.charCodeAt(at - 1))) at--
  return text.slice(at, start).includes('://')
}
