import type { Severity } from '@agentcostcontrol/contract'

/** What kind of fact about a person a rule finds; the `category` of its findings. */
export type PiiCategory = 'contact' | 'financial' | 'national-id' | 'document' | 'address' | 'network' | 'person'

/** One way in which a number or a place is written. */
export interface PiiForm {
  /**
   * The token (letters and digits in a row) that holds the first digit: how many letters stand before that digit, and
   * how many digits follow at least and at most. A form is only tried at such tokens.
   */
  readonly first: readonly [letters: number, digitsMin: number, digitsMax: number]
  /** In the subset of `scan/pattern.ts`; begins with the token, or with `lead` words before it. */
  readonly pattern: string
  /** The most words, each with a blank behind it, that stand before the token; 0 if not given. */
  readonly lead?: number
  /** Confidence where no word nearby says what it is; such a match is none where it is left out. */
  readonly alone?: number
}

/** A fact that is found at a digit, by how it is written, by its check digits and by the words before it. */
export interface PiiRule {
  /** Stable: it stands in policies, events and placeholders. */
  readonly id: string
  readonly title: string
  readonly category: PiiCategory
  /** Where a word nearby says what it is, or the form is sure by itself (0.9 and more); otherwise one lower. */
  readonly severity: Severity
  readonly forms: readonly PiiForm[]
  /** Check digits, dates inside the number, ranges never given out: of its digits and letters, in capitals. */
  readonly accepts?: (chars: string) => boolean
  /** Where the number ends inside a match whose pattern may take in too much; the match is none if it is not there. */
  readonly endsAt?: (matched: string) => number
  /** The words of `keywords.ts` that say what it is; also those of `national` for a national number. */
  readonly context?: string
}

/** Shorthand for a form: `first` is "letters:digits" or "letters:digits-digits". */
export function form(first: string, pattern: string, alone?: number, lead = 0): PiiForm {
  const [, letters = 0, digitsMin = 0, digitsMax = digitsMin] = (/^(\d+):(\d+)(?:-(\d+))?$/.exec(first) ?? [])
    .filter((part) => part !== undefined)
    .map(Number)
  return { first: [letters, digitsMin, digitsMax], pattern, lead, ...(alone === undefined ? {} : { alone }) }
}
