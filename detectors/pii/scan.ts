/** One pass over a text: what may be a fact about a person begins at a digit, an "@", a colon or one of four capitals. */
import type { Finding, Severity } from '@agentcostcontrol/contract'
import { isAlnum, isDigit } from '../scan/ascii.ts'
import { codesOf } from '../scan/units.ts'
import { PERSONAL_DATA } from '../taxonomy.ts'
import { isEscape, isGlue, isWordChar, mayBeginAt, wordEnd } from './chars.ts'
import { type Candidates, type CompiledForm, formsAt, ledForms, mayBeAt } from './compile.ts'
import { ContextReader } from './context.ts'
import { emailAt } from './mail.ts'
import { nameAt } from './names.ts'
import { dashedMacAt, hexGroupsAt, ipv4At, type NetworkMatch } from './network.ts'
import { mayBePhone, phoneAt } from './phone.ts'
import { type Visitor, visit } from './places-of-interest.ts'
import type { PiiCategory } from './rule.ts'
import { domainAt } from './urls.ts'

/** The letters before the first digit of a number. */
const LETTERS_MAX = 6
/** The longest token that is a number of any kind: an IBAN. */
const TOKEN_CHARS_MAX = 34
const RANK = { low: 0, medium: 1, high: 2, critical: 3 } as const

/** All findings of one text, ascending and apart; among those that overlap a rule that is off by itself gives way. */
export function scan(text: string): readonly Finding[] {
  const pass = new Pass(text)
  visit(text, pass)
  return pass.findings()
}

/** Where anything stands that a rule alone would find, also what another rule hides as long as the text ends here. */
export function spansIn(text: string): readonly Span[] {
  const spans: Span[] = []
  const pass = new Pass(text, spans)
  visit(text, pass)
  return [...spans, ...pass.findings()]
}

class Pass implements Visitor {
  readonly #text: string
  readonly #codes: Uint16Array
  readonly #context: ContextReader
  readonly #found: Finding[] = []
  /** Of rules that are off unless a policy wants them: they must not hide the others. */
  readonly #aside: Finding[] = []
  /** The ends of the last of each. */
  #floor = 0
  #asideFloor = 0

  /** Filled with all that fits, if given. */
  readonly #spans: Span[] | null

  constructor(text: string, spans: Span[] | null = null) {
    this.#text = text
    this.#codes = codesOf(text)
    this.#spans = spans
    this.#context = new ContextReader(text)
  }

  findings(): readonly Finding[] {
    let next = 0
    const apart = this.#aside.filter(({ start, end }) => {
      while (next < this.#found.length && (this.#found[next]?.end ?? 0) <= start) next++
      return (this.#found[next]?.start ?? end) >= end
    })
    return apart.length === 0 ? this.#found : [...this.#found, ...apart].toSorted((a, b) => a.start - b.start)
  }

