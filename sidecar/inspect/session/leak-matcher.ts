import type { Finding, Severity } from '@agentcostcontrol/contract'
import { SYSTEM_PROMPT_LEAKS } from '@agentcostcontrol/detectors'
import { SHINGLE_WORDS, ShingleReader, type ShingleSet } from './prompt-shingles.ts'

/** Fewer words of the system prompt are a quote. */
const MEDIUM_WORDS = 40
const HIGH_WORDS = 200
/** Or this share of it, and so many words. */
const HIGH_SHARE = 0.5
const HIGH_SHARE_WORDS = 60

/** Encoded text of less characters holds no prompt; of more the beginning is read. */
const ENCODED_CHARS_MIN = 128
const ENCODED_CHARS_MAX = 65_536

/** So few shingles are no finding, whatever the prompts are: each counts for eight words at most, and the next for one. */
const SHINGLES_UNSEEN = 6

/**
 * Follows a text as it comes and says when it has told too much of a system prompt: once for each severity. What is
 * encoded as base64 counts as well.
 */
export class LeakMatcher {
  readonly #promptsOf: () => readonly ShingleSet[]
  readonly #reader = new ShingleReader()
  /** What is known of each prompt; `null` until the text is long enough to tell of one. */
  #prompts: readonly MatchedPrompt[] | null = null
  /** Shingles from before that. */
  #waiting: number[] = []
  #told: Severity | null = null
  #chars = 0
  #encoded = ''

  /** @param promptsOf asked once, when the text could tell of one */
  constructor(promptsOf: () => readonly ShingleSet[]) {
    this.#promptsOf = promptsOf
  }

  /** Reads on. @returns what is found now and was not before; its span is that of this piece in all that was read */
  push(text: string): Finding | null {
    if (this.#prompts?.length === 0) return null
    const from = this.#chars
    this.#chars += text.length
    this.#reader.read(text, this.#match)
    this.#gather(text)
    return this.#finding(from)
  }

  /** The text is over. */
  end(): Finding | null {
    this.#reader.end(this.#match)
    this.#decode()
    return this.#finding(Math.max(0, this.#chars - 1))
  }

  readonly #match = (shingle: number): void => {
    if (this.#prompts !== null) {
      for (const prompt of this.#prompts) match(prompt, shingle)
      return
    }
    this.#waiting.push(shingle)
    if (this.#waiting.length <= SHINGLES_UNSEEN) return
    this.#prompts = this.#promptsOf().map((shingles) => ({ shingles, seen: new Set(), words: 0, isRunning: false }))
    for (const one of this.#waiting) this.#match(one)
    this.#waiting = []
  }

  /** Keeps a run of base64 until it is over. */
  #gather(text: string): void {
    let from = 0
    for (let at = 0; at < text.length; at++) {
      if (isEncoded(text.charCodeAt(at))) continue
      if (this.#encoded.length + at - from >= ENCODED_CHARS_MIN) {
        this.#encoded = (this.#encoded + text.slice(from, at)).slice(0, ENCODED_CHARS_MAX)
        this.#decode()
      }
      this.#encoded = ''
      from = at + 1
    }
    if (from < text.length) this.#encoded = (this.#encoded + text.slice(from)).slice(0, ENCODED_CHARS_MAX)
  }

  #decode(): void {
    if (this.#encoded.length >= ENCODED_CHARS_MIN) {
      const reader = new ShingleReader()
      reader.read(Buffer.from(this.#encoded, 'base64').toString(), this.#match)
      reader.end(this.#match)
    }
    this.#encoded = ''
  }

  #finding(start: number): Finding | null {
    const severity = this.#severity()
    if (severity === null || severity === this.#told || this.#told === 'high') return null
    this.#told = severity
    return {
      detectorId: 'prompt-leak',
      ruleId: 'system-prompt',
      category: 'prompt-leak',
      severity,
      score: severity === 'high' ? 0.95 : 0.7,
      start,
      end: Math.max(this.#chars, start + 1),
      taxonomy: SYSTEM_PROMPT_LEAKS,
    }
  }

  #severity(): Severity | null {
    let medium = false
    for (const { shingles, words } of this.#prompts ?? []) {
      const size = shingles.size + SHINGLE_WORDS - 1
      if (words >= HIGH_WORDS || (words >= HIGH_SHARE_WORDS && words >= HIGH_SHARE * size)) return 'high'
      medium ||= words >= MEDIUM_WORDS || (words >= 0.8 * size && size >= 24)
    }
    return medium ? 'medium' : null
  }
}

/** How much of a prompt a text has told. */
interface MatchedPrompt {
  readonly shingles: ShingleSet
  readonly seen: Set<number>
  words: number
  isRunning: boolean
}

function match(prompt: MatchedPrompt, shingle: number): void {
  const isIn = prompt.shingles.has(shingle)
  if (isIn && !prompt.seen.has(shingle)) {
    prompt.seen.add(shingle)
    prompt.words += prompt.isRunning ? 1 : SHINGLE_WORDS
  }
  prompt.isRunning = isIn
}

const isEncoded = (code: number): boolean =>
  (code >= 97 && code <= 122) ||
  (code >= 47 && code <= 57) ||
  (code >= 65 && code <= 90) ||
  code === 43 ||
  code === 45 ||
  code === 95
