import { fingerprint } from './fingerprint.ts'

/** Words of one shingle: long enough that two texts share one only where one quotes the other. */
export const SHINGLE_WORDS = 8
/** A shorter system prompt holds nothing that is worth hiding. */
const PROMPT_WORDS_MIN = 32
/** Of a longer one the beginning is known again. */
const SHINGLES_MAX = 8_192

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

/** The shingles of a system prompt; `null` for one that is too short. */
export function promptShingles(text: string): ReadonlySet<number> | null {
  const shingles = new Set<number>()
  const reader = new ShingleReader()
  const add = (shingle: number): void => {
    if (shingles.size < SHINGLES_MAX) shingles.add(shingle)
  }
  reader.read(text, add)
  reader.end(add)
  return shingles.size >= PROMPT_WORDS_MIN - SHINGLE_WORDS + 1 ? shingles : null
}
