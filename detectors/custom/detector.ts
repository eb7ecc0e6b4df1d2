import { createHash } from 'node:crypto'
import { type CustomRuleDocument, type Finding, SEGMENT_SOURCES, type SegmentSource } from '@agentcostcontrol/contract'
import { mergeFindings } from '../redact.ts'
import type { DetectorContext, SelfTestedDetector } from '../types.ts'
import { type CompiledCondition, compileCondition } from './condition.ts'
import { createLiteralScan, type Literal } from './literals.ts'
import { compilePattern, type LinearPattern } from './pattern.ts'

/** A match of a pattern in a streamed answer that is longer may be seen in part, or not. */
const PATTERN_HOLD_CHARS = 256
/** A streamed answer that is longer is not judged by conditions alone. */
const CONDITION_HOLD_CHARS = 4_096
/** Longest text of a call that is read for `args`. */
const ARGS_CHARS_MAX = 262_144
/** Most findings of one rule in one text. */
const FINDINGS_MAX = 1_000
const ENGINE_VERSION = 1

const NOTHING: readonly Finding[] = []

interface Rule {
  readonly document: CustomRuleDocument
  readonly sources: ReadonlySet<SegmentSource>
  readonly tools: ReadonlySet<string> | null
  readonly hasLiterals: boolean
  readonly pattern: LinearPattern | null
  readonly condition: Extract<CompiledCondition, { ok: true }> | null
}

/** In two parts, so that no text about this detector is one. */
const CANARY: CustomRuleDocument['spec'] = {
  severity: 'low',
  category: 'custom',
  sources: [...SEGMENT_SOURCES],
  literals: [['custom-rules', 'canary-5e1f'].join('-')],
  ignoreCase: false,
}

/**
 * Finds what a policy's own rules say. Rules that do not compile find nothing: the policy's compiler refuses them.
 * In a stream literals are held until they are whole, and the last characters as long as a pattern may need them.
 */
export function createCustomDetector(documents: readonly CustomRuleDocument[]): SelfTestedDetector {
  const canary: CustomRuleDocument = {
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'CustomRule',
    metadata: { name: 'canary' },
    spec: CANARY,
  }
  const rules = [...documents, canary].map(compileRule)
  const literals = rules.flatMap(({ document: { spec } }, rule) =>
    (spec.literals ?? []).map((text) => ({ text, ignoreCase: spec.ignoreCase, rule })),
  )
  const findLiterals = createLiteralScan(literals)
  const allHaveLiterals = rules.every(({ hasLiterals }) => hasLiterals)

  function judge(text: string, context: DetectorContext): readonly Finding[] {
    let spans: [start: number, end: number][][] | null = null
    findLiterals(text, (literal, start, end) => {
      spans ??= rules.map(() => [])
      const own = spans[literals[literal]?.rule ?? -1]
      if (own !== undefined && own.length < FINDINGS_MAX) own.push([start, end])
    })
    if (spans === null && allHaveLiterals) return NOTHING
    const literalSpans: readonly [start: number, end: number][][] = spans ?? []
    const args = lazily(() => argsOf(text, context))
    return rules.flatMap((rule, at) => {
      const own = literalSpans[at] ?? []
      if (!isFor(rule, context) || (rule.hasLiterals && own.length === 0)) return []
      const matches = rule.pattern === null ? own : matchesOf(rule.pattern, text)
      const found = rule.hasLiterals || rule.pattern !== null ? matches : [[0, text.length] as const]
      if (found.length === 0 || text === '') return []
      const { source, tool = '' } = context
      if (rule.condition !== null && !rule.condition.holds({ segment: { source, tool, text }, args: args() })) return []
      return found.map(([start, end]) => toFinding(rule, start, end))
    })
  }

  const beginnings = literals.map(({ text, ignoreCase }) => ({ text: ignoreCase ? folded(text) : text, ignoreCase }))
  const inAnswers = rules.filter(({ sources }) => sources.has('assistant'))
  const hold = holdOf(inAnswers)
  const detect = (text: string, context: DetectorContext): readonly Finding[] => {
    const found = judge(text, context)
    return found.length === 0 ? found : mergeFindings(found)
  }
  return {
    id: 'custom',
    sources: SEGMENT_SOURCES,
    grades: null,
    rulesOff: [],
    version: `${ENGINE_VERSION}-${createHash('sha256').update(JSON.stringify(documents)).digest('hex').slice(0, 16)}`,
    holdCharsMax: hold.most,
    detect,
    openFrom: (text) => openFrom(text, hold, beginnings, (tail) => judge(tail, { source: 'assistant' })),
    canary: () => `a text with ${CANARY.literals?.join('') ?? ''} in it`,
  }
}

