/** What an address carries behind its host, and in it. */

import { isQuietHost } from './quiet-hosts.ts'
import { decodedAddress, readEncoded, wordsIn } from './readable.ts'
import type { Seen } from './rules.ts'

/** Shorter parts carry nothing to speak of. */
const PART_CHARS_MIN = 16
const PARTS_MAX = 64
/** A run that reads like nothing may be text in a cipher; shorter ones are names of versions and people. */
const OPAQUE_CHARS_MIN = 200
const WORDS_SOME = 4
const WORDS_MANY = 8
/** Words of a sentence are shorter, on the average. */
const WORD_CHARS_MAX = 14

/** Parameters that are signed, or tell a file's name, as object stores and analytics write them. */
const SIGNED =
  /[?&](?:x-amz-|x-goog-|x-ms-|sig=|signature=|expires=|hmac=|hm=|policy=|key-pair-id=|awsaccesskeyid=|se=)/i
const NAMES = /^(?:utm_|response-content|rsc[dt]$|filename$|alt$|x-amz-|x-goog-)/i
/** What is written on a picture that is made for a heading. */
const HEADING = /^(?:title|text)$/i
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/
/** What resizes pictures, and what signs addresses, writes JSON for itself. */
const MACHINE_JSON = /"(?:bucket|Statement|Resource|alg|edits)"/
const SENSITIVE =
  /pass(?:word|wd|phrase)|secret|credential|api[ _-]?key|confidential|private key|token|\bssn\b|\biban\b|balance|@\w|\d{6}/i

/** An address that is a parameter of another, and one of that, and so on. */
const NESTED_MAX = 3
const ADDRESS = /^(?:https?:)?\/\/([^\s/?#]+)(\S*)$/i
const ESCAPED_SCHEME = /^https?%(?:25)*3a/i

/**
 * What an address carries that is fetched unasked (`isFetched`), or that waits for a click or a call.
 * @param depth in how many other addresses it stands
 */
export function carriedBy(behind: string, isFetched: boolean, depth = 0): Seen | null {
  const hash = behind.indexOf('#')
  // Clients keep what stands behind it to themselves, but not of an address in an address.
  const sent = hash === -1 ? behind : behind.slice(0, hash) + (depth === 0 ? '' : asQuery(behind, hash))
  if (!hasLongPart(sent)) return null
  const query = sent.indexOf('?')
  const path = query === -1 ? sent : sent.slice(0, query)
  let worst: Seen | null = null
  let parts = 0
  const look = (name: string | null, value: string): void => {
    if (value.length < PART_CHARS_MIN || ++parts > PARTS_MAX || worst?.severity === 'high') return
    worst = worseOf(worst, judgeValue(name, value, isFetched, sent, depth))
  }
  for (const segment of path.split('/')) look(null, segment)
  if (query === -1) return worst
  for (const pair of sent.slice(query + 1).split(/[&;]/, PARTS_MAX)) {
    const equals = pair.indexOf('=')
    // The padding of base64 is no name's.
    const isNamed = equals > 0 && equals < pair.length - 2
    look(isNamed ? pair.slice(0, equals) : '', isNamed ? pair.slice(equals + 1) : pair)
  }
  return worst
}

/** A fragment as one more parameter. */
const asQuery = (behind: string, hash: number): string =>
  (behind.lastIndexOf('?', hash) === -1 ? '?' : '&') + behind.slice(hash + 1)

/** Whether anything between two separators is long enough to carry something. */
function hasLongPart(sent: string): boolean {
  let part = 0
  for (let at = 0; at < sent.length; at++) {
    const code = sent.charCodeAt(at)
    part = code === 47 || code === 63 || code === 38 || code === 59 || code === 61 ? 0 : part + 1
    if (part >= PART_CHARS_MIN) return true
  }
  return false
}

const worseOf = (one: Seen | null, other: Seen | null): Seen | null =>
  one === null || other?.severity === 'high' ? other : one

/** What an address carries that is the value of a parameter. */
function carriedInside(value: string, isFetched: boolean, depth: number): Seen | null {
  if (depth >= NESTED_MAX) return null
  let address = value
  for (let level = 0; level < NESTED_MAX && ESCAPED_SCHEME.test(address); level++) address = percentDecoded(address)
  const [, host, rest = ''] = ADDRESS.exec(address) ?? []
  if (host === undefined || isQuietHost(host.toLowerCase(), rest)) return null
  return carriedBy(rest, isFetched, depth + 1)
}

/** @param name of a parameter; `null` for a part of the path */
function judgeValue(name: string | null, value: string, isFetched: boolean, sent: string, depth: number): Seen | null {
  const plain = value.includes('%') ? percentDecoded(value) : value
  const rule = isFetched ? 'image-data' : 'link-data'
  const word = name === null ? plain.replace(/\.\w{2,5}$/, '') : plain
  if (JWT.test(plain)) return null
  if (name !== null && (plain.includes('//') || ESCAPED_SCHEME.test(plain))) {
    const inside = carriedInside(plain, isFetched, depth)
    if (inside !== null) return inside
  }
  switch (readEncoded(word)) {
    case 'words':
      return { rule, severity: 'high' }
    case 'json':
      if (MACHINE_JSON.test(Buffer.from(word.slice(0, 512), 'base64').toString('latin1'))) return null
      return isFetched ? { rule, severity: 'high' } : null
    case 'token':
      return isFetched ? { rule, severity: 'high' } : null
    case 'address':
      return carriedInside(decodedAddress(word), isFetched, depth)
    case null:
      return isFetched ? judgePlain(name, plain, value, sent) : null
  }
}

/** What a picture's address says as it stands. */
function judgePlain(name: string | null, plain: string, value: string, sent: string): Seen | null {
  const rule = 'image-data'
  // A place that is left to be filled in says nothing yet.
  if (/[<{[]/.test(value)) return null
  if (value.length >= OPAQUE_CHARS_MIN && /^[\w+/=-]+$/.test(plain))
    return SIGNED.test(sent) ? null : { rule, severity: 'medium' }
  if (name !== null && NAMES.test(name)) return null
  // A file's name may be a sentence.
  if (name === null && /\.\w{2,5}$/.test(plain)) return null
  const text = name === null ? plain : percentDecoded(value.replaceAll('+', ' '))
  if (!isSpaced(text)) return null
  const words = wordsIn(text)
  if (words < WORDS_SOME - 1) return null
  if (name !== null && !HEADING.test(name) && (words >= WORDS_MANY || SENSITIVE.test(text)))
    return { rule, severity: 'high' }
  return words >= (name === null ? WORDS_MANY : WORDS_SOME) ? { rule, severity: 'medium' } : null
}

/** Whether blanks stand as near as between words: those of base64 are pluses. */
const isSpaced = (text: string): boolean =>
  text.length / text.split(/\s+/).length < WORD_CHARS_MAX || /[^ -~]/.test(text)

/** Percent signs taken off, as far as they are right. */
function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value.replace(/%([2-7][0-9a-fA-F])/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    )
  }
}
