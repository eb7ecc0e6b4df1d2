/**
 * Finds every occurrence of some hundred keywords in one pass, at about half a nanosecond a character on text that has
 * none. The text is copied as bytes (one a code unit, so that offsets hold) and read as 16-bit pairs: an array indexed
 * by the pair says in which of 16 buckets it can be the first or the second pair of a keyword's rarest five
 * characters, at an even or an odd offset. Two neighbours that share a bucket are a candidate, and candidates are
 * compared in full.
 */

/** What is looked for; ASCII, at least three characters. */
export interface Keyword {
  readonly text: string
  /** Matches in either case; `text` is lower case then. */
  readonly ignoreCase: boolean
}

/** Told of each occurrence, in ascending order of `start`. */
export type OnKeyword = (start: number, keywordIndex: number) => void

/** A compiled set of keywords. Not re-entrant: `onKeyword` must not scan with the same scanner. */
export interface KeywordScanner {
  scan(text: string, onKeyword: OnKeyword): void
}

interface Entry {
  readonly keywordIndex: number
  readonly ignoreCase: boolean
  readonly bytes: Uint8Array
  /** From the keyword's start to the first pair, where that pair begins at an even offset of the window, and at an odd one. */
  readonly evenDelta: number
  readonly oddDelta: number
}

const BUCKETS = 16
const CHUNK_CHARS = 32_768
const PAIRS = 65_536
const WINDOW_CHARS = 5
const ANY_BYTE = Array.from({ length: 256 }, (_, byte) => byte)
const LOWER = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte))

/** Letters by how common they are in English text and code; the later, the rarer. */
const COMMON_LETTERS = 'etaoinsrlcdupmhgfybwvkxjqz'

/** Compiles keywords. @throws RangeError for one that is shorter than three characters or not ASCII. */
export function createKeywordScanner(keywords: readonly Keyword[]): KeywordScanner {
  const table = new Int32Array(PAIRS)
  const buckets: Entry[][] = Array.from({ length: BUCKETS }, () => [])
  const charsMax = Math.max(3, ...keywords.map(({ text }) => text.length))
  fillBuckets(keywords, table, buckets)

  const overlap = 2 * charsMax
  const bytes = Buffer.alloc(CHUNK_CHARS + overlap + 8)
  const pairs = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1)
  const hits: number[] = []

  const candidates = (mask: number, at: number, limit: number): void => {
    for (let bits = mask; bits !== 0; bits &= bits - 1) {
      const bucket = buckets[31 - Math.clz32(bits & -bits)] ?? []
      for (const entry of bucket) {
        if (occursAt(bytes, at - entry.evenDelta, limit, entry)) hits.push(at - entry.evenDelta, entry.keywordIndex)
        if (occursAt(bytes, at - entry.oddDelta, limit, entry)) hits.push(at - entry.oddDelta, entry.keywordIndex)
      }
    }
  }

  return {
    scan(text, onKeyword) {
      for (let base = 0; base < text.length; base += CHUNK_CHARS) {
        const chars = Math.min(text.length - base, CHUNK_CHARS + overlap)
        const piece = base === 0 && chars === text.length ? text : text.slice(base, base + chars)
        bytes.write(piece, 0, chars, 'latin1')
        bytes.fill(0, chars, chars + 4)
        const words = (chars + 3) >> 1
        let previous = 0
        for (let word = 0; word < words; word++) {
          const current = table[pairs[word] ?? 0] ?? 0
          const mask = (current >>> 16) & previous
          if (mask !== 0) candidates(mask, 2 * (word - 1), chars)
          previous = current
        }
        flush(hits, base, onKeyword)
      }
    },
  }
}

/** Reports the occurrences that begin in this chunk, sorted: they are nearly so, by at most a keyword's length. */
function flush(hits: number[], base: number, onKeyword: OnKeyword): void {
  for (let at = 2; at < hits.length; at += 2) {
    const start = hits[at] ?? 0
    const keyword = hits[at + 1] ?? 0
    let slot = at
    for (; slot > 0 && (hits[slot - 2] ?? 0) > start; slot -= 2) {
      hits[slot] = hits[slot - 2] ?? 0
      hits[slot + 1] = hits[slot - 1] ?? 0
    }
    hits[slot] = start
    hits[slot + 1] = keyword
  }
  for (let at = 0; at < hits.length; at += 2) {
    const start = hits[at] ?? 0
    if (start < CHUNK_CHARS) onKeyword(base + start, hits[at + 1] ?? 0)
  }
  hits.length = 0
}

