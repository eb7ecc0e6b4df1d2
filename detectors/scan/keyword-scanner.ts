/**
 * Finds every occurrence of some hundred keywords in one pass, at about a nanosecond a character on text that has none.
 * The text is copied as bytes (one a code unit, so that offsets hold) and read as 16-bit pairs; a table says in which
 * of 16 buckets a pair can be the first or the second of a keyword. Two neighbours that share a bucket are a
 * candidate; the few keywords that have the first of the two are then compared in full.
 */
import { isAlnum } from './ascii.ts'
import { buildKeywordTable, type Keyword, type KeywordEntry } from './keyword-table.ts'
import { bytesOf } from './units.ts'

/**
 * Told of each occurrence, in ascending order of `start`; also of texts that differ from a keyword in nothing but the
 * high bytes of characters outside Latin-1: a pattern has the last word.
 */
export type OnKeyword = (start: number, keywordIndex: number) => void

/** A compiled set of keywords. Not re-entrant: `onKeyword` must not scan with the same scanner. */
export interface KeywordScanner {
  scan(text: string, onKeyword: OnKeyword): void
}

/** A longer text is read in pieces, whose copies stay near the processor. */
const CHUNK_CHARS = 32_768
const LOWER = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte))

/** Compiles keywords. @throws RangeError for one that is shorter than three characters or not ASCII. */
export function createKeywordScanner(keywords: readonly Keyword[]): KeywordScanner {
  const { buckets, firstCandidate, masks, values, entryIndexes, entries } = buildKeywordTable(keywords)
  const overlap = 2 * Math.max(3, ...keywords.map(({ text }) => text.length))
  const hits: number[] = []

  /** Compares the keywords that have the pair of this word for their first. */
  const candidates = (word: number, piece: string): void => {
    const { bytes, pairs } = bytesOf(piece)
    const pair = pairs[word] ?? 0
    const four = pair | ((pairs[word + 1] ?? 0) << 16)
    const end = firstCandidate[pair + 1] ?? 0
    for (let index = firstCandidate[pair] ?? 0; index < end; index++) {
      if ((four & (masks[index] ?? 0)) !== values[index]) continue
      const entry = entries[entryIndexes[index] ?? 0]
      if (!entry) continue
      const start = 2 * word - entry.delta
      if (entry.startsWord && start > 0 && isAlnum(bytes[start - 1] ?? 0) && isAlnum(piece.charCodeAt(start - 1)))
        continue
      if (occursAt(bytes, start, piece.length, entry)) hits.push(start, entry.keywordIndex)
    }
  }

  return {
    scan(text, onKeyword) {
      for (let base = 0; base < text.length; base += CHUNK_CHARS) {
        const isWhole = text.length <= CHUNK_CHARS
        const piece = isWhole ? text : text.slice(base, base + CHUNK_CHARS + overlap)
        const { pairs } = bytesOf(piece)
        const words = (piece.length + 3) >> 1
        let previous = 0
        for (let word = 0; word < words; word++) {
          const current = buckets[pairs[word] ?? 0] ?? 0
          if (((current >>> 16) & previous) !== 0) candidates(word - 1, piece)
          previous = current
        }
        if (hits.length > 0) flush(hits, base, onKeyword)
      }
    },
  }
}

/** Reports the occurrences that begin in this piece, sorted: they are nearly so, by at most a keyword's length. */
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

function occursAt(bytes: Uint8Array, start: number, limit: number, entry: KeywordEntry): boolean {
  const wanted = entry.bytes
  if (start < 0 || start + wanted.length > limit) return false
  for (let index = 0; index < wanted.length; index++) {
    const byte = bytes[start + index] ?? 0
    if (byte !== wanted[index] && !(entry.ignoreCase && LOWER[byte] === wanted[index])) return false
  }
  return true
}
