import type { Finding } from '@agentcostcontrol/contract'
import { exactFingerprint, ROLLING, rollingOf } from './fingerprint.ts'

/** What is kept of a secret, to know it again wherever it stands in a text. */
export interface Fingerprinted {
  readonly chars: number
  readonly rolling: number
  readonly exact: number
}

/** What is shorter stands in too many texts by accident. */
const CHARS_MIN = 8
/** Of a longer secret its first characters are known again. */
const CHARS_MAX = 48
const SECRETS_MAX = 64

/** Secrets that the detectors found in a text. */
export function secretsOf(text: string, verdict: readonly Finding[]): readonly Fingerprinted[] {
  const secrets: Fingerprinted[] = []
  for (const finding of verdict) {
    if (!isSecret(finding) || secrets.length >= SECRETS_MAX) continue
    const [start, end] = coreOf(text, finding.start, finding.end)
    if (end - start >= CHARS_MIN)
      secrets.push({
        chars: end - start,
        rolling: rollingOf(text, start, end),
        exact: exactFingerprint(text, start, end),
      })
  }
  return secrets
}

/** Whether one of the findings is a secret that is followed. */
export const holdsSecret = (verdict: readonly Finding[]): boolean => verdict.some(isSecret)

const isSecret = ({ detectorId, severity }: Finding): boolean =>
  detectorId === 'secrets'
    ? severity !== 'low'
    : detectorId === 'pii' && (severity === 'high' || severity === 'critical')

/** The longest run without blanks or escapes, cut: the lines of a key are broken in other ways elsewhere. */
function coreOf(text: string, start: number, end: number): readonly [number, number] {
  let best: readonly [number, number] = [start, start]
  let from = start
  for (let at = start; at <= end; at++) {
    const code = at < end ? text.charCodeAt(at) : 32
    if (code > 32 && code !== 92) continue
    if (at - from > best[1] - best[0]) best = [from, at]
    from = at + 1
  }
  return [best[0], Math.min(best[1], best[0] + CHARS_MAX)]
}

/** Secrets by length, for the search. */
export class SecretIndex {
  readonly #byChars = new Map<number, Map<number, { readonly exact: number; given: boolean }>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param given true if the user or the system said it, and not a tool's result */
  add({ chars, rolling, exact }: Fingerprinted, given: boolean): void {
    let ofChars = this.#byChars.get(chars)
    if (!ofChars) {
      ofChars = new Map()
      this.#byChars.set(chars, ofChars)
    }
    const known = ofChars.get(rolling)
    if (known) {
      if (given) known.given = true
      return
    }
    if (this.#size >= INDEX_MAX) return
    ofChars.set(rolling, { exact, given })
    this.#size++
  }

  /** Whether a secret stands anywhere in a text, and whether it was one that the user or the system gave; `null` if none does. */
  findIn(text: string): { readonly given: boolean } | null {
    let found: { readonly given: boolean } | null = null
    for (const [chars, secrets] of this.#byChars) {
      if (text.length < chars) continue
      // What a character counts for that leaves the window on its left.
      let leaving = 1
      for (let at = 1; at < chars; at++) leaving = Math.imul(leaving, ROLLING)
      let rolling = rollingOf(text, 0, chars)
      for (let end = chars; ; end++) {
        const secret = secrets.get(rolling)
        if (secret && secret.exact === exactFingerprint(text, end - chars, end)) {
          if (!secret.given) return secret
          found = secret
        }
        if (end >= text.length) break
        rolling = (rolling - Math.imul(text.charCodeAt(end - chars), leaving)) | 0
        rolling = (Math.imul(rolling, ROLLING) + text.charCodeAt(end)) | 0
      }
    }
    return found
  }
}

/** Most secrets of one session. */
const INDEX_MAX = 256
