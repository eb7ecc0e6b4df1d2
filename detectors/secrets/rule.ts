import type { Severity } from '@agentcostcontrol/contract'
import type { CheckId } from './checks.ts'

/** What kind of service a secret opens; the `category` of its findings. */
export type SecretFamily =
  | 'cloud'
  | 'ai-provider'
  | 'code-host'
  | 'payment'
  | 'messaging'
  | 'database'
  | 'saas'
  | 'infrastructure'
  | 'key'
  | 'generic'

/**
 * What must follow a secret, so that it is not a piece of something longer. `alnum`, `word`, `base64` name the
 * characters that may not follow; `quote`, `at` (an "@") and `space` (white space, a quote or the end) what must.
 */
export type SecretEnd = 'alnum' | 'word' | 'base64' | 'quote' | 'at' | 'space'

interface RuleBase {
  /** Stable: it stands in policies, events and placeholders. */
  readonly id: string
  readonly title: string
  readonly severity: Severity
  /** Literals of which one stands in every match; the prefilter looks for nothing else. */
  readonly keywords: readonly string[]
  readonly ignoreCase?: boolean
  readonly end?: SecretEnd
  /** The least Shannon entropy of the secret, in bits a character; 2.5 if not given. */
  readonly entropyMin?: number
  readonly check?: CheckId
  /** Confidence, 0 to 1; 0.95 for a pattern and 0.8 for an assigned value if not given. */
  readonly score?: number
  /** False where words that mark placeholders can stand in a real secret by accident: in very long ones. */
  readonly placeholders?: false
}

/** A secret that is known by its own look. */
export interface PatternRule extends RuleBase {
  /**
   * In the subset of `scan/pattern.ts`. The first group that captures, if there is one, is the secret and ends the
   * match; otherwise the secret is the whole match.
   */
  readonly pattern: string
  /** Characters of the pattern in front of the keyword; 0 if not given. */
  readonly keywordAt?: number
  /** What must stand before the match: no letter or digit (nor "-" or "_" if a long match goes on over them), a digit, or anything. */
  readonly before?: 'digit' | 'any'
}

/** A secret that is known only by the name that it is assigned to, as in `DATADOG_API_KEY = "…"`. */
export interface AssignedRule extends RuleBase {
  /** What the value looks like, in the subset of `scan/pattern.ts`. */
  readonly value: string
  /** False if a keyword alone names a secret; otherwise a word like "key" or "token" must follow it. */
  readonly needsHint?: false
}

/** One format. */
export type SecretRule = PatternRule | AssignedRule

/** The rules of one family. */
export interface RuleFile {
  readonly family: SecretFamily
  readonly rules: readonly SecretRule[]
}
