import { beginningSource, bytesAt, fullSource, type Pattern, parsePattern } from '../scan/pattern.ts'
import type { AssignedRule, PatternRule, SecretEnd, SecretFamily, SecretRule } from './rule.ts'

/** A rule ready to run at an offset. */
export interface CompiledRule {
  readonly rule: SecretRule
  readonly family: SecretFamily
  /** Sticky; group 1, if any, is the secret and ends the match. */
  readonly whole: RegExp
  /** Sticky; matches where more text could make `whole` match, or match more. */
  readonly beginning: RegExp
  /** The most characters that a match can have, and one more that decides where it ends. */
  readonly reachChars: number
  readonly keywordAt: number
  readonly before: 'notAlnum' | 'notWord' | 'digit' | 'any'
}

/** A compiled rule, and what its keywords are looked for with; only the first is kept. */
export interface Compilation {
  readonly compiled: CompiledRule
  /** The bytes that can follow a keyword of this many characters, place by place up to its fifth character. */
  bytesAfter(keywordChars: number): readonly (readonly number[])[]
}

const ENDS: Readonly<Record<SecretEnd, string>> = {
  alnum: '(?![A-Za-z0-9])',
  word: '(?![A-Za-z0-9_-])',
  base64: '(?![A-Za-z0-9+/=])',
  quote: '(?=\\\\?["\'`])',
  at: '(?=@)',
  space: '(?=[\\s"\'`,;\\\\]|$)',
}

/** The prefilter looks at five characters. */
const KEYWORD_CHARS = 5

/** Between a vendor's name and its value: the rest of the key's name, a closing quote, and what assigns. */
const HINT = '[A-Za-z0-9_ .-]{0,20}(?:key|token|secret|pass|pwd|auth|pat|cred|sid)'
const ASSIGN = '[A-Za-z0-9_ .-]{0,16}\\\\?["\'`]?\\]?[ ]{0,4}(?:[:=]{1,2}>?|,|is|to)[ ]{0,4}\\\\?["\'`]?'

/** Compiles one rule. @throws PatternError if its pattern is outside the subset. */
export function compileRule(rule: SecretRule, family: SecretFamily): Compilation {
  const pattern = parsePattern('pattern' in rule ? rule.pattern : assignedPattern(rule))
  const ignoreCase = rule.ignoreCase ?? false
  const flags = ignoreCase ? 'iy' : 'y'
  const keywordAt = ('pattern' in rule ? rule.keywordAt : undefined) ?? 0
  const compiled: CompiledRule = {
    rule,
    family,
    whole: new RegExp(`(?:${fullSource(pattern)})${ENDS[rule.end ?? 'alnum']}`, flags),
    beginning: new RegExp(beginningSource(pattern), flags),
    reachChars: pattern.charsMax + 2,
    keywordAt,
    before: 'pattern' in rule ? (rule.before ?? (goesOnOverDashes(rule, pattern) ? 'notWord' : 'notAlnum')) : 'any',
  }
  return {
    compiled,
    bytesAfter: (keywordChars) => {
      const count = KEYWORD_CHARS - keywordChars
      return count > 0 ? bytesAt(pattern, keywordAt + keywordChars, count, ignoreCase) : []
    },
  }
}

/**
 * Whether a long match can go on over "-" or "_", behind which the same rule would otherwise begin again: a text like
 * "sk-sk-sk-…" must not be read as often as it has dashes.
 */
function goesOnOverDashes(rule: PatternRule, { charsMax }: Pattern): boolean {
  return charsMax >= 64 && /\[[^\]]*[_-]\]/.test(rule.pattern)
}

function assignedPattern(rule: AssignedRule): string {
  const names = rule.keywords.map((keyword) => keyword.replace(/[.]/g, '\\.')).join('|')
  return `(?:${names})${rule.needsHint === false ? '' : HINT}${ASSIGN}(${rule.value})`
}
