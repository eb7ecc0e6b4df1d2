import type { Severity } from '@agentcostcontrol/contract'
import { isDigit } from '../scan/ascii.ts'
import { beginningSource, bytesAt, fullSource, type Pattern, parsePattern, placesAt } from '../scan/pattern.ts'
import { isWordChar } from './chars.ts'
import type { PiiForm, PiiRule } from './rule.ts'
import { DOCUMENTS } from './rules/documents.ts'
import { EUROPE } from './rules/europe.ts'
import { FINANCIAL } from './rules/financial.ts'
import { PLACES } from './rules/places.ts'
import { WORLD } from './rules/world.ts'

/** A form ready to run at an offset. */
export interface CompiledForm {
  readonly rule: PiiRule
  readonly form: PiiForm
  /** Sticky. */
  readonly whole: RegExp
  readonly lead: number
  readonly pattern: Pattern
  /** By place of a match: what may stand there and at the next ones; made when first asked for. */
  readonly ahead: (Uint8Array | undefined)[]
  /** Severity and score where no word nearby says what it is; `null` if it is none then. */
  readonly alone: { readonly severity: Severity; readonly score: number } | null
}

/** All rules at digits. Where two fit the same text the first of the most severe holds. */
export const RULES: readonly PiiRule[] = [...FINANCIAL, ...WORLD, ...EUROPE, ...DOCUMENTS, ...PLACES]

const LETTERS_MAX = 6
/** Digits, capitals, small letters, other ASCII, and all beyond. */
const KINDS = 5
const OTHER = 3
const BEYOND = 4
const kindOf = (code: number): number =>
  code > 127 ? BEYOND : isDigit(code) ? 0 : code >= 65 && code <= 90 ? 1 : code >= 97 && code <= 122 ? 2 : OTHER
/** More digits than any form has. */
const DIGITS_MAX = 31
const SURE = 0.9
const ONE_LOWER = { critical: 'high', high: 'medium', medium: 'low', low: 'low' } as const
/** What may not follow: more of the same word, or punctuation with a word behind it. */
export const END = '(?![A-Za-z0-9_\\u00c0-\\u024f]|[-./@+][A-Za-z0-9_\\u00c0-\\u024f])'

const compiled = RULES.flatMap((rule) => rule.forms.map((form) => compileForm(rule, form)))

const fits = ({ form: { first } }: CompiledForm, letters: number, digits: number): boolean =>
  first[0] === letters && first[1] <= digits && digits <= first[2]

/** What can be tried at one kind of place. */
export interface Candidates {
  readonly all: readonly CompiledForm[]
  /** Those that need no word nearby. */
  readonly alone: readonly CompiledForm[]
}

const NONE: Candidates = { all: [], alone: [] }
const candidatesOf = (all: readonly CompiledForm[]): Candidates =>
  all.length === 0 ? NONE : { all, alone: all.filter(({ alone }) => alone !== null) }

const keys = Array.from({ length: (LETTERS_MAX + 1) * 32 }, (_, key) => ({
  letters: key >> 5,
  digits: key & DIGITS_MAX,
}))

/** Those that begin words before their number, by its letters × 32 + digits. */
const led: readonly Candidates[] = keys.map(({ letters, digits }) =>
  candidatesOf(compiled.filter((one) => one.lead > 0 && fits(one, letters, digits))),
)

/** The forms that begin words before a token with so many letters before its first digit and so many digits from there. */
export function ledForms(letters: number, digits: number): Candidates {
  return letters > LETTERS_MAX || digits > DIGITS_MAX ? NONE : (led[letters * 32 + digits] ?? NONE)
}

/** The others, by letters × 32 + digits; and by the character behind the digits × 5 + the kind of the one behind that. */
const rest = keys.map(({ letters, digits }) => compiled.filter((one) => one.lead === 0 && fits(one, letters, digits)))
const byNext = rest.map((forms): (Candidates | undefined)[] | null =>
  forms.length === 0 ? null : Array.from({ length: 128 * KINDS }, () => undefined),
)

/** The forms to try at such a token; `next` and `afterNext` are the two characters behind its digits, 0 at the end. */
export function formsAt(letters: number, digits: number, next: number, afterNext: number): Candidates {
  if (letters > LETTERS_MAX || digits > DIGITS_MAX) return NONE
  const key = letters * 32 + digits
  const table = byNext[key]
  if (!table) return NONE
  const kind = kindOf(afterNext)
  const place = (next < 128 ? next : 1) * KINDS + kind
  const known = table[place]
  if (known) return known
  const found = (rest[key] ?? []).filter((one) => mayGoOn(one, letters + digits, next, kind))
  table[place] = candidatesOf(found)
  return table[place]
}

/** Whether a match can go on with these characters at its places `from` and the next, or end before one of them. */
function mayGoOn({ pattern }: CompiledForm, from: number, next: number, kind: number): boolean {
  const [one, two] = placesAt(pattern, from, 2, false)
  if (next > 127 || (one?.mayEnd && !isWordChar(next))) return true
  if (!one?.bytes.includes(next)) return false
  return kind === BEYOND || two?.bytes.some((byte) => kindOf(byte) === kind) || (two?.mayEnd === true && kind === OTHER)
}

/** Characters that are looked at before a form is tried: a bit each. */
const AHEAD_CHARS = 8

/**
 * Whether what stands at an offset can be what a match has from its place `from` on: far cheaper than to try the form.
 * @param codes the text's code units
 */
export function mayBeAt(form: CompiledForm, from: number, codes: Uint16Array, at: number, length: number): boolean {
  const { ahead } = form
  ahead[from] ??= aheadOf(form.pattern, from)
  const bits = ahead[from]
  const end = Math.min(AHEAD_CHARS, length - at)
  for (let place = 0; place < end; place++) {
    const code = codes[at + place] ?? 0
    if (code < 128 && (((bits[code] ?? 0) >> place) & 1) === 0) return false
  }
  return true
}

function aheadOf(pattern: Pattern, from: number): Uint8Array {
  const bits = new Uint8Array(128)
  bytesAt(pattern, from, AHEAD_CHARS, false).forEach((bytes, place) => {
    for (const byte of bytes) if (byte < 128) bits[byte] = (bits[byte] ?? 0) | (1 << place)
  })
  return bits
}

/** Sticky; each matches where a form has begun and not ended. */
export const FORMS_BEGUN: readonly RegExp[] = beginningsOf(compiled.map(({ form }) => form.pattern))

/** The beginnings of patterns. */
export function beginningsOf(patterns: readonly string[]): readonly RegExp[] {
  return [...new Set(patterns)].map((pattern) => new RegExp(`(?:${beginningSource(parsePattern(pattern))})`, 'y'))
}

function compileForm(rule: PiiRule, form: PiiForm): CompiledForm {
  const pattern = parsePattern(form.pattern)
  return {
    rule,
    form,
    whole: new RegExp(`(?:${fullSource(pattern)})${END}`, 'y'),
    lead: form.lead ?? 0,
    pattern,
    ahead: [],
    alone:
      form.alone === undefined
        ? null
        : { severity: form.alone >= SURE ? rule.severity : ONE_LOWER[rule.severity], score: form.alone },
  }
}
