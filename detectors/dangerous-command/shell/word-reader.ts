import { outputOf, unescapeAnsi } from './static-output.ts'
import type { Script, Word } from './syntax.ts'

/** Reads the substitution that begins at an offset. */
export type ReadSubstitution = (at: number) => { readonly script: Script; readonly end: number } | null

/** Values of variables longer than this are not followed. */
const VALUE_CHARS_MAX = 4_096
/** All that variables may add to a script. */
const EXPANSION_CHARS_MAX = 1 << 18
const PARAMETER_CHARS_MAX = 256
const META = new Set([' ', '\t', '\r', '\n', ';', '&', '|', '(', ')', '<', '>'])
const NAME = /[A-Za-z_][A-Za-z0-9_]{0,63}/y
/** What is left to say of a variable that only the machine knows. */
const KEPT = /^(?:HOME|USER|PWD|OLDPWD|PATH|TMPDIR|LD_PRELOAD)$/

/** Reads words, and knows the variables that the script has set. */
export class WordReader {
  readonly #text: string
  readonly #substitution: ReadSubstitution
  readonly #backticked: (start: number, end: number) => Script
  readonly #variables: Map<string, string>
  #expansionChars = EXPANSION_CHARS_MAX
  #words: Word[] = []
  #scripts: Script[] = []
  #parts = ''
  #begun = false
  #start = 0
  #at = 0

  constructor(
    text: string,
    variables: Map<string, string>,
    substitution: ReadSubstitution,
    backticked: (start: number, end: number) => Script,
  ) {
    this.#text = text
    this.#variables = variables
    this.#substitution = substitution
    this.#backticked = backticked
  }

  /** Keeps what a command without words assigns. */
  assign(assignments: readonly Word[]): void {
    for (const { text } of assignments) {
      const equals = text.indexOf('=')
      const value = text.slice(equals + 1)
      if (value.length <= VALUE_CHARS_MAX) this.#variables.set(text.slice(0, equals), value)
    }
  }

  /** The words that the unquoted text from an offset on is: one, or more where an expansion splits it. */
  read(start: number): { readonly words: readonly Word[]; readonly end: number } {
    const outer = {
      words: this.#words,
      scripts: this.#scripts,
      parts: this.#parts,
      begun: this.#begun,
      start: this.#start,
      at: this.#at,
    }
    this.#words = []
    this.#begin(start)
    this.#at = start
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? ''
      if (META.has(char) && !this.#process(char)) break
      this.#piece(char)
    }
    this.#finish()
    const result = { words: braced(this.#words), end: this.#at }
    this.#words = outer.words
    this.#scripts = outer.scripts
    this.#parts = outer.parts
    this.#begun = outer.begun
    this.#start = outer.start
    this.#at = outer.at
    return result
  }

  #begin(start: number): void {
    this.#scripts = []
    this.#parts = ''
    this.#begun = false
    this.#start = start
  }

  #finish(): void {
    if (this.#begun) this.#words.push({ text: this.#parts, start: this.#start, end: this.#at, scripts: this.#scripts })
    this.#begin(this.#at)
  }

  #add(text: string): void {
    this.#parts += text
    this.#begun = true
  }

  /** `<(` and `>(` begin a word. */
  #process(char: string): boolean {
    if ((char !== '<' && char !== '>') || this.#text[this.#at + 1] !== '(') return false
    if (this.#begun) return false
    const read = this.#substitution(this.#at + 2)
    if (!read) return false
    this.#scripts.push(read.script)
    this.#add(`${char}()`)
    this.#at = read.end
    return true
  }

  #piece(char: string): void {
    if (this.#at >= this.#text.length) return
    if (char === '\\') this.#escape()
    else if (char === "'") this.#singleQuoted(this.#at + 1)
    else if (char === '"') this.#doubleQuoted()
    else if (char === '$' || char === '`') this.#expansion(false)
    else if (!META.has(char)) this.#plain()
  }

  #plain(): void {
    let end = this.#at + 1
    for (; end < this.#text.length; end++) if (ENDS_PLAIN[this.#text.charCodeAt(end)] === 1) break
    this.#add(this.#text.slice(this.#at, end))
    this.#at = end
  }

  #escape(): void {
    const next = this.#text[this.#at + 1] ?? ''
    if (next !== '\n') this.#add(next)
    this.#at += 2
  }

  #singleQuoted(from: number, ansi = false): void {
    let end = this.#text.indexOf("'", from)
    while (ansi && end > 0 && this.#text[end - 1] === '\\' && this.#text[end - 2] !== '\\')
      end = this.#text.indexOf("'", end + 1)
    if (end === -1) end = this.#text.length
    const content = this.#text.slice(from, end)
    this.#add(ansi ? unescapeAnsi(content) : content)
    this.#at = end + 1
  }

