import { fingerprint } from './fingerprint.ts'

/** Words of one shingle: long enough that two texts share one only where one quotes the other. */
export const SHINGLE_WORDS = 8
/** A shorter system prompt holds nothing that is worth hiding. */
const PROMPT_WORDS_MIN = 32
const SHINGLES_MIN = PROMPT_WORDS_MIN - SHINGLE_WORDS + 1
/** A text of less characters is no prompt that is worth hiding: each word takes one, and one behind it. */
export const PROMPT_CHARS_MIN = 2 * PROMPT_WORDS_MIN - 1
/** Of a longer one the beginning is known again. */
const SHINGLES_MAX = 8_192
/** Most system prompts that one conversation has. */
export const PROMPTS_MAX = 8

/** Cuts text into words as it comes, and tells the hash of each row of eight. Case, punctuation and markup do not count. */
export class ShingleReader {
  readonly #words = new Int32Array(SHINGLE_WORDS)
  #count = 0
  #word = 0
  #chars = 0

  /** Reads on; `told` gets the hash of the eight words that end with each word that is over. */
  read(text: string, told: (shingle: number) => void): void {
    for (let at = 0; at < text.length; at++) {
      let code = text.charCodeAt(at)
      if (code >= 65 && code <= 90) code += 32
      if ((code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code > 191) {
        this.#word = Math.imul(this.#word ^ code, 0x01000193)
        this.#word ^= this.#word >>> 15
        this.#chars++
      } else if (code !== 39 && this.#chars > 0) this.end(told)
    }
  }

  /** The last word is over. */
  end(told: (shingle: number) => void): void {
    if (this.#chars === 0) return
    this.#words[this.#count % SHINGLE_WORDS] = this.#word
    this.#count++
    this.#word = 0
    this.#chars = 0
    if (this.#count < SHINGLE_WORDS) return
    let hash = 0
    for (let back = SHINGLE_WORDS; back > 0; back--)
      hash = (Math.imul(hash, 0x01000193) ^ (this.#words[(this.#count - back) % SHINGLE_WORDS] ?? 0)) | 0
    told(hash ^ KEY)
  }
}

/** Of this process: hashes mean nothing elsewhere. */
const KEY = fingerprint('shingle', 0, 7, false) | 0

/** The shingles of one system prompt, four to eight bytes each. */
export class ShingleSet {
  readonly #slots: Int32Array
  #size = 0

  /** @param shingles the first of these, as many as are kept; any of them may stand there more than once */
  constructor(shingles: readonly number[]) {
    const most = Math.min(shingles.length, SHINGLES_MAX)
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(1.5 * most + 2)))
    for (const shingle of shingles) {
      const slot = this.#slotOf(shingle)
      if (this.#slots[slot] !== 0) continue
      this.#slots[slot] = shingle || INSTEAD_OF_ZERO
      if (++this.#size >= SHINGLES_MAX) break
    }
  }

  /** How many there are. */
  get size(): number {
    return this.#size
  }

  /** Whether a row of eight words stands in the prompt. */
  has(shingle: number): boolean {
    return this.#slots[this.#slotOf(shingle)] !== 0
  }

  /** Whether another one was made of the same text. */
  isSame(other: ShingleSet): boolean {
    return this.#size === other.#size && this.#slots.every((shingle, slot) => shingle === other.#slots[slot])
  }

  /** Where a shingle stands, or would stand. */
  #slotOf(shingle: number): number {
    const sought = shingle || INSTEAD_OF_ZERO
    const last = this.#slots.length - 1
    let slot = (sought ^ (sought >>> 15)) & last
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== sought) slot = (slot + 1) & last
    return slot
  }
}

/** 0 is an empty slot. */
const INSTEAD_OF_ZERO = 1

/** The shingles of a system prompt; `null` for one that is too short. */
export function promptShingles(text: string): ShingleSet | null {
  if (text.length < PROMPT_CHARS_MIN) return null
  const told: number[] = []
  const reader = new ShingleReader()
  const add = (shingle: number): void => void told.push(shingle)
  reader.read(text, add)
  reader.end(add)
  if (told.length < SHINGLES_MIN) return null
  const shingles = new ShingleSet(told)
  return shingles.size >= SHINGLES_MIN ? shingles : null
}

/** Adds a system prompt to those of a conversation, once each. @returns whether it was added */
export function addPrompt(prompts: ShingleSet[], prompt: ShingleSet): boolean {
  if (prompts.length >= PROMPTS_MAX || prompts.some((known) => known === prompt || known.isSame(prompt))) return false
  prompts.push(prompt)
  return true
}
