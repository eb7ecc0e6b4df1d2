import type { Command, Redirect, Script, Word } from './syntax.ts'
import { WordReader } from './word-reader.ts'

/** Groups and substitutions deeper than this are not looked into. */
const DEPTH_MAX = 24
const RESERVED = new Set(['if', 'then', 'else', 'elif', 'do', 'while', 'until', '!', '{', '}', 'fi', 'done', 'esac'])
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]{0,63}\+?=/

interface Draft {
  words: Word[]
  assignments: Word[]
  redirects: Redirect[]
  start: number
  end: number
}

interface HereDocument {
  readonly delimiter: string
  readonly tabs: boolean
  readonly draft: Draft
}

/** Reads one script from start to end; its state is where it is. */
export class ShellReader {
  readonly #words: WordReader
  readonly #text: string
  #at = 0
  #depth = 0
  #hereDocuments: HereDocument[] = []

  constructor(text: string, from = 0, variables = new Map<string, string>()) {
    this.#text = text
    this.#at = from
    this.#words = new WordReader(
      text,
      variables,
      (at) => this.#substitution(at),
      // Backticks do not nest: the same text, cut where they end, keeps the offsets.
      (start, end) => new ShellReader(text.slice(0, end), start, variables).script(),
    )
  }

  /** The whole script. */
  script(): Script {
    const commands: Command[] = []
    while (this.#at < this.#text.length) {
      this.#list(commands)
      this.#at++
    }
    return commands
  }

  /** A substitution whose first character stands at `at`; `null` where it lies too deep. */
  #substitution(at: number): { readonly script: Script; readonly end: number } | null {
    if (this.#depth >= DEPTH_MAX) return null
    const outer = this.#at
    this.#at = at
    this.#depth++
    const script: Command[] = []
    this.#list(script)
    this.#depth--
    const end = Math.min(this.#text.length, this.#at + 1)
    this.#at = outer
    return { script, end }
  }

  /** Commands up to a `)` that is not theirs, or the end. */
  #list(into: Command[]): void {
    let draft = emptyDraft()
    let pipedFrom: Command | null = null
    const end = (piped: boolean): void => {
      const { words, assignments, redirects, start } = draft
      if (words.length > 0 || assignments.length > 0 || redirects.length > 0) {
        const command = { words, assignments, redirects, pipedFrom, start, end: draft.end }
        if (words.length === 0) this.#words.assign(assignments)
        into.push(command)
        pipedFrom = piped ? command : null
      } else if (!piped) pipedFrom = null
      draft = emptyDraft()
    }
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      const next = this.#text[this.#at + 1]
      if (char === ' ' || char === '\t' || char === '\r') this.#at++
      else if (char === '\\' && next === '\n') this.#at += 2
      else if (char === '\n') {
        end(false)
        this.#at++
        this.#readHereDocuments()
      } else if (char === '#') this.#skipComment()
      else if (char === ';' || (char === '&' && next !== '>')) {
        end(false)
        this.#at++
      } else if (char === '|') {
        end(next !== '|')
        this.#at += next === '|' || next === '&' ? 2 : 1
      } else if (char === '(') {
        end(false)
        this.#at++
        if (this.#depth >= DEPTH_MAX) continue
        this.#depth++
        const first = into.length
        this.#list(into)
        this.#depth--
        this.#at++
        const last = into.at(-1)
        pipedFrom = into.length > first && last && this.#nextIsPipe() ? last : null
        if (pipedFrom) this.#at = this.#text.indexOf('|', this.#at) + 1
      } else if (char === ')') {
        if (this.#depth > 0) break
        end(false)
        this.#at++
      } else this.#element(draft)
    }
    end(false)
  }

  #nextIsPipe(): boolean {
    let at = this.#at
    while (this.#text[at] === ' ') at++
    return this.#text[at] === '|' && this.#text[at + 1] !== '|'
  }

  #skipComment(): void {
    const line = this.#text.indexOf('\n', this.#at)
    this.#at = line === -1 ? this.#text.length : line
  }

  /** A redirection, or a word with what it expands to. */
  #element(draft: Draft): void {
    const start = this.#at
    const operator = MAY_REDIRECT.test(this.#text[start] ?? '')
      ? REDIRECT.exec(this.#text.slice(start, start + 8))?.[0]
      : undefined
    if (operator !== undefined && !PROCESS.test(this.#text.slice(start, start + 2))) {
      this.#at += operator.length
      this.#redirect(operator, draft)
    } else {
      const { words, end } = this.#words.read(start)
      this.#at = Math.max(end, start + 1)
      for (const word of words) {
        if (draft.words.length > 0) draft.words.push(word)
        else if (ASSIGNMENT.test(word.text) && ASSIGNMENT.test(this.#text.slice(word.start, word.start + 66)))
          draft.assignments.push(word)
        else if (!RESERVED.has(word.text)) draft.words.push(word)
      }
    }
    if (draft.start === -1) draft.start = start
    draft.end = this.#at
  }

  #redirect(operator: string, draft: Draft): void {
    while (this.#text[this.#at] === ' ') this.#at++
    const { words, end } = this.#words.read(this.#at)
    this.#at = end
    const [target] = words
    if (!target) return
    if (operator.endsWith('<<<')) draft.redirects.push({ kind: 'here', target })
    else if (operator.includes('<<'))
      this.#hereDocuments.push({ delimiter: target.text, tabs: operator.endsWith('-'), draft })
    else draft.redirects.push({ kind: operator.includes('>') ? 'out' : 'in', target })
  }

  /** The texts of here-documents begin behind the line that names them. */
  #readHereDocuments(): void {
    for (const { delimiter, tabs, draft } of this.#hereDocuments) {
      const start = this.#at
      let end = this.#text.length
      let next = end
      for (let line = start; line < this.#text.length; ) {
        const newline = this.#text.indexOf('\n', line)
        const stop = newline === -1 ? this.#text.length : newline
        const content = this.#text.slice(line, stop)
        if ((tabs ? content.replace(/^\t+/, '') : content).trimEnd() === delimiter) {
          end = line
          next = stop
          break
        }
        line = stop + 1
      }
      draft.redirects.push({ kind: 'here', target: { text: this.#text.slice(start, end), start, end, scripts: [] } })
      this.#at = Math.min(next + 1, this.#text.length)
    }
    this.#hereDocuments = []
  }
}

const REDIRECT = /^(?:\d{0,2}(?:>>|>\||>&|<<<|<<-|<<|<&|<>|>|<)|&>>|&>)/
const MAY_REDIRECT = /[\d<>&]/
const PROCESS = /^[<>]\(/
const emptyDraft = (): Draft => ({ words: [], assignments: [], redirects: [], start: -1, end: -1 })
