/**
 * Hosts, URLs and IPv4 addresses in a text. Every stretch of host characters with a dot in it is looked at once, from
 * its end: the lanes of a key pass its parents on the way, and a top-level domain that nothing is listed under ends it.
 */
import type { Finding } from '@agentcostcontrol/contract'
import { isDigit } from '../scan/ascii.ts'
import { endpointText, readV4, showV4 } from './address.ts'
import { FIRST, first, highOf, KIND, keyFromEnd, lowOf, SECOND, second, tldBit } from './hash.ts'
import { META } from './index-format.ts'
import type { ThreatIndex } from './index-reader.ts'
import { HOST_CHARS_MAX, LABEL_CHARS_MAX } from './spans.ts'
import { isForeign, isHostChar, isLabelChar } from './text-classes.ts'
import {
  isDefangedDot,
  type Looked,
  REACH_CHARS,
  readDefanged,
  readEscaped,
  readForeign,
  readNumber,
} from './unusual.ts'
import { toFinding } from './url-match.ts'

const DOT = 46
const SLASH = 47
const AT = 64
const PERCENT = 37
const BACKSLASH = 92

/** Puts what is listed among the findings, in ascending order. */
export function findHosts(index: ThreatIndex, text: string, findings: Finding[]): void {
  let next = 0
  for (let dot = text.indexOf('.'); dot !== -1; dot = text.indexOf('.', next)) {
    next = dot + 1
    let end = next
    while (end < text.length && isLabelChar(text.charCodeAt(end))) end++
    const after = end < text.length ? text.charCodeAt(end) : 0
    // Of most stretches this is all that is looked at: what stands behind their last dot.
    if (end > next) {
      if (after === DOT && end + 1 < text.length && isLabelChar(text.charCodeAt(end + 1))) continue
      if (after < 128 && !index.hasTld(tldBit(text, next, end)) && !isDigit(text.charCodeAt(next))) continue
    } else if (after < 128 && !isDefangedDot(text, dot)) continue
    const found = lookAtStretch(index, text, dot, end)
    if (found?.finding) findings.push(found.finding)
    next = Math.max(end, found?.end ?? 0)
  }
}

function lookAtStretch(index: ThreatIndex, text: string, dot: number, end: number): Looked | null {
  let start = dot
  const least = Math.max(0, dot - HOST_CHARS_MAX - 1)
  while (start > least && isHostChar(text.charCodeAt(start - 1))) start--
  return lookAt(index, text, start, end) ?? lookAround(index, text, start, end)
}

/** What stands before or behind a stretch may change what it is. */
function lookAround(index: ThreatIndex, text: string, start: number, end: number): Looked | null {
  const before = text.charCodeAt(start - 1)
  if (before === BACKSLASH) {
    // JSON within JSON: the letter belongs to the escape.
    const escaped = text.charCodeAt(start) === 117 ? 5 : 1
    return start + escaped < end ? lookAt(index, text, start + escaped, end) : null
  }
  if (before === PERCENT) return readEscaped(index, text, start)
  if (isDefangedDot(text, start)) return readDefanged(index, text, start)
  return isForeign(before) || isForeign(text.charCodeAt(end)) ? readForeign(index, text, start) : null
}

/** What is listed of the stretch, or of the URL that begins with it. */
function lookAt(index: ThreatIndex, text: string, from: number, to: number): Looked | null {
  let [start, end] = [from, to]
  while (end > start && isEdge(text.charCodeAt(end - 1))) end--
  while (start < end && isEdge(text.charCodeAt(start))) start++
  if (end - start < 4 || end - start > HOST_CHARS_MAX) return null
  const last = text.charCodeAt(end - 1)
  if (last >= 48 && last <= 57) {
    const value = readV4(text, start, end)
    if (value >= 0) return looked(lookAtV4(index, text, value, start, end))
    return isAuthority(text, start) ? readNumber(index, text, start, end) : null
  }
  return looked(lookAtName(index, text, start, end))
}

const looked = (finding: Finding | null): Looked | null => (finding === null ? null : { finding, end: finding.end })

const isEdge = (code: number): boolean => code === DOT || code === 45 || code === 95

/** Whether a URL's host begins here, with or without a user before it. */
function isAuthority(text: string, start: number): boolean {
  const before = text.charCodeAt(start - 1)
  if (before === SLASH) return text.charCodeAt(start - 2) === SLASH || text.charCodeAt(start - 2) === BACKSLASH
  return before === AT && USER.test(text.slice(Math.max(0, start - REACH_CHARS), start))
}

const USER = /\/\/[^\s/@]{1,64}@$/

function lookAtName(index: ThreatIndex, text: string, start: number, end: number): Finding | null {
  let [a, b] = [FIRST, SECOND]
  let label = 0
  let listed = 0
  let isTop = true
  for (let at = end - 1; at >= start; at--) {
    let code = text.charCodeAt(at)
    if (code === DOT) {
      if (label === 0) return null
      if (!isTop && listed === 0) {
        const meta = index.find(highOf(a, b, KIND.host), lowOf(a, b, KIND.host))
        if ((meta & META.whole) !== 0) listed = meta
      }
      isTop = false
      label = 0
    } else {
      if (++label > LABEL_CHARS_MAX) return null
      if (code >= 65 && code <= 90) code += 32
    }
    a = first(a, code)
    b = second(b, code)
  }
  if (isTop) return null
  const meta = index.find(highOf(a, b, KIND.host), lowOf(a, b, KIND.host))
  if ((meta & META.whole) !== 0) listed = meta
  return toFinding(index, text, { start, end, listed, hasUrls: (meta & META.parts) !== 0, ruleId: 'domain' })
}

function lookAtV4(index: ThreatIndex, text: string, value: number, start: number, end: number): Finding | null {
  let listed = index.lookV4(value)
  const port = /^:(\d{1,5})(?!\d)/.exec(text.slice(end, end + 7))
  if (port) listed = index.look(endpointText(value, Number(port[1])), KIND.endpoint) || listed
  const [high, low] = keyFromEnd(showV4(value), KIND.host)
  const hasUrls = (index.find(high, low) & META.parts) !== 0
  return toFinding(index, text, { start, end, listed, hasUrls, ruleId: 'ip' })
}
