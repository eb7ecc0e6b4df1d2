import { createHash } from 'node:crypto'
import { isAlnum, isDigit, isWord } from '../scan/ascii.ts'
import { createKeywordScanner } from '../scan/keyword-scanner.ts'
import type { Keyword } from '../scan/keyword-table.ts'
import { createPrefixTree, type PrefixTree } from '../scan/prefix-tree.ts'
import { type CompiledRule, compileRule } from './compile.ts'
import { type LengthsByEnd, lengthsByEnd } from './keyword-ends.ts'
import type { RuleFile } from './rule.ts'

/** A private key with its line breaks, and the longest tokens; no rule may reach further. */
export const HOLD_CHARS_MAX = 16_384
/** Raised by hand when the code comes to decide otherwise; the rules are hashed. */
const ENGINE_VERSION = 2

/** A rule, and an offset at which it may begin: a keyword is where it should be. */
export interface Place {
  readonly rule: CompiledRule
  readonly start: number
}

/** All rules, ready to run. */
export interface Engine {
  readonly version: string
  /** Where rules may begin, in ascending order of their keywords. */
  placesIn(text: string): readonly Place[]
  /** Rules whose keyword does not stand at their beginning. */
  readonly led: readonly CompiledRule[]
  /** The most characters that one of them reaches. */
  readonly ledCharsMax: number
  /** Whether none of them begins behind a letter or a digit. */
  readonly ledLooksBack: boolean
  /** The keywords at the beginning of rules that look at the character before them. */
  readonly guarded: PrefixTree
  /** The keywords at the beginning of rules before which anything may stand, or a digit. */
  readonly free: PrefixTree
  /** How long beginnings of these can be. */
  readonly lengthsByEnd: LengthsByEnd
}

/** Compiles rules. @throws PatternError for a pattern outside the subset, RangeError for a rule that reaches too far. */
export function createEngine(files: readonly RuleFile[]): Engine {
  const [guarded, free] = [createPrefixTree(), createPrefixTree()]
  const keywords = new Map<string, Keyword>()
  const rulesOf = new Map<string, CompiledRule[]>()
  const led: CompiledRule[] = []
  const leading: { readonly text: string; readonly ignoreCase: boolean }[] = []
  for (const { family, rules } of files) {
    for (const rule of rules) {
      const { compiled, bytesAfter } = compileRule(rule, family)
      const { before, keywordAt } = compiled
      if (compiled.reachChars > HOLD_CHARS_MAX) throw new RangeError(`the rule ${rule.id} reaches too far`)
      if (keywordAt > 0) led.push(compiled)
      const ignoreCase = rule.ignoreCase ?? false
      const looksBack = before === 'notAlnum' || before === 'notWord'
      for (const text of rule.keywords) {
        const key = `${ignoreCase}:${text}`
        keywords.set(
          key,
          joined(
            { text, ignoreCase, startsWord: keywordAt === 0 && looksBack, next: bytesAfter(text.length) },
            keywords.get(key),
          ),
        )
        rulesOf.set(key, [...(rulesOf.get(key) ?? []), compiled])
        if (keywordAt > 0) continue
        leading.push({ text, ignoreCase })
        if (before !== 'any') guarded.add(text, ignoreCase)
        if (!looksBack) free.add(text, ignoreCase)
      }
    }
  }
  const scanner = createKeywordScanner([...keywords.values()])
  const rulesByKeyword = [...keywords.keys()].map((key) => rulesOf.get(key) ?? [])
  return {
    version: `${ENGINE_VERSION}.${createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12)}`,
    led,
    ledCharsMax: Math.max(0, ...led.map(({ reachChars }) => reachChars)),
    ledLooksBack: led.every(({ before }) => before === 'notAlnum' || before === 'notWord'),
    guarded,
    free,
    lengthsByEnd: lengthsByEnd(leading),
    placesIn(text) {
      const places: Place[] = []
      scanner.scan(text, (at, keywordIndex) => {
        for (const rule of rulesByKeyword[keywordIndex] ?? []) {
          const start = at - rule.keywordAt
          if (start >= 0 && mayBegin(rule, text, start)) places.push({ rule, start })
        }
      })
      return places
    },
  }
}

/** What two rules want of a keyword that they share. */
function joined(one: Keyword, other: Keyword | undefined): Keyword {
  if (!other) return one
  const next = one.next.map((bytes, place) => [...new Set([...bytes, ...(other.next[place] ?? [])])])
  return { ...one, startsWord: one.startsWord && other.startsWord, next }
}

/** Whether what stands before an offset lets a rule begin there. */
export function mayBegin({ before }: CompiledRule, text: string, start: number): boolean {
  if (before === 'any') return true
  const code = start === 0 ? 0 : text.charCodeAt(start - 1)
  if (before === 'digit') return isDigit(code)
  return before === 'notWord' ? !isWord(code) : !isAlnum(code)
}
