import { createKeywordScanner } from '../scan/keyword-scanner.ts'
import { compilePattern, type LinearPattern, literalPattern } from './pattern.ts'

/** A text that a rule looks for. */
export interface Literal {
  readonly text: string
  readonly ignoreCase: boolean
}

/** Tells where literals stand in a text, in no order, until it has told so many. */
export type FindLiterals = (text: string, onMatch: (literal: number, start: number, end: number) => void) => void

/** One scan for all literals of ASCII; those in other scripts, and of two letters, by patterns. */
export function createLiteralScan(literals: readonly Literal[]): FindLiterals {
  const plain = literals.flatMap(({ text, ignoreCase }, literal) =>
    /^[ -~]{3,}$/.test(text) ? [{ text, ignoreCase, literal }] : [],
  )
  const scanner =
    plain.length === 0
      ? null
      : createKeywordScanner(
          plain.map(({ text, ignoreCase }) => ({
            text: ignoreCase ? text.toLowerCase() : text,
            ignoreCase,
            startsWord: false,
            next: [],
          })),
        )
  const others = literals.flatMap(
    ({ text, ignoreCase }, literal): readonly { literal: number; pattern: LinearPattern }[] => {
      const compiled = /^[ -~]{3,}$/.test(text) ? null : compilePattern(literalPattern(text), ignoreCase)
      return compiled?.ok ? [{ literal, pattern: compiled.pattern }] : []
    },
  )
  return (text, onMatch) => {
    scanner?.scan(text, (start, keyword) => {
      const found = plain[keyword]
      if (found === undefined) return
      const end = start + found.text.length
      const there = text.slice(start, end)
      // A character outside Latin-1 may look like one of ASCII to the scan.
      if (found.ignoreCase ? there.toLowerCase() === found.text.toLowerCase() : there === found.text)
        onMatch(found.literal, start, end)
    })
    for (const { literal, pattern } of others)
      pattern.each(text, (start, end) => {
        onMatch(literal, start, end)
        return true
      })
  }
}