function compileRule(document: CustomRuleDocument): Rule {
  const { pattern, ignoreCase, condition, literals, sources, tools } = document.spec
  const compiled = pattern === undefined ? null : compilePattern(pattern, ignoreCase)
  const judged = condition === undefined ? null : compileCondition(condition)
  const broken = compiled?.ok === false || judged?.ok === false
  return {
    document,
    sources: new Set(broken ? [] : sources),
    tools: tools === undefined ? null : new Set(tools),
    hasLiterals: literals !== undefined,
    pattern: compiled?.ok ? compiled.pattern : null,
    condition: judged?.ok ? judged : null,
  }
}

const isFor = ({ sources, tools }: Rule, { source, tool }: DetectorContext): boolean =>
  sources.has(source) && (tools === null || (tool !== undefined && tools.has(tool)))

function matchesOf(pattern: LinearPattern, text: string): readonly (readonly [start: number, end: number])[] {
  const matches: [number, number][] = []
  pattern.each(text, (start, end) => matches.push([start, end]) < FINDINGS_MAX)
  return matches
}

function argsOf(text: string, { source }: DetectorContext): unknown {
  if (source !== 'tool_call' || text.length > ARGS_CHARS_MAX) return {}
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function toFinding({ document: { metadata, spec } }: Rule, start: number, end: number): Finding {
  return {
    detectorId: 'custom',
    ruleId: metadata.name,
    category: spec.category,
    severity: spec.severity,
    score: 1,
    start,
    end,
    taxonomy: { owaspLlm: null, owaspAgentic: null, mitreAtlas: null },
  }
}

/** What a stream has to hold. */
interface Hold {
  /** The last so many characters, whatever they are. */
  readonly always: number
  readonly most: number
}

function holdOf(rules: readonly Rule[]): Hold {
  const longest = Math.max(
    0,
    ...rules.flatMap(({ document }) => (document.spec.literals ?? []).map(({ length }) => length)),
  )
  const always = Math.max(
    0,
    ...rules.map(({ pattern, hasLiterals, condition }) =>
      pattern !== null ? PATTERN_HOLD_CHARS : condition !== null && !hasLiterals ? CONDITION_HOLD_CHARS : 0,
    ),
  )
  return { always, most: Math.max(always, 1) + 2 * Math.max(longest, always === 0 ? 0 : PATTERN_HOLD_CHARS) }
}

function openFrom(
  text: string,
  { always, most }: Hold,
  literals: readonly Literal[],
  judge: (tail: string) => readonly Finding[],
): number {
  const floor = Math.max(0, text.length - most)
  const tail = text.slice(floor)
  let open = Math.min(Math.max(0, tail.length - always), begunLiteral(tail, literals))
  if (open < tail.length)
    for (const { start, end } of mergeFindings(judge(tail)).toReversed()) if (start < open && end > open) open = start
  if (open > 0 && (tail.charCodeAt(open) & 0xfc00) === 0xdc00) open--
  if (open === tail.length && open > 0 && (tail.charCodeAt(open - 1) & 0xfc00) === 0xd800) open--
  return floor + open
}

/** The first place where a literal has begun and not ended. @param literals folded where case is ignored */
function begunLiteral(text: string, literals: readonly Literal[]): number {
  const inFolded = literals.some(({ ignoreCase }) => ignoreCase) ? folded(text) : text
  let open = text.length
  for (const { text: wanted, ignoreCase } of literals) {
    const there = ignoreCase ? inFolded : text
    for (let start = Math.max(0, text.length - wanted.length + 1); start < open; start++)
      if (there.charCodeAt(start) === wanted.charCodeAt(0) && wanted.startsWith(there.slice(start))) open = start
  }
  return open
}

const ASCII = /^[\0-\x7f]*$/

/**
 * A text without case, each character where it stood: one that would be longer so (`İ`) stays, and none depends on its
 * neighbours, as a sigma at the end of a word does.
 */
function folded(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  let all = ''
  for (const char of text) all += lengthKept(char, lengthKept(char, char.toUpperCase()).toLowerCase())
  return all
}

const lengthKept = (char: string, changed: string): string => (changed.length === char.length ? changed : char)
