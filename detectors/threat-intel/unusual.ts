/** Hosts that are not written as hosts are: defanged, escaped, in other scripts, as one number, as IPv6. */
import type { Finding } from '@agentcostcontrol/contract'
import { readV4, readV6 } from './address.ts'
import { canonicalHost, refang } from './canonical.ts'
import { KIND, keyFromEnd } from './hash.ts'
import { META } from './index-format.ts'
import type { ThreatIndex } from './index-reader.ts'
import { toFinding } from './url-match.ts'

/** What was looked at, and how far; what is listed of it. */
export interface Looked {
  readonly end: number
  readonly finding: Finding | null
}

/** How far before a place such a host may begin, and how far behind it may end. */
export const REACH_CHARS = 128

const DEFANGED = /[\w-]{1,63}(?:(?:\.|\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\))[\w-]{1,63}){1,10}/gi
const ESCAPED = /[\w.%-]{4,256}/g
const FOREIGN = /[\p{L}\p{N}\p{M}_-]{1,63}(?:[.。．｡][\p{L}\p{N}\p{M}_-]{1,63}){1,8}/gu
const PAIRS: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' }

/** Whether a dot stands in brackets between two labels. */
export function isDefangedDot(text: string, dot: number): boolean {
  const closing = PAIRS[text[dot - 1] ?? '']
  if (closing === undefined || text[dot] !== '.' || text[dot + 1] !== closing) return false
  return WORD.test(text[dot - 2] ?? '') && WORD.test(text[dot + 2] ?? '')
}

/** `evil[.]example` at a place of it. */
export const readDefanged = (index: ThreatIndex, text: string, at: number): Looked | null =>
  readPattern(index, text, at, DEFANGED, refang)

/** A host in letters of any script. */
export const readForeign = (index: ThreatIndex, text: string, at: number): Looked | null =>
  readPattern(index, text, at, FOREIGN, (host) => host)

/** `%65vil.example`, and a whole URL that is the argument of another. */
export const readEscaped = (index: ThreatIndex, text: string, at: number): Looked | null =>
  readPattern(index, text, at, ESCAPED, (written) => {
    const plain = written.replace(/%([2-7][0-9a-fA-F])/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    )
    return plain.replace(/^.*?\/\//, '').replace(/^[^/]*@/, '')
  })

/** An address whose parts are not four decimal ones. */
export function readNumber(index: ThreatIndex, text: string, start: number, end: number): Looked | null {
  const host = canonicalHost(text.slice(start, end))
  return host === null || readV4(host) < 0 ? null : lookAtHost(index, text, { start, end, host, rest: '' })
}

function readPattern(
  index: ThreatIndex,
  text: string,
  at: number,
  pattern: RegExp,
  read: (written: string) => string,
): Looked | null {
  const from = Math.max(0, at - REACH_CHARS)
  for (const { 0: written, index: offset } of text.slice(from, at + 2 * REACH_CHARS).matchAll(pattern)) {
    const start = from + offset
    const end = start + written.length
    if (end <= at) continue
    if (start > at) return null
    const plain = read(written)
    const [name = ''] = plain.split(/[/?#:]/)
    const host = canonicalHost(name)
    const rest = plain.slice(name.length)
    return host === null ? { end, finding: null } : lookAtHost(index, text, { start, end, host, rest })
  }
  return null
}

/** Where a host stands, what it is, and what of its path is written with it. */
interface Written {
  readonly start: number
  readonly end: number
  readonly host: string
  readonly rest: string
}

function lookAtHost(index: ThreatIndex, text: string, { start, end, host, rest }: Written): Looked {
  const [high, low] = keyFromEnd(host, KIND.host)
  const own = index.find(high, low)
  const isV6 = host.startsWith('[')
  const value = readV4(host)
  const groups = isV6 ? readV6(host.slice(1, -1)) : null
  const listed = value >= 0 ? index.lookV4(value) : groups ? index.lookV6(groups) : lookAtParents(index, host)
  const ruleId = value >= 0 || isV6 ? 'ip' : 'domain'
  const seen = { start, end, listed, hasUrls: (own & META.parts) !== 0, ruleId } as const
  const finding = toFinding(index, text, seen, host + rest)
  return { end: finding?.end ?? end, finding }
}

function lookAtParents(index: ThreatIndex, host: string): number {
  for (let name = host; name.includes('.'); name = name.slice(name.indexOf('.') + 1)) {
    const [high, low] = keyFromEnd(name, KIND.host)
    const meta = index.find(high, low)
    if ((meta & META.whole) !== 0) return meta
  }
  return 0
}

/** Puts hosts among the findings that no dot, or another one, shows: `[dot]`, IPv6, and addresses as one number. */
export function findUnusual(index: ThreatIndex, text: string, findings: Finding[]): void {
  for (const dot of ['。', '．', '｡'])
    scan(text, dot, findings, (at) => (isBetweenAscii(text, at) ? readForeign(index, text, at) : null))
  scan(text, '[dot]', findings, (at) => readDefanged(index, text, at))
  scan(text, '://', findings, (at) => readAuthority(index, text, at + 3))
  if (index.hasV6) scan(text, '::', findings, (at) => readBareV6(index, text, at))
}

function scan(text: string, mark: string, findings: Finding[], look: (at: number) => Looked | null): void {
  let next = 0
  for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, next)) {
    const found = look(at)
    next = Math.max(at + mark.length, found?.end ?? 0)
    if (found?.finding) findings.push(found.finding)
  }
}

const WORD = /^\w$/
const isBetweenAscii = (text: string, at: number): boolean =>
  WORD.test(text[at - 1] ?? '') && WORD.test(text[at + 1] ?? '')

const NUMBER = /(?:[^\s/@"'<>]{1,64}@)?(0[xX][0-9a-fA-F]{1,8}|\d{8,12})(?![\w.])/y
const BRACKETED = /(?:[^\s/@"'<>]{1,64}@)?(\[[0-9a-fA-F:.]{2,45}\])/y

/** The host of a URL, if it is one number or in brackets. */
function readAuthority(index: ThreatIndex, text: string, at: number): Looked | null {
  for (const pattern of [NUMBER, BRACKETED]) {
    pattern.lastIndex = at
    const host = pattern.exec(text)?.[1]
    if (host === undefined) continue
    const end = pattern.lastIndex
    const canonical = canonicalHost(host)
    const start = end - host.length
    return canonical === null ? null : lookAtHost(index, text, { start, end, host: canonical, rest: '' })
  }
  return null
}

const V6 = /[0-9a-fA-F:.]{2,45}/y

function readBareV6(index: ThreatIndex, text: string, at: number): Looked | null {
  let start = at
  while (start > Math.max(0, at - 40) && /[0-9a-fA-F:]/.test(text[start - 1] ?? '')) start--
  V6.lastIndex = start
  const [written = ''] = V6.exec(text) ?? []
  const end = Math.max(at + 2, start + written.length)
  if (WORD.test(text[start - 1] ?? '') || WORD.test(text[end] ?? '')) return { end, finding: null }
  const groups = readV6(written.replace(/[.:]+$/, (tail) => (tail === '::' ? tail : '')))
  if (groups === null) return { end, finding: null }
  const meta = index.lookV6(groups)
  const seen = { start, end, listed: meta, hasUrls: false, ruleId: 'ip' } as const
  return { end, finding: toFinding(index, text, seen) }
}
