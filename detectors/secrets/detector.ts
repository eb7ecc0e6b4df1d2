import { createHash } from 'node:crypto'
import type { Finding } from '@agentcostcontrol/contract'
import { mergeFindings } from '../redact.ts'
import { createKeywordScanner } from '../scan/keyword-scanner.ts'
import type { Keyword } from '../scan/keyword-table.ts'
import { UNSECURED_CREDENTIAL } from '../taxonomy.ts'
import type { SelfTestedDetector } from '../types.ts'
import { type CheckResult, entropyBits, runCheck } from './checks.ts'
import { type CompiledRule, compileRule } from './compile.ts'
import { isPlaceholder } from './placeholder.ts'
import type { RuleFile } from './rule.ts'
import { RULE_FILES } from './rules/index.ts'

/** Raised by hand when the code decides otherwise; the rules are hashed. */
const ENGINE_VERSION = 1
/** A private key with its line breaks, and the longest tokens; no rule may reach further. */
const HOLD_CHARS_MAX = 16_384
const ENTROPY_MIN = 2.5
/** A candidate whose check is `weak` counts for less. */
const ONE_LOWER = { critical: 'high', high: 'medium', medium: 'low', low: 'low' } as const
const WEAK_FACTOR = 0.7

/** A finding, and where the text that led to it begins: a key's name stands before its value. */
interface Match extends Finding {
  readonly from: number
}

interface Engine {
  readonly version: string
  /** Calls `visit` for each place where a rule may begin, in ascending order of keywords. */
  visit(text: string, visit: (rule: CompiledRule, start: number) => void): void
  /** Rules whose keyword does not stand at their beginning. */
  readonly led: readonly CompiledRule[]
  /** Whether a text that begins like this may be the beginning of a keyword, or is one, before which nothing alphanumeric may stand. */
  readonly guarded: (text: string) => boolean
  /** The same of keywords before which anything may stand. */
  readonly free: (text: string) => boolean
  readonly keywordCharsMax: number
}

/** Builds the detector from rule data. Throws what {@link compileRule} throws, and a RangeError for a rule that reaches too far. */
export function createSecretsDetector(files: readonly RuleFile[]): SelfTestedDetector {
  const engine = createEngine(files)
  return {
    id: 'secrets',
    version: engine.version,
    holdCharsMax: HOLD_CHARS_MAX,
    detect: (text) => mergeFindings(matchesIn(engine, text)).map(({ from: _, ...finding }) => finding),
    openFrom: (text) => openFrom(engine, text),
    // Put together at run time, so that no scanner of repositories takes the source for a leak.
    canary: () => `deploy with ${['AK', 'IA'].join('')}${['Q3EGRT7Z', '5WXKCN2M'].join('')} today`,
  }
}

/** Finds credentials of known formats: see docs/detection.md. */
export const secretsDetector: SelfTestedDetector = createSecretsDetector(RULE_FILES)

function createEngine(files: readonly RuleFile[]): Engine {
  const keywords: Keyword[] = []
  const rulesOf: CompiledRule[][] = []
  const indexOf = new Map<string, number>()
  const led: CompiledRule[] = []
  const beginnings = { guarded: new Set<string>(), free: new Set<string>(), lower: new Set<string>() }
  for (const { family, rules } of files) {
    for (const rule of rules) {
      const compiled = compileRule(rule, family)
      if (compiled.reachChars > HOLD_CHARS_MAX) throw new RangeError(`the rule ${rule.id} reaches too far`)
      if (compiled.keywordAt > 0) led.push(compiled)
      const ignoreCase = rule.ignoreCase ?? false
      for (const text of rule.keywords) {
        const key = `${ignoreCase}:${text}`
        const index = indexOf.get(key) ?? rulesOf.push([]) - 1
        indexOf.set(key, index)
        rulesOf[index]?.push(compiled)
        const next = compiled.bytesAfter(text.length)
        const others = keywords[index]?.next
        keywords[index] = { text, ignoreCase, next: next.map((bytes, place) => union(bytes, others?.[place] ?? [])) }
        if (compiled.keywordAt > 0) continue
        for (let end = 1; end <= text.length; end++) {
          const beginning = text.slice(0, end)
          if (compiled.before !== 'any') beginnings.guarded.add(beginning)
          if (compiled.before !== 'notAlnum') (ignoreCase ? beginnings.lower : beginnings.free).add(beginning)
        }
      }
    }
  }
  const scanner = createKeywordScanner(keywords)
  return {
    version: `${ENGINE_VERSION}.${createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12)}`,
    led,
    keywordCharsMax: Math.max(...keywords.map(({ text }) => text.length)),
    guarded: (text) => beginnings.guarded.has(text),
    free: (text) => beginnings.free.has(text) || beginnings.lower.has(text.toLowerCase()),
    visit(text, visit) {
      scanner.scan(text, (at, keywordIndex) => {
        const rules = rulesOf[keywordIndex]
        if (!rules) return
        for (const rule of rules) {
          const start = at - rule.keywordAt
          if (start >= 0 && mayBegin(rule, text, start)) visit(rule, start)
        }
      })
    },
  }
}