function occursAt(bytes: Uint8Array, start: number, limit: number, entry: Entry): boolean {
  const wanted = entry.bytes
  if (start < 0 || start + wanted.length > limit) return false
  for (let index = 0; index < wanted.length; index++) {
    const byte = bytes[start + index] ?? 0
    if (byte !== wanted[index] && !(entry.ignoreCase && LOWER[byte] === wanted[index])) return false
  }
  return true
}

function fillBuckets(keywords: readonly Keyword[], table: Int32Array, buckets: readonly Entry[][]): void {
  const used = buckets.map(() => ({ first: new Set<number>(), second: new Set<number>() }))
  keywords.forEach((keyword, keywordIndex) => {
    const { text, ignoreCase } = keyword
    if (text.length < 3 || !/^[\x20-\x7e]+$/.test(text)) throw new RangeError(`"${text}" cannot be a keyword`)
    const from = rarestWindow(text)
    const window = [...text.slice(from, from + WINDOW_CHARS)].map((char) => variants(char, ignoreCase))
    const [a = [], b = [], c = [], d = ANY_BYTE, e = ANY_BYTE] = window
    const short = window.length === 3
    const even = { first: pairIndexes(a, b), second: pairIndexes(c, d) }
    const odd = short
      ? { first: pairIndexes(ANY_BYTE, a), second: pairIndexes(b, c) }
      : { first: pairIndexes(b, c), second: pairIndexes(d, e) }
    const first = [...even.first, ...odd.first]
    const second = [...even.second, ...odd.second]
    const chosen = cheapestBucket(used, first, second)
    for (const pair of first) table[pair] = (table[pair] ?? 0) | (1 << chosen)
    for (const pair of second) table[pair] = (table[pair] ?? 0) | (1 << (chosen + 16))
    const bytes = Uint8Array.from(Buffer.from(text, 'latin1'))
    buckets[chosen]?.push({ keywordIndex, ignoreCase, bytes, evenDelta: from, oddDelta: short ? from - 1 : from + 1 })
  })
}

/** The bucket in which the fewest pairs of pairs become candidates by accident. */
function cheapestBucket(
  used: readonly { readonly first: Set<number>; readonly second: Set<number> }[],
  first: readonly number[],
  second: readonly number[],
): number {
  let best = 0
  let bestGrowth = Number.POSITIVE_INFINITY
  used.forEach((bucket, index) => {
    const firstSize = bucket.first.size + first.filter((pair) => !bucket.first.has(pair)).length
    const secondSize = bucket.second.size + second.filter((pair) => !bucket.second.has(pair)).length
    const growth = firstSize * secondSize - bucket.first.size * bucket.second.size
    if (growth < bestGrowth) {
      best = index
      bestGrowth = growth
    }
  })
  for (const pair of first) used[best]?.first.add(pair)
  for (const pair of second) used[best]?.second.add(pair)
  return best
}

function rarestWindow(text: string): number {
  let best = 0
  let bestScore = -1
  for (let from = 0; from + Math.min(WINDOW_CHARS, text.length) <= text.length; from++) {
    const window = text.slice(from, from + WINDOW_CHARS)
    const score = [...window].reduce((sum, char) => sum + rarity(char), 0) * new Set(window).size
    if (score > bestScore) {
      best = from
      bestScore = score
    }
  }
  return best
}

function rarity(char: string): number {
  const letter = COMMON_LETTERS.indexOf(char)
  if (letter >= 0) return letter
  return char === ' ' ? 0 : 26
}

function variants(char: string, ignoreCase: boolean): number[] {
  const byte = char.charCodeAt(0)
  return ignoreCase && /[a-z]/.test(char) ? [byte, byte - 32] : [byte]
}

const pairBytes = new Uint8Array(2)
const pairView = new Uint16Array(pairBytes.buffer)

/** Indexes as this machine reads two bytes, so that byte order does not matter. */
function pairIndexes(firsts: readonly number[], seconds: readonly number[]): number[] {
  return firsts.flatMap((first) =>
    seconds.map((second) => {
      pairBytes[0] = first
      pairBytes[1] = second
      return pairView[0] ?? 0
    }),
  )
}
