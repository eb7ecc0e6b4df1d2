import type { Finding } from '@agentcostcontrol/contract'
import { canonicalUrl } from './canonical.ts'
import { FIRST, first, highOf, KIND, lowOf, SECOND, second } from './hash.ts'
import type { ThreatIndex } from './index-reader.ts'
import { report } from './report.ts'
import { urlEnd } from './spans.ts'

const SLASH = 47

/** A host in a text, and what is known of it. */
export interface Seen {
  readonly start: number
  readonly end: number
  /** What lists the host itself; 0 for nothing. */
  readonly listed: number
  readonly hasUrls: boolean
  readonly ruleId: 'domain' | 'ip'
}

/**
 * A finding of the host, or of the URL that begins with it.
 * @param plain the host, and what of its path is written with it, where that is not what it means
 */
export function toFinding(index: ThreatIndex, text: string, seen: Seen, plain?: string): Finding | null {
  const { start, end, listed, hasUrls, ruleId } = seen
  if (listed === 0 && !hasUrls) return null
  const whole = urlEnd(text, start, end)
  const url = hasUrls ? lookAtUrl(index, (plain ?? text.slice(start, end)) + text.slice(end, whole)) : 0
  if (url !== 0) return report('url', url, start, whole)
  return listed === 0 ? null : report(ruleId, listed, start, whole)
}

/** What lists a URL without its scheme, or one that it begins with. */
function lookAtUrl(index: ThreatIndex, written: string): number {
  const plain = written.replaceAll('\\/', '/').replace(/[.,:]+$/, '')
  const ascii = plain.search(/[^!-~]/)
  return lookAtPlain(index, plain) || (ascii < 1 ? 0 : lookAtPlain(index, plain.slice(0, ascii)))
}

function lookAtPlain(index: ThreatIndex, text: string): number {
  const url = canonicalUrl(text)
  if (url === null) return 0
  let [a, b] = [FIRST, SECOND]
  const { key } = url
  const hostEnd = url.host.length + (url.port === null ? 0 : String(url.port).length + 1)
  for (let at = 0; at <= key.length; at++) {
    const code = at < key.length ? key.charCodeAt(at) : SLASH
    if (at >= hostEnd && isBoundary(code)) {
      const meta = index.find(highOf(a, b, KIND.url), lowOf(a, b, KIND.url))
      if (meta !== 0) return meta
    }
    a = first(a, code)
    b = second(b, code)
  }
  return 0
}

/** Where a part of a URL ends, or what a text goes on with behind one. */
const isBoundary = (code: number): boolean =>
  !(
    (code >= 97 && code <= 122) ||
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    code === 37 ||
    code === 45 ||
    code === 46 ||
    code === 95 ||
    code === 126 ||
    code === 43 ||
    code === 61
  )