function union(some: readonly number[], others: readonly number[]): readonly number[] {
  return [...new Set([...some, ...others])]
}

function mayBegin({ before }: CompiledRule, text: string, start: number): boolean {
  if (before === 'any') return true
  const code = start === 0 ? 0 : text.charCodeAt(start - 1)
  return before === 'digit' ? isDigit(code) : !isAlnum(code)
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isAlnum = (code: number): boolean => isDigit(code) || (code >= 97 && code <= 122) || (code >= 65 && code <= 90)

function matchesIn(engine: Engine, text: string): readonly Match[] {
  const matches: Match[] = []
  // Where the last match of a rule ended: a rule does not look inside what it has found.
  const endOf = new Map<CompiledRule, number>()
  engine.visit(text, (rule, from) => {
    if (from < (endOf.get(rule) ?? 0)) return
    rule.whole.lastIndex = from
    const found = rule.whole.exec(text)
    if (!found) return
    const end = rule.whole.lastIndex
    const secret = found[1] ?? found[0]
    const result = judge(rule, secret)
    if (result === 'fail') return
    endOf.set(rule, end)
    matches.push(toMatch(rule, result, from, end - secret.length, end))
  })
  return matches
}

function judge({ rule }: CompiledRule, secret: string): CheckResult {
  if (entropyBits(secret) < (rule.entropyMin ?? ENTROPY_MIN)) return 'fail'
  if (rule.placeholders !== false && isPlaceholder(secret)) return 'fail'
  return rule.check ? runCheck(rule.check, secret) : 'pass'
}

function toMatch({ rule, family }: CompiledRule, result: CheckResult, from: number, start: number, end: number): Match {
  return {
    detectorId: 'secrets',
    ruleId: rule.id,
    category: family,
    severity: result === 'weak' ? ONE_LOWER[rule.severity] : rule.severity,
    score: (rule.score ?? ('pattern' in rule ? 0.95 : 0.8)) * (result === 'weak' ? WEAK_FACTOR : 1),
    start,
    end,
    taxonomy: UNSECURED_CREDENTIAL,
    from,
  }
}

function openFrom(engine: Engine, text: string): number {
  const floor = Math.max(0, text.length - HOLD_CHARS_MAX)
  const tail = floor === 0 ? text : text.slice(floor)
  let open = Math.min(openRule(engine, tail), openKeyword(engine, tail))
  const matches = matchesIn(engine, tail)
  for (let before = -1; before !== open; ) {
    before = open
    for (const { from, end } of matches) if (from < open && end > open) open = from
    open = keepingWhatPrecedes(engine, tail, open)
  }
  // Half of a surrogate pair stays with its other half.
  if (open === tail.length && open > 0 && (tail.charCodeAt(open - 1) & 0xfc00) === 0xd800) open--
  return floor + open
}

/** The first place where a rule has begun and not ended. */
function openRule(engine: Engine, text: string): number {
  let open = text.length
  const consider = (rule: CompiledRule, start: number): void => {
    if (start < open && begunAt(rule, text, start)) open = start
  }
  engine.visit(text, consider)
  for (const rule of engine.led) {
    const first = Math.max(0, text.length - rule.reachChars)
    for (let start = text.length - 1; start >= first && !isSpace(text.charCodeAt(start)); start--) {
      if (mayBegin(rule, text, start)) consider(rule, start)
    }
  }
  return open
}

function begunAt(rule: CompiledRule, text: string, start: number): boolean {
  if (start + rule.reachChars < text.length) return false
  rule.beginning.lastIndex = start
  return rule.beginning.test(text)
}

/** The first place in the last characters where a keyword has begun and not ended. */
function openKeyword({ guarded, free, keywordCharsMax }: Engine, text: string): number {
  for (let start = Math.max(0, text.length - keywordCharsMax + 1); start < text.length; start++) {
    const end = text.slice(start)
    if (free(end)) return start
    if (guarded(end) && (start === 0 || !isAlnum(text.charCodeAt(start - 1)))) return start
  }
  return text.length
}

/**
 * Steps back over letters and digits as long as something would seem to begin at the cut that, with them in front,
 * does not: whoever drops the released text must come to the same findings.
 */
function keepingWhatPrecedes(engine: Engine, text: string, open: number): number {
  let kept = open
  while (kept > 0 && isAlnum(text.charCodeAt(kept - 1)) && mightBegin(engine, text, kept)) kept--
  return kept
}

function mightBegin(engine: Engine, text: string, start: number): boolean {
  if (start === text.length || engine.guarded(text.slice(start, start + 3))) return true
  return engine.led.some((rule) => begunAt(rule, text, start))
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)
