import { classBit, type WordClass } from './lexicon.ts'
import { BREAK, TAG, type WordReader } from './reader.ts'
import { WORD_RULES, type WordRule } from './rules.ts'

/** Words that are looked at behind one another; a rule never reaches further. */
const REACH = 16
/** Words before a rule's first one in which a "not" turns it round. */
const NEGATION_REACH = 3

const bitsOf = (names: readonly WordClass[]): number => names.reduce((bits, name) => bits | classBit(name), 0)

interface Step {
  readonly bits: number
  readonly gapMax: number
}

const compiled = WORD_RULES.map((rule) => ({
  rule,
  last: bitsOf(rule.last),
  steps: rule.before.map(({ any, gapMax }): Step => ({ bits: bitsOf(any), gapMax })),
}))

const FILLER = bitsOf(['filler', 'all', 'previous'])
const NEGATION = bitsOf(['negation'])

/** Classes of words that can end a rule: at others there is nothing to look for. */
export const LAST_BITS = compiled.reduce((bits, { last }) => bits | last, 0)

/** Calls `found` for every rule that ends in the word at a place of a reader's columns, with the place of its first word. */
export function matchRules(
  words: WordReader,
  at: number,
  found: (rule: WordRule, first: number, last: number) => void,
): void {
  const bits = words.classes[at] ?? 0
  const marks = words.marks[at] ?? 0
  for (const { rule, last, steps } of compiled) {
    if ((bits & last) === 0 || (rule.tag && (marks & TAG) === 0)) continue
    const first = firstWord(words, at, steps)
    if (first >= 0 && (rule.negated || !isNegated(words, first, at))) found(rule, first, at)
  }
}

/** Where a rule that ends at `at` begins; -1 if it does not fit. */
function firstWord(words: WordReader, at: number, steps: readonly Step[]): number {
  const end = Math.max(words.first, at - REACH + 1)
  let here = at
  for (const { bits, gapMax } of steps) {
    let gap = gapMax
    for (;;) {
      if (here <= end || (words.marks[here] ?? 0) & BREAK) return -1
      here--
      const classes = words.classes[here] ?? 0
      if (classes & bits) break
      if ((classes & FILLER) === 0 && --gap < 0) return -1
    }
  }
  return here
}

function isNegated(words: WordReader, first: number, at: number): boolean {
  const end = Math.max(words.first, first - NEGATION_REACH, at - REACH + 1)
  for (let here = first; here > end && ((words.marks[here] ?? 0) & BREAK) === 0; ) {
    here--
    if ((words.classes[here] ?? 0) & NEGATION) return true
  }
  return false
}
