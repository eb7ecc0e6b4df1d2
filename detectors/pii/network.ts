import { isIPv6 } from 'node:net'
import { isDigit } from '../scan/ascii.ts'
import { END } from './compile.ts'

/** Where an address of the network stands. */
export interface NetworkMatch {
  readonly ruleId: 'ip-address' | 'mac-address'
  readonly start: number
  readonly end: number
}

const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`${BYTE}(?:\\.${BYTE}){3}${END}`, 'y')
const MAC = /^[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}$/
/** Addresses that are no one's: this host, nothing, everything. */
const NOBODY = /^(?:127\.|0\.|255\.|169\.254\.)/
const RUN_CHARS_MAX = 45
const MAC_CHARS = 17
/** Between the groups of an IPv6 address. */
const COLONS = 7
const DASH = 45
const COLON = 58

/** An IPv4 address at `start`. */
export function ipv4At(text: string, start: number): NetworkMatch | null {
  IPV4.lastIndex = start
  const match = IPV4.exec(text)
  return match && !NOBODY.test(match[0]) ? { ruleId: 'ip-address', start, end: IPV4.lastIndex } : null
}

const isHex = (code: number): boolean => isDigit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70)
const isHexGroup = (code: number): boolean => isHex(code) || code === COLON

/** A MAC or an IPv6 address around the digit at `at`, not before `floor`. */
export function hexGroupsAt(text: string, at: number, floor: number): NetworkMatch | null {
  let [start, end] = [at, at]
  while (start > floor && at - start <= RUN_CHARS_MAX && isHexGroup(text.charCodeAt(start - 1))) start--
  while (end < text.length && end - start <= RUN_CHARS_MAX && isHexGroup(text.charCodeAt(end))) end++
  if (end - start > RUN_CHARS_MAX || end - start < 6) return null
  const run = text.slice(start, end)
  if (run.length === MAC_CHARS && MAC.test(run)) return { ruleId: 'mac-address', start, end }
  return mayBeIPv6(run) && isIPv6(run) && !isWordAround(text, start, end) ? { ruleId: 'ip-address', start, end } : null
}

/** Cheap: seven colons, or two in a row for zeros that are left out. Times of day have neither. */
function mayBeIPv6(run: string): boolean {
  let colons = 0
  for (let at = run.indexOf(':'); at !== -1; at = run.indexOf(':', at + 1)) {
    if (run.charCodeAt(at + 1) === COLON) return run.includes(':', 4)
    colons++
  }
  return colons === COLONS
}

/** A MAC address written with dashes that begins at `start`. */
export function dashedMacAt(text: string, start: number): NetworkMatch | null {
  const end = start + MAC_CHARS
  if (text.charCodeAt(start + 5) !== DASH) return null
  return MAC.test(text.slice(start, end)) && !isWordAround(text, start, end)
    ? { ruleId: 'mac-address', start, end }
    : null
}

const isWordAround = (text: string, start: number, end: number): boolean =>
  /\w$/.test(text.slice(Math.max(0, start - 1), start)) || /^(?:\w|-\w)/.test(text.slice(end, end + 2))