  /** What a digit that begins a row of them belongs to. Returns where to go on. */
  number(digit: number): number {
    const codes = this.#codes
    let start = digit
    while (start > this.#floor && digit - start <= LETTERS_MAX && isAlnum(codes[start - 1] ?? 0)) start--
    let digitsEnd = digit + 1
    while (isDigit(codes[digitsEnd] ?? 0)) digitsEnd++
    const end = wordEnd(codes, digitsEnd)
    if (end - start > TOKEN_CHARS_MAX) return end
    if (start < digit && isEscape(codes, start)) start++
    const next = codes[end] ?? 0
    if (end - start <= 4 && (next === 46 || next === 58 || next === 45 || (start > 0 && codes[start - 1] === 58))) {
      this.#network(start, end, next)
    }
    if (digit - start > LETTERS_MAX) return end
    const match = this.#formAt(start, digit, digitsEnd) ?? this.#phoneAt(start, digit, digitsEnd)
    if (!match) return end
    this.#found.push(match)
    this.#floor = match.end
    return Math.max(match.end, end)
  }

  at(at: number): void {
    const match = emailAt(this.#text, at, this.#floor)
    if (!match) return
    this.#found.push(toFinding('email', 'contact', 'low', 0.95, match.start, match.end))
    this.#floor = match.end
  }

  colon(colon: number): void {
    const text = this.#text
    const domain = domainAt(text, colon)
    if (domain) this.#setAside('domain', 'network', 0.6, domain)
    else if (text.startsWith('ame', colon - 3) && colon >= 4) this.capital(colon - 4)
  }

  capital(start: number): void {
    if (start > 0 && isWordChar(this.#codes[start - 1] ?? 0) && !isEscape(this.#codes, start - 1)) return
    const name = nameAt(this.#text, start)
    if (!name) return
    this.#setAside('person-name', 'person', 0.6, name)
    // What introduces a name belongs to it.
    this.#spans?.push({ start, end: name.end })
  }

  #network(start: number, end: number, next: number): void {
    const text = this.#text
    let match: NetworkMatch | null = null
    if (next === 46) match = mayBeginAt(this.#codes, start) ? ipv4At(text, start) : null
    else if (next === 45) match = end - start === 2 && mayBeginAt(this.#codes, start) ? dashedMacAt(text, start) : null
    else match = hexGroupsAt(text, start, this.#asideFloor)
    if (match) this.#setAside(match.ruleId, 'network', 0.8, match)
  }

  #setAside(ruleId: string, category: PiiCategory, score: number, { start, end }: Span): void {
    if (start < this.#asideFloor) return
    this.#aside.push(toFinding(ruleId, category, 'low', score, start, end))
    this.#asideFloor = end
  }

  #phoneAt(start: number, digit: number, digitsEnd: number): Finding | null {
    const text = this.#text
    if (start !== digit || !mayBePhone(this.#codes, digit, digitsEnd)) return null
    const match = phoneAt(text, digit, () => this.#context.groupsAt(start).has('phone'))
    if (!match || match.start < this.#floor) return null
    return toFinding('phone', 'contact', 'low', match.score, match.start, match.end)
  }

  /** The most severe, then the surest, of the forms that fit. */
  #formAt(start: number, digit: number, digitsEnd: number): Finding | null {
    const codes = this.#codes
    const { length } = this.#text
    let best: Finding | null = null
    const candidates = formsAt(digit - start, digitsEnd - digit, codes[digitsEnd] ?? 0, codes[digitsEnd + 1] ?? 0)
    if (candidates.all.length > 0 && mayBeginAt(codes, start)) {
      for (const form of this.#likely(candidates, start)) {
        if (mayBeAt(form, digitsEnd - start, codes, digitsEnd, length))
          best = worse(best, this.#match(form, start, start))
      }
    }
    if (start > 0 && codes[start - 1] === 32) {
      const led = ledForms(digit - start, digitsEnd - digit)
      if (led.all.length > 0 && capitalBefore(codes, start) >= 0) {
        for (const form of this.#likely(led, start)) best = worse(best, this.#led(form, start))
      }
    }
    return best
  }

  /** All forms if there is a word nearby that says something; else those that need none. */
  #likely({ all, alone }: Candidates, start: number): readonly CompiledForm[] {
    return all.length > alone.length && this.#context.groupsAt(start).size > 0 ? all : alone
  }

  /** Tries a form at the words before a number, the nearest first. */
  #led(form: CompiledForm, number: number): Finding | null {
    const codes = this.#codes
    let at = number
    for (let words = 0; words < form.lead; words++) {
      at = wordBefore(codes, at)
      if (at < this.#floor) return null
      if (!mayBeAt(form, 0, codes, at, this.#text.length)) continue
      const match = mayBeginAt(codes, at) ? this.#match(form, at, number) : null
      if (match) return match
    }
    return null
  }

  #match({ rule, whole, alone }: CompiledForm, start: number, number: number): Finding | null {
    whole.lastIndex = start
    const matched = whole.exec(this.#text)?.[0]
    if (matched === undefined) return null
    const chars = acceptedChars(rule, matched)
    if (chars === 0) return null
    const said = rule.context !== undefined && this.#isSaid(rule.context, rule.category, number)
    if (!said && !alone) return null
    const { severity, score } = said || !alone ? { severity: rule.severity, score: SAID } : alone
    const finding = toFinding(rule.id, rule.category, severity, score, start, start + chars)
    this.#spans?.push(finding)
    return finding
  }

  #isSaid(context: string, category: PiiCategory, start: number): boolean {
    const groups = this.#context.groupsAt(start)
    return groups.has(context) || (category === 'national-id' && groups.has('national'))
  }
}

/** A piece of a text. */
export interface Span {
  readonly start: number
  readonly end: number
}

const SAID = 0.95
const SEPARATORS = /[ .\-/]/g

/** How many characters of a match the rule accepts; 0 if none. */
function acceptedChars({ accepts, endsAt }: CompiledForm['rule'], matched: string): number {
  const chars = endsAt ? endsAt(matched) : matched.length
  if (chars === 0 || !accepts) return chars
  return accepts(matched.slice(0, chars).replace(SEPARATORS, '').toUpperCase()) ? chars : 0
}

function worse(one: Finding | null, other: Finding | null): Finding | null {
  if (!one || !other) return one ?? other
  return (RANK[other.severity] - RANK[one.severity] || other.score - one.score) > 0 ? other : one
}

const WORD_CHARS_MAX = 28

/** The start of the word before an offset, one blank between them; -1 if there is none. */
function wordBefore(codes: Uint16Array, at: number): number {
  if (at < 2 || (codes[at - 1] ?? 0) !== 32) return -1
  let start = (codes[at - 2] ?? 0) === 44 ? at - 2 : at - 1
  const floor = Math.max(0, start - WORD_CHARS_MAX)
  while (start > floor && isGlue(codes[start - 1] ?? 0)) start--
  return start < at - 1 ? start : -1
}

/** The start of the word before an offset if it has a capital (or is the Polish "ul."); else -1. */
function capitalBefore(codes: Uint16Array, at: number): number {
  const start = wordBefore(codes, at)
  if (start < 0) return -1
  const code = codes[start] ?? 0
  return (code >= 65 && code <= 90) || (code >= 0xc0 && code <= 0xde) ? start : -1
}

function toFinding(
  ruleId: string,
  category: PiiCategory,
  severity: Severity,
  score: number,
  start: number,
  end: number,
): Finding {
  return { detectorId: 'pii', ruleId, category, severity, score, start, end, taxonomy: PERSONAL_DATA }
}