  #doubleQuoted(): void {
    this.#add('')
    this.#at++
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      if (char === '"') break
      if (char === '\\') {
        const next = this.#text[this.#at + 1] ?? ''
        if (next !== '\n') this.#add('$`"\\'.includes(next) ? next : `\\${next}`)
        this.#at += 2
      } else if (char === '$' || char === '`') this.#expansion(true)
      else {
        let end = this.#at + 1
        for (; end < this.#text.length; end++) if (ENDS_QUOTED[this.#text.charCodeAt(end)] === 1) break
        this.#add(this.#text.slice(this.#at, end))
        this.#at = end
      }
    }
    this.#at++
  }

  #expansion(quoted: boolean): void {
    const next = this.#text[this.#at + 1] ?? ''
    if (this.#text[this.#at] === '`') this.#backticks(quoted)
    else if (next === '(') this.#command(quoted)
    else if (next === '{') this.#parameter(quoted)
    else if (next === "'" && !quoted) this.#singleQuoted(this.#at + 2, true)
    else if (next === '"' && !quoted) this.#at++
    else this.#named(next, quoted)
  }

  #named(next: string, quoted: boolean): void {
    NAME.lastIndex = this.#at + 1
    const name = NAME.exec(this.#text)?.[0]
    if (name !== undefined) {
      this.#at += 1 + name.length
      this.#variable(name, '', quoted)
    } else if (/[0-9@*!#?-]/.test(next)) {
      // Positional parameters are empty in a command that is given as text.
      this.#add('')
      this.#at += 2
    } else {
      this.#add('$')
      this.#at++
    }
  }

  #parameter(quoted: boolean): void {
    const close = this.#text.slice(this.#at, this.#at + PARAMETER_CHARS_MAX).indexOf('}')
    const inner = close === -1 ? '' : this.#text.slice(this.#at + 2, this.#at + close)
    const parts = /^([A-Za-z_][A-Za-z0-9_]*|[0-9@*!#?-])(:?[-=+]|:\d+:?\d*)?(.*)$/s.exec(inner)
    if (!parts) {
      this.#add('$')
      this.#at++
      return
    }
    this.#at += close + 1
    const [, name = '', operator = '', rest = ''] = parts
    if (/^:\d/.test(operator) && this.#variables.has(name)) {
      const [from = 0, chars] = operator.slice(1).split(':').map(Number)
      this.#add((this.#variables.get(name) ?? '').slice(from, chars === undefined ? undefined : from + chars))
    } else this.#variable(name, /[-=]$/.test(operator) ? rest : '', quoted)
  }

  #variable(name: string, fallback: string, quoted: boolean): void {
    if (name === 'IFS') {
      if (quoted) this.#add(' ')
      else this.#finish()
      return
    }
    const value = this.#variables.get(name) ?? (fallback !== '' ? fallback : /^[A-Za-z_]/.test(name) ? `$${name}` : '')
    this.#expandTo(KEPT.test(name) ? `$${name}` : value, quoted)
  }

  /** Puts an expansion where it stands; white space in it splits the word unless it is quoted. */
  #expandTo(value: string, quoted: boolean): void {
    this.#expansionChars -= value.length
    const kept = this.#expansionChars < 0 ? '' : value
    // What is assigned is not split.
    const isWhole = quoted || !/\s/.test(kept) || /^\w{1,64}=/.test(this.#parts)
    const pieces = isWhole ? [kept] : kept.split(/\s+/)
    pieces.forEach((piece, index) => {
      if (index > 0) this.#finish()
      if (piece !== '' || isWhole) this.#add(piece)
    })
  }

  #command(quoted: boolean): void {
    const read = this.#substitution(this.#at + 2)
    if (!read) {
      this.#add('$')
      this.#at++
      return
    }
    this.#substituted(read.script, read.end, quoted)
  }

  #backticks(quoted: boolean): void {
    const close = this.#text.indexOf('`', this.#at + 1)
    const end = close === -1 ? this.#text.length : close
    const script = this.#backticked(this.#at + 1, end)
    this.#substituted(script, Math.min(end + 1, this.#text.length), quoted)
  }

  #substituted(script: Script, end: number, quoted: boolean): void {
    this.#at = end
    this.#scripts.push(script)
    const output = outputOf(script)
    this.#expandTo(output === null ? '$()' : output.trimEnd(), quoted)
  }
}

const tableOf = (chars: string): Uint8Array => {
  const table = new Uint8Array(65_536)
  for (const char of chars) table[char.charCodeAt(0)] = 1
  return table
}
const ENDS_PLAIN = tableOf(' \t\r\n;&|()<>\\\'"$`')
const ENDS_QUOTED = tableOf('"\\$`')

/** `{rm,-rf,/}` is three words. */
function braced(words: readonly Word[]): readonly Word[] {
  const [only] = words
  if (!only || words.length > 1 || !/^\{[^{}]*,[^{}]*\}$/.test(only.text)) return words
  return only.text
    .slice(1, -1)
    .split(',')
    .map((text) => ({ ...only, text }))
}
