import type { Finding } from '@agentcostcontrol/contract'
import { KIND } from './hash.ts'
import type { ThreatIndex } from './index-reader.ts'
import { report } from './report.ts'
import { isHex } from './text-classes.ts'

/** Digits of MD5, the shortest one; no stretch of them escapes who looks at every so manieth character. */
const DIGITS_MIN = 32
/** Digits of SHA-256, the longest one. */
export const DIGITS_MAX = 64
const LENGTHS: ReadonlySet<number> = new Set([DIGITS_MIN, 40, DIGITS_MAX])

/** Puts hashes of listed files among the findings, in ascending order. */
export function findFiles(index: ThreatIndex, text: string, findings: Finding[]): void {
  for (let at = DIGITS_MIN - 1; at < text.length; at += DIGITS_MIN) {
    if (!isHex(text.charCodeAt(at))) continue
    let start = at
    while (start > 0 && isHex(text.charCodeAt(start - 1))) start--
    let end = at + 1
    while (isHex(text.charCodeAt(end))) end++
    at = Math.max(at, end - 1)
    if (!LENGTHS.has(end - start)) continue
    const meta = index.look(text.slice(start, end).toLowerCase(), KIND.file)
    if (meta !== 0) findings.push(report('file-hash', meta, start, end))
  }
}
