const DISTANCE_MAX = 2
const LENGTH_MAX = 64

/** The known word that was most likely meant, or `null` if none is near: at most two letters added, left out or changed. */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > LENGTH_MAX) return null
  let best: string | null = null
  let least = DISTANCE_MAX + 1
  for (const candidate of known) {
    const found = distance(word.toLowerCase(), candidate.toLowerCase())
    if (found < least && found < candidate.length) {
      best = candidate
      least = found
    }
  }
  return best
}

/** As many known words as may have been meant, the likeliest first: near ones, then those that begin alike. */
export function nearestFew(word: string, known: readonly string[], max = 5): readonly string[] {
  if (word.length > LENGTH_MAX) return []
  return known
    .map((candidate) => ({ candidate, rank: rankOf(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ rank }) => rank < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.rank - b.rank || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, max)
    .map(({ candidate }) => candidate)
}

/** Less is nearer; infinite for what is nothing alike. */
function rankOf(word: string, candidate: string): number {
  if (candidate.length > LENGTH_MAX) return Number.POSITIVE_INFINITY
  const changes = distance(word, candidate)
  if (changes <= DISTANCE_MAX && changes < candidate.length) return changes
  let shared = 0
  while (shared < word.length && word[shared] === candidate[shared]) shared++
  const alike = shared >= 4 && 2 * shared >= word.length
  return alike || candidate.endsWith(word) ? LENGTH_MAX + changes : Number.POSITIVE_INFINITY
}

/** Levenshtein's distance, row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a.charAt(i - 1) === b.charAt(j - 1) ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
