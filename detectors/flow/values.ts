/** Finds the values of a text that can be followed from where they came to where they go. One pass, in linear time. */
import { isAlnum, isDigit, isSpace, isWord } from '../scan/ascii.ts'
import { hostLength } from './hosts.ts'

/** What a value is. `account` is an IBAN, a card or any other long number; `token` a long mixture of letters and digits. */
export type ValueKind = 'email' | 'account' | 'url' | 'host' | 'token' | 'path'

/** Told of each value with its span, in the order of their ends. */
export type OnValue = (kind: ValueKind, start: number, end: number) => void

const AT = 1
const COLON = 2
const DOT = 4
const DIGIT = 8
const SLASH = 16
const END = 32

/** By ASCII code: what a character tells of the word that it stands in, or that it ends one. */
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  if (isSpace(code) || code < 32 || '"\'<>()[]{},;|\\`*'.includes(String.fromCharCode(code))) return END
  if (isDigit(code)) return DIGIT
  return { '@': AT, ':': COLON, '.': DOT, '/': SLASH }[String.fromCharCode(code)] ?? 0
})

/** A word that is longer holds no value that anybody types or sends; its beginning is looked at. */
const WORD_CHARS_MAX = 2_048
const ACCOUNT_DIGITS_MIN = 8
const ACCOUNT_CHARS_MAX = 34
const TOKEN_CHARS_MIN = 16

/** Tells of every value of a text. */
export function extractValues(text: string, found: OnValue): void {
  let from = 0
  let kinds = 0
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : 32
    const kind = code < 128 ? (KINDS[code] ?? 0) : 0
    if (kind !== END) {
      kinds |= kind
      continue
    }
    if (kinds !== 0 && at - from > 3) {
      const next = readWord(text, from, Math.min(at, from + WORD_CHARS_MAX), kinds, found)
      // A number in groups went on behind this word.
      if (next > at) at = next
    }
    // An escaped line break inside JSON: the letter belongs to it.
    if (code === 92 && ESCAPED.includes(text.charAt(at + 1))) at++
    from = at + 1
    kinds = 0
  }
}

const ESCAPED: readonly string[] = ['n', 'r', 't']

/** Where a character stands in a word; -1 if it does not. */
function indexIn(text: string, code: number, from: number, end: number): number {
  for (let at = from; at < end; at++) if (text.charCodeAt(at) === code) return at
  return -1
}

/** Where a scheme ends in a word; -1 if there is none. */
function schemeIn(text: string, from: number, end: number): number {
  for (let at = indexIn(text, 58, from, end); at !== -1; at = indexIn(text, 58, at + 1, end))
    if (text.startsWith('//', at + 1)) return at
  return -1
}

/** Reads one word; gives where reading goes on. */
function readWord(text: string, from: number, until: number, kinds: number, found: OnValue): number {
  let end = until
  while (end > from && '.:!?'.includes(text.charAt(end - 1))) end--
  if ((kinds & COLON) !== 0) {
    const scheme = schemeIn(text, from, end)
    if (scheme > from && scheme + 3 < end) {
      readAddress(text, scheme + 3, end, true, found)
      return end
    }
  }
  if ((kinds & AT) !== 0) readEmails(text, from, end, found)
  else if ((kinds & (DOT | SLASH)) !== 0) {
    const start = afterLabel(text, from, end, kinds)
    if (!readAddress(text, start, end, false, found) && isPath(text, start, end)) found('path', start, end)
  }
  return (kinds & DIGIT) !== 0 && (kinds & AT) === 0 ? readNumbers(text, from, end, found) : end
}

/** Behind the name of what is written `name=value` or `name:value`. */
function afterLabel(text: string, from: number, end: number, kinds: number): number {
  const colon = (kinds & COLON) === 0 ? -1 : indexIn(text, 58, from, end)
  const equals = indexIn(text, 61, from, end)
  for (const at of [equals, colon]) {
    if (at > from && at + 1 < end && !text.slice(from, at).includes('.') && !text.slice(from, at).includes('/'))
      return at + 1
  }
  return from
}

/** A host and what stands behind it. @param isUrl a scheme stood in front of it: any host is one */
function readAddress(text: string, from: number, end: number, isUrl: boolean, found: OnValue): boolean {
  const user = isUrl ? indexIn(text, 64, from, end) : -1
  const slash = indexIn(text, 47, from, end)
  let start = user !== -1 && user < end && (slash === -1 || user < slash) ? user + 1 : from
  if (text.startsWith('www.', start)) start += 4
  const chars = hostLength(text, start, end, isUrl)
  if (chars === 0) return false
  const hostEnd = start + chars
  found('host', start, hostEnd)
  let rest = indexIn(text, 35, hostEnd, end)
  if (rest === -1 || rest > end) rest = end
  while (rest > hostEnd && text.charAt(rest - 1) === '/') rest--
  if (rest > hostEnd + 1) found('url', start, rest)
  const query = indexIn(text, 63, hostEnd, end)
  // What is sent may be put behind it.
  if (query > hostEnd + 1 && query < rest) found('url', start, query)
  return true
}

const isLocal = (code: number): boolean => isWord(code) || code === 46 || code === 43 || code === 37

function readEmails(text: string, from: number, end: number, found: OnValue): void {
  let done = from
  for (let at = indexIn(text, 64, from, end); at !== -1; at = indexIn(text, 64, at + 1, end)) {
    let start = at
    while (start > done && isLocal(text.charCodeAt(start - 1))) start--
    const chars = hostLength(text, at + 1, end, true)
    if (start === at || chars < 4 || !text.slice(at + 1, at + 1 + chars).includes('.')) continue
    done = at + 1 + chars
    found('email', start, done)
  }
}

/** Accounts and tokens: runs of letters, digits, "-" and "_". */
function readNumbers(text: string, from: number, end: number, found: OnValue): number {
  let next = end
  for (let start = from; start < end; ) {
    if (!isWord(text.charCodeAt(start))) {
      start++
      continue
    }
    let stop = start
    let digits = 0
    let letters = 0
    while (stop < end && isWord(text.charCodeAt(stop))) {
      const code = text.charCodeAt(stop++)
      if (isDigit(code)) digits++
      else if (isAlnum(code)) letters++
    }
    const grouped = stop === end && stop - start <= 4 && digits > 0 ? groupsEnd(text, start, stop) : stop
    if (grouped > stop) {
      found('account', start, grouped)
      next = grouped
    } else if (digits >= ACCOUNT_DIGITS_MIN && isAccount(text, start, stop, letters)) found('account', start, stop)
    else if (digits > 0 && letters > 0 && stop - start >= TOKEN_CHARS_MIN) found('token', start, stop)
    start = stop
  }
  return next
}

/** All digits, or two letters and then digits and letters, as IBANs are. */
function isAccount(text: string, start: number, stop: number, letters: number): boolean {
  // Eight digits with dashes between them are a date.
  if (letters === 0)
    return stop - start <= ACCOUNT_CHARS_MAX && !(stop - start === 10 && text.charAt(start + 4) === '-')
  return (
    stop - start <= ACCOUNT_CHARS_MAX &&
    !isDigit(text.charCodeAt(start)) &&
    !isDigit(text.charCodeAt(start + 1)) &&
    isDigit(text.charCodeAt(start + 2)) &&
    isDigit(text.charCodeAt(start + 3))
  )
}

/** Where a number in groups of up to four, as people write accounts and cards, ends; `stop` if it is none. */
function groupsEnd(text: string, start: number, stop: number): number {
  if (stop - start !== 4) return stop
  let end = stop
  let digits = 0
  for (let at = start; at < stop; at++) if (isDigit(text.charCodeAt(at))) digits++
  while (text.charCodeAt(end) === 32 && end - start < ACCOUNT_CHARS_MAX + 8) {
    let group = end + 1
    let groupDigits = 0
    while (group - end <= 4 && isUpperOrDigit(text.charCodeAt(group))) {
      if (isDigit(text.charCodeAt(group))) groupDigits++
      group++
    }
    if (group === end + 1 || isAlnum(text.charCodeAt(group))) break
    digits += groupDigits
    end = group
  }
  return digits >= ACCOUNT_DIGITS_MIN ? end : stop
}

const isUpperOrDigit = (code: number): boolean => isDigit(code) || (code >= 65 && code <= 90)

const FILE =
  /\.(?:txt|pdf|md|csv|tsv|json|ya?ml|docx?|xlsx?|pptx?|env|pem|key|crt|sql|db|zip|gz|log|conf|cfg|ini|html?)$/i

const isPath = (text: string, start: number, end: number): boolean =>
  end - start <= 256 &&
  (text.startsWith('~/', start) || text.charAt(start) === '/' || FILE.test(text.slice(Math.max(start, end - 8), end)))
